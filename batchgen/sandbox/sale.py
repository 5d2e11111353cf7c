"""The parts of every sale: images, which are drawn later, and one charge."""

from __future__ import annotations

from uuid import uuid4

from batchgen.sandbox.faults import REPLY_NEVER_COMES, Fault
from batchgen.sandbox.purchase_handler import Order
from batchgen.sandbox.sandbox_context import SandboxContext
from batchgen.sandbox.state_records import Charge, Picture


def image_count(requested: int, fault: Fault | None) -> int:
    """Return how many images are made and charged, of those in the request."""
    return max(1, requested - 1) if fault is Fault.FEWER_IMAGES else requested


def pictures_of(
    context: SandboxContext,
    order: Order,
    fault: Fault | None,
    *,
    size: tuple[int, int],
    count: int = 1,
    file_format: str = "png",
) -> list[Picture]:
    """Return the images of an order, at least one; `size` is width and height."""
    width_px, height_px = size
    if fault is Fault.SMALLER_IMAGE:
        width_px, height_px = width_px // 2, height_px // 2
    ids = [uuid4().hex for _ in range(count)]
    return [
        Picture(
            id=image,
            provider=order.provider,
            content=order.content,
            occurrence=order.arrival.occurrence,
            prompt=order.prompt,
            width_px=width_px,
            height_px=height_px,
            format=file_format,
            issued_at=context.now(),
            position=position,
            first=None if position == 1 else ids[0],
        )
        for position, image in enumerate(ids, start=1)
    ]


async def sell(
    context: SandboxContext,
    order: Order,
    fault: Fault | None,
    charge: Charge,
    pictures: list[Picture],
) -> None:
    """Charge for images that are delivered at once; on disk when this returns."""
    await context.transact(
        context.state.add_sale,
        order.arrival.request,
        fault or "delivered",
        charge,
        pictures,
    )


def charge_of(
    context: SandboxContext,
    order: Order,
    fault: Fault | None,
    resolution: str,
    amount_nano: int,
) -> Charge:
    """Return the line of the bill for an order, with the amount for all its images."""
    status = "no_image" if fault is Fault.NO_IMAGE else "delivered"
    if fault in REPLY_NEVER_COMES:
        status = "lost"
    return Charge(
        id=str(uuid4()),
        provider=order.provider,
        at=context.now(),
        amount_nano=amount_nano,
        prompt=order.prompt,
        resolution=resolution,
        status=status,
    )
