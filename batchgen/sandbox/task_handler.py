"""The common part of providers with tasks: submit, poll, links for 24 hours."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from starlette.requests import Request

from batchgen.sandbox.base_service import BaseService
from batchgen.sandbox.faults import POLL_FAULTS, Fault, roll
from batchgen.sandbox.purchase_handler import Order, Service
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.request_parsing import read_key
from batchgen.sandbox.sale import charge_of, pictures_of
from batchgen.sandbox.sandbox_context import SandboxContext
from batchgen.sandbox.state_records import Charge, Picture, Task
from batchgen.sandbox.upload_handler import has_ended_link

LINK_LIFE_S = 24 * 3600.0


class Ending(StrEnum):
    """How a task ends; with FoxAPI's code where FoxAPI has one."""

    COMPLETED = "completed"
    NO_IMAGE = "no_image"
    REFUSED = "content_policy_violation"
    FAILED = "generation_failed"
    BAD_URL = "invalid_image_url"


FREE_ENDINGS = frozenset({Ending.REFUSED, Ending.FAILED, Ending.BAD_URL})
"""Endings without a charge: the sandbox's own rule, which stands in no document."""


async def submit(
    context: SandboxContext,
    order: Order,
    fault: Fault | None,
    pictures: Sequence[Picture],
    charge: Charge,
    *,
    task_id: str,
) -> Task:
    """Record a task, with its ending, and return it.

    The task has at least one picture, even if it will fail. The charge is for all its
    images, and due at the end of the task, unless the task fails.
    """
    now = context.now()
    ending = await _ending(context, order, fault)
    task = Task(
        id=task_id,
        provider=order.provider,
        content=order.content,
        occurrence=order.arrival.occurrence,
        model=order.body.get("model", ""),
        prompt=order.prompt,
        resolution=charge.resolution,
        created_at=now,
        ready_at=now + context.latency_s(order.content, factor=2.4),
        ending=ending,
        image=pictures[0].id,
        amount_nano=0 if ending in FREE_ENDINGS else charge.amount_nano,
        bill_status=charge.status,
    )
    await context.transact(
        context.state.add_task,
        order.arrival.request,
        fault or "accepted",
        task,
        pictures,
    )
    return task


async def _ending(context: SandboxContext, order: Order, fault: Fault | None) -> Ending:
    if order.refused or fault is Fault.REFUSAL:
        return Ending.REFUSED
    if fault is Fault.GENERATION_FAILED:
        return Ending.FAILED
    if await has_ended_link(context, order.provider, order.body):
        return Ending.BAD_URL
    return Ending.NO_IMAGE if fault is Fault.NO_IMAGE else Ending.COMPLETED


async def poll_task(
    context: SandboxContext, service: Service, request: Request
) -> tuple[Task, int]:
    """Return the task of a poll, and its progress: 100 at its end.

    Raises:
        Refusal: The key is wrong, or there is no such task.
    """
    read_key(request, service.key_header)
    task_id = request.path_params["task_id"]
    now = context.now()
    task = await context.transact(context.state.poll, service.name, task_id, now)
    fault = context.faults.pop_queued(service.name, POLL_FAULTS)
    if task is None or fault is Fault.TASK_UNKNOWN:
        raise Refusal(Reason.NOT_FOUND, f"Task {task_id} not found")
    if now >= task.ready_at:
        return task, 100
    done = (now - task.created_at) / (task.ready_at - task.created_at)
    return task, max(0, min(99, int(done * 100)))


async def results_of(context: SandboxContext, task: Task) -> list[Picture]:
    """Return the images of a completed task, with valid links.

    One task in sixteen is reported as completed before its result is ready: then the
    first poll after the end of the task has no result.
    """
    is_first = task.times_completed_seen == 0
    is_early = is_first and roll("hurried", task.content, task.occurrence) < 1 / 16
    if task.ending == Ending.NO_IMAGE or is_early:
        return []
    return await context.transact(
        context.state.fresh_links, task.image, context.now(), LINK_LIFE_S
    )


class TaskService(BaseService):
    """The defaults of a service with tasks, whose links end and can be renewed."""

    link_life_s = LINK_LIFE_S
    renews_links = True

    async def submit(  # noqa: PLR0913 - each is an independent setting
        self,
        order: Order,
        fault: Fault | None,
        resolution: str,
        task_id: str,
        *,
        size: tuple[int, int],
        count: int = 1,
        file_format: str = "png",
    ) -> Task:
        """Accept a task at the price of the price table; see `submit`."""
        amount_nano = self.expected_nano(resolution, count)
        charge = charge_of(self.context, order, fault, resolution, amount_nano)
        pictures = pictures_of(
            self.context, order, fault, size=size, count=count, file_format=file_format
        )
        return await submit(
            self.context, order, fault, pictures, charge, task_id=task_id
        )
