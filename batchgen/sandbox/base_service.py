"""The common part of the sandbox's services: routes, sales, balance."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Literal, NotRequired, TypedDict, Unpack
from uuid import uuid4

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batchgen.sandbox.faults import REPLY_NEVER_COMES, Fault, roll
from batchgen.sandbox.price_table import Price, SpecialPrice, to_nano
from batchgen.sandbox.purchase_handler import (
    Order,
    Service,
    handle_purchase,
    path_in,
)
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.request_parsing import BodySpec, read_key
from batchgen.sandbox.sandbox_context import SandboxContext
from batchgen.sandbox.state_records import Charge, Picture

DEPOSIT_NANO = 1_000_000_000_000
"""Every account starts with a thousand dollars at each provider."""


class ImageSpec(TypedDict):
    """The images of an order: width and height, number, extension of the files."""

    size: tuple[int, int]
    count: NotRequired[int]
    file_format: NotRequired[str]


class BaseService(Service):
    """The defaults of a `Service`: a bearer key, and links that stay valid.

    Attributes:
        special_prices: For some requests; the first that matches one is its price.
        states_charge: Where replies state their charge, with an image or without. In
            headers, the charge is readable even if the body is cut. None if nowhere.
    """

    special_prices: Sequence[SpecialPrice] = ()
    key_header = "authorization"
    states_charge: Literal["body", "headers"] | None = None
    link_life_s: float | None = None
    renews_links = False
    is_inline = False

    def __init__(self, context: SandboxContext) -> None:
        self.context = context

    def prompt_in(self, body: Mapping[str, Any]) -> str:
        return str(body["prompt"])

    # -- routes

    def purchase_route(self, path: str, spec: BodySpec) -> Route:
        buy = partial(handle_purchase, self.context, self, spec)
        return Route(path, buy, methods=["POST"])

    def json_route(
        self,
        path: str,
        work: Callable[[Request], Awaitable[Mapping[str, Any] | Response]],
        method: str = "GET",
    ) -> Route:
        """Return a route that replies with a document, or with a refusal."""

        async def reply(request: Request) -> Response:
            try:
                answer = await work(request)
            except Refusal as refusal:
                return self.refuse(refusal, path_in(request))
            return answer if isinstance(answer, Response) else JSONResponse(answer)

        return Route(path, reply, methods=[method])

    # -- sales

    async def work(self, order: Order, fault: Fault | None) -> None:
        """Take the time that an image takes.

        Raises:
            Refusal: The prompt is not allowed.
        """
        await anyio.sleep(self.context.latency_s(order.content))
        if order.refused or fault is Fault.REFUSAL:
            raise Refusal(Reason.REFUSED, variant=roll("words", order.content))

    async def sell(
        self,
        order: Order,
        fault: Fault | None,
        resolution: str,
        amount_nano: int,
        **images: Unpack[ImageSpec],
    ) -> tuple[Charge, list[Picture]]:
        """Make images that are delivered at once, and charge for them."""
        pictures = self.pictures_of(order, fault, **images)
        charge = self.charge_of(order, fault, resolution, amount_nano)
        await self.record_sale(order, fault, charge, pictures)
        return charge, pictures

    def pictures_of(
        self, order: Order, fault: Fault | None, **images: Unpack[ImageSpec]
    ) -> list[Picture]:
        """Return the images of an order, at least one, which are drawn later."""
        width_px, height_px = images["size"]
        if fault is Fault.SMALLER_IMAGE:
            width_px, height_px = width_px // 2, height_px // 2
        ids = [uuid4().hex for _ in range(images.get("count", 1))]
        return [
            Picture(
                id=image,
                provider=order.provider,
                content=order.content,
                occurrence=order.arrival.occurrence,
                prompt=order.prompt,
                width_px=width_px,
                height_px=height_px,
                format=images.get("file_format", "png"),
                issued_at=self.context.now(),
                position=position,
                first=None if position == 1 else ids[0],
            )
            for position, image in enumerate(ids, start=1)
        ]

    def charge_of(
        self, order: Order, fault: Fault | None, resolution: str, amount_nano: int
    ) -> Charge:
        """Return the line of the bill for an order, with the amount for all images."""
        status = "no_image" if fault is Fault.NO_IMAGE else "delivered"
        return Charge(
            id=str(uuid4()),
            provider=order.provider,
            at=self.context.now(),
            amount_nano=amount_nano,
            prompt=order.prompt,
            resolution=resolution,
            status="lost" if fault in REPLY_NEVER_COMES else status,
        )

    async def record_sale(
        self,
        order: Order,
        fault: Fault | None,
        charge: Charge,
        pictures: Sequence[Picture],
    ) -> None:
        """Charge for images; on disk when this returns."""
        request, outcome = order.arrival.request, fault or "delivered"
        await self.context.transact(
            self.context.state.add_sale, request, outcome, charge, pictures
        )

    def expected_nano(self, resolution: str, count: int = 1) -> int:
        """Return the price of images by the price table, in nano-dollars."""
        return count * to_nano(self.price_table[resolution].expected_usd)

    def random_nano(self, order: Order, resolution: str, step_nano: int) -> int:
        """Return a charge between the lowest and the highest price, in whole steps."""
        price = self.price_table[resolution]
        max_steps = to_nano(price.ceiling_usd) // step_nano
        min_steps = to_nano(2 * price.expected_usd - price.ceiling_usd) // step_nano
        variation = int(roll("price", order.content) * (max_steps - min_steps + 1))
        return (min_steps + variation) * step_nano

    async def remaining_nano(self, request: Request) -> int:
        """Return the deposit less all charges, in nano-dollars.

        Raises:
            Refusal: The key is wrong, or the request has parameters or a body.
        """
        key = read_key(request, self.key_header)
        if request.query_params or await request.body():
            raise Refusal(Reason.INVALID, "A balance is asked for without parameters")
        if "broke" in key:
            return 0
        context = self.context
        charges = await context.transact(context.state.bill, self.name, context.now())
        return max(0, DEPOSIT_NANO - sum(charge.amount_nano for charge in charges))


def price_within(usd: str, spread: str = "0") -> Price:
    """Return a price whose ceiling is higher by a share of it."""
    expected = Decimal(usd)
    return Price(expected_usd=expected, ceiling_usd=expected * (1 + Decimal(spread)))


def image_count(requested: int, fault: Fault | None) -> int:
    """Return how many images are made and charged, of those in the request."""
    return max(1, requested - 1) if fault is Fault.FEWER_IMAGES else requested
