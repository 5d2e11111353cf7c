"""What the providers do alike that sell tasks: submit, poll, links for 24 hours."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from batchgen.sandbox.faults import Fault, roll
from batchgen.sandbox.purchase import Order, Service, path_in
from batchgen.sandbox.records import Charge, Picture, Task
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.strict import read_key
from batchgen.sandbox.uploads import ended_links
from batchgen.sandbox.workshop import Workshop

LINK_LIFE_S = 24 * 3600.0


class Ending(StrEnum):
    """What becomes of a task; FoxAPI's own codes where it has one."""

    COMPLETED = "completed"
    NO_IMAGE = "no_image"
    REFUSED = "content_policy_violation"
    FAILED = "generation_failed"
    BAD_URL = "invalid_image_url"


FREE = frozenset({Ending.REFUSED, Ending.FAILED, Ending.BAD_URL})
"""Endings without a charge. No document says so; it is the sandbox's own rule."""


async def submit(
    shop: Workshop,
    order: Order,
    fault: Fault | None,
    pictures: Sequence[Picture],
    charge: Charge,
    *,
    task_id: str,
) -> Task:
    """Write down a task, with all that will become of it, and return it.

    Args:
        shop: Keeps it.
        order: What it is for.
        fault: What goes wrong.
        pictures: Its images, at least one, drawn or not.
        charge: For all its images, due when it is done, unless it fails.
        task_id: Its id, and that of its line of the bill.
    """
    now = shop.now()
    ending = await _ending(shop, order, fault)
    task = Task(
        id=task_id,
        provider=order.provider,
        content=order.content,
        occurrence=order.arrival.occurrence,
        model=order.body.get("model", ""),
        prompt=order.prompt,
        resolution=charge.resolution,
        created_at=now,
        ready_at=now + shop.latency_s(order.content, slower=2.4),
        ending=ending,
        image=pictures[0].id,
        amount_nano=0 if ending in FREE else charge.amount_nano,
        bill_status=charge.status,
    )
    await shop.remember(
        shop.state.add_task, order.arrival.request, fault or "accepted", task, pictures
    )
    return task


async def _ending(shop: Workshop, order: Order, fault: Fault | None) -> Ending:
    if order.refused or fault is Fault.REFUSAL:
        return Ending.REFUSED
    if fault is Fault.GENERATION_FAILED:
        return Ending.FAILED
    if await ended_links(shop, order.provider, order.body.get("image_urls", [])):
        return Ending.BAD_URL
    return Ending.NO_IMAGE if fault is Fault.NO_IMAGE else Ending.COMPLETED


async def look_at(
    shop: Workshop, service: Service, request: Request
) -> tuple[Task, int]:
    """Return the task that a poll asks for and its progress: 100 at its end.

    Raises:
        Refusal: The key is wrong, or nobody knows the task.
    """
    read_key(request, service.key_header)
    task_id = request.path_params["task_id"]
    now = shop.now()
    task = await shop.remember(shop.state.poll, service.name, task_id, now)
    fault = shop.faults.at_poll(service.name)
    if task is None or fault is Fault.TASK_UNKNOWN:
        raise Refusal(Reason.NOT_FOUND, f"Task {task_id} not found")
    if now >= task.ready_at:
        return task, 100
    done = (now - task.created_at) / (task.ready_at - task.created_at)
    return task, max(0, min(99, int(done * 100)))


async def results_of(shop: Workshop, task: Task) -> list[Picture]:
    """Return the images of a completed task, with links that work.

    One task in sixteen is completed before its result is there: the first poll that
    says so has none.
    """
    first = task.times_completed_seen == 0
    hurried = first and roll("hurried", task.content, task.occurrence) < 1 / 16
    if task.ending == Ending.NO_IMAGE or hurried:
        return []
    return await shop.remember(
        shop.state.fresh_links, task.image, shop.now(), LINK_LIFE_S
    )


async def answer(
    service: Service, request: Request, work: Awaitable[Mapping[str, Any]]
) -> Response:
    """Return a document, or the error reply for whatever stands in its way."""
    try:
        return JSONResponse(await work)
    except Refusal as refusal:
        return service.refuse(refusal, path_in(request))
