"""The common part of services with tasks: submit, poll, links for 24 hours."""

from __future__ import annotations

from enum import StrEnum
from typing import Unpack

from starlette.requests import Request

from batchgen.sandbox.base_service import BaseService, ImageSpec
from batchgen.sandbox.faults import POLL_FAULTS, Fault, roll
from batchgen.sandbox.purchase_handler import Order
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.request_parsing import read_key
from batchgen.sandbox.state_records import Picture, Task
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
"""Endings without a charge: the sandbox's own rule; no document has one."""


class TaskService(BaseService):
    """The defaults of a service with tasks, whose links end and can be renewed."""

    link_life_s = LINK_LIFE_S
    renews_links = True

    async def submit(
        self,
        order: Order,
        fault: Fault | None,
        resolution: str,
        task_id: str,
        **images: Unpack[ImageSpec],
    ) -> Task:
        """Record a task, with its ending, and return it.

        The task has at least one picture, even if it will fail. Its price is that of
        the price table, due at the end of the task, unless the task fails.
        """
        pictures = self.pictures_of(order, fault, **images)
        amount_nano = self.expected_nano(resolution, len(pictures))
        charge = self.charge_of(order, fault, resolution, amount_nano)
        ending = await self._ending(order, fault)
        context = self.context
        task = Task(
            id=task_id,
            provider=order.provider,
            content=order.content,
            occurrence=order.arrival.occurrence,
            model=order.body.get("model", ""),
            prompt=order.prompt,
            resolution=resolution,
            created_at=charge.at,
            ready_at=charge.at + context.latency_s(order.content, factor=2.4),
            ending=ending,
            image=pictures[0].id,
            amount_nano=0 if ending in FREE_ENDINGS else amount_nano,
            bill_status=charge.status,
        )
        request, outcome = order.arrival.request, fault or "accepted"
        await context.transact(context.state.add_task, request, outcome, task, pictures)
        return task

    async def _ending(self, order: Order, fault: Fault | None) -> Ending:
        if order.refused or fault is Fault.REFUSAL:
            return Ending.REFUSED
        if fault is Fault.GENERATION_FAILED:
            return Ending.FAILED
        if await has_ended_link(self.context, order.provider, order.body):
            return Ending.BAD_URL
        return Ending.NO_IMAGE if fault is Fault.NO_IMAGE else Ending.COMPLETED

    async def poll(self, request: Request) -> tuple[Task, int]:
        """Return the task of a poll, and its progress: 100 at its end.

        Raises:
            Refusal: The key is wrong, or there is no such task.
        """
        read_key(request, self.key_header)
        task_id = request.path_params["task_id"]
        now = self.context.now()
        task = await self.context.transact(
            self.context.state.poll, self.name, task_id, now
        )
        fault = self.context.faults.pop_queued(self.name, POLL_FAULTS)
        if task is None or fault is Fault.TASK_UNKNOWN:
            raise Refusal(Reason.NOT_FOUND, f"Task {task_id} not found")
        if now >= task.ready_at:
            return task, 100
        done = (now - task.created_at) / (task.ready_at - task.created_at)
        return task, max(0, min(99, int(done * 100)))

    async def results_of(self, task: Task) -> list[Picture]:
        """Return the images of a completed task, with valid links.

        One task in sixteen is reported as completed before its result is ready: then
        the first poll after the end of the task has no result.
        """
        is_first = task.times_completed_seen == 0
        is_early = is_first and roll("hurried", task.content, task.occurrence) < 1 / 16
        if task.ending == Ending.NO_IMAGE or is_early:
            return []
        return await self.context.transact(
            self.context.state.fresh_links, task.image, self.context.now(), LINK_LIFE_S
        )
