"""Ask for an accepted task until it ends; asking buys nothing, so it is patient."""

from __future__ import annotations

import anyio

from batchgen.errors import (
    GenerationFailed,
    NoImage,
    OutcomeUnknown,
    ReplyMalformed,
    Retryable,
    TaskLost,
    TaskOverdue,
)
from batchgen.model import Delivered, Running
from batchgen.provider import TaskProvider
from batchgen.runner.context import Flight, Run
from batchgen.runner.decide import wait_s
from batchgen.runner.lane import Lane

SURE_AFTER = 3
"""Equal answers in a row before "unknown task" or a malformed reply is believed: a task
can be missing for a moment after it was accepted [assumed]."""

EMPTY_TRIES = 2
"""A completed task without a result is asked once more (FoxAPI's known quirk)."""

POLL_TIMEOUT_S = 60.0


class Poller:
    """Asks for one task."""

    def __init__(self, run: Run, lane: Lane, task_id: str) -> None:
        if not isinstance(lane.provider, TaskProvider):
            raise OutcomeUnknown(lane.name, f"it has no tasks, yet one is {task_id}")
        self._run = run
        self._lane = lane
        self._provider = lane.provider
        self.schedule = lane.provider.polling
        self._task_id = task_id
        self._troubles = 0
        self._doubts = 0

    async def ask(self) -> Delivered | Running:
        """Ask once; what may pass is answered as still running.

        Raises:
            AttemptError: the task ended without images, or cannot be asked for.
        """
        call = self._provider.encode_poll(self._task_id, self._lane.endpoint)
        await self._rest()
        try:
            async with self._lane.polls:
                reply = await self._run.wire.send(
                    self._lane.name, call, reply_timeout_s=POLL_TIMEOUT_S
                )
            outcome = self._provider.decode_poll(reply)
        except GenerationFailed:
            raise
        except (TaskLost, ReplyMalformed, NoImage) as error:
            self._doubts += 1
            enough = EMPTY_TRIES if isinstance(error, NoImage) else SURE_AFTER
            if self._doubts >= enough:
                raise
            return Running()
        except (Retryable, OutcomeUnknown) as error:
            self._troubles += 1
            if error.retry_after_s:
                self._lane.departures.pause(error.retry_after_s)
            await anyio.sleep(
                wait_s(self._troubles, error.retry_after_s, self._run.rng)
            )
            return Running()
        self._troubles = self._doubts = 0
        return outcome

    async def _rest(self) -> None:
        """Wait as long as the provider asked everybody to, not all to one moment."""
        while (left_s := self._lane.departures.pause_left_s()) > 0:
            spread_s = self._run.rng.uniform(0, self.schedule.every_s)
            await anyio.sleep(left_s + spread_s)


async def follow(run: Run, flight: Flight, estimate_s: float | None) -> Delivered:
    """Poll until the task delivers.

    Raises:
        TaskOverdue: it is past its deadline; later runs ask again.
        ProviderStopped: the key is refused; the task stays accepted.
        AttemptError: the task ended without images.
    """
    task_id = flight.task_id or ""
    poller = Poller(run, flight.lane, task_id)
    schedule = poller.schedule
    began = run.time.monotonic()
    wait = flight.lane.pace.first_s(schedule, estimate_s)
    polls = 0
    while True:
        await anyio.sleep(wait)
        outcome = await poller.ask()
        age_s = run.time.monotonic() - began
        if isinstance(outcome, Delivered):
            flight.lane.pace.learn(age_s)
            return outcome
        if age_s > schedule.deadline_s:
            hours = schedule.deadline_s / 3600
            raise TaskOverdue(flight.lane.name, f"task {task_id} runs for {hours:g} h")
        wait = flight.lane.pace.every_s(schedule, polls)
        polls += 1
