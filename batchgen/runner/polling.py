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
from batchgen.limits import Outage
from batchgen.model import Delivered, Running
from batchgen.provider import TaskProvider
from batchgen.runner.answers import heed_wait
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
    """Asks for one task.

    Attributes:
        was_answered: Whether the last try got an answer, or might have.
        silent_s: Seconds for which an outage, or its own word, kept the provider from
            answering.
    """

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
        self._heard_at = run.time.monotonic()
        self.was_answered = False
        self.silent_s = 0.0

    async def ask(self) -> Delivered | Running:
        """Ask once; what may pass is answered as still running.

        Raises:
            AttemptError: the task ended without images, or cannot be asked for.
        """
        call = self._provider.encode_poll(self._task_id, self._lane.endpoint)
        self.was_answered = True
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
            self._lane.asking.failed(self._task_id)
            if error.retry_after_s:
                words = self._run.scrubber.clean(error.message)
                heed_wait(self._run, self._lane, error.retry_after_s, words)
            await anyio.sleep(
                wait_s(self._troubles, error.retry_after_s, self._run.rng)
            )
            self._keep_silence(is_asked_for=bool(error.retry_after_s))
            return Running()
        self._troubles = self._doubts = 0
        self._lane.asking.worked()
        self._heard_at = self._run.time.monotonic()
        return outcome

    def _keep_silence(self, *, is_asked_for: bool) -> None:
        """Count the time since the last try, if the task is not to blame for it."""
        began, self._heard_at = self._heard_at, self._run.time.monotonic()
        is_down = self._lane.asking.excuses or self._lane.breaker.is_open
        if (is_down or is_asked_for) and self.silent_s < Outage.PATIENCE_S:
            self.silent_s += self._heard_at - began
            self.was_answered = False
            self._run.progress.say_once(
                f"{self._lane.name} does not say how its tasks stand: they are asked "
                "for until it does; nothing is bought again for them"
            )

    async def _rest(self) -> None:
        """Wait as long as the provider asked everybody to, not all to one moment."""
        while (left_s := self._lane.departures.pause_left_s()) > 0:
            spread_s = self._run.rng.uniform(0, self.schedule.every_s)
            await anyio.sleep(left_s + spread_s)


async def follow(run: Run, flight: Flight, estimate_s: float | None) -> Delivered:
    """Poll until the task delivers; an outage does not count against its deadline.

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
        age_s = run.time.monotonic() - began - poller.silent_s
        if isinstance(outcome, Delivered):
            flight.lane.pace.learn(age_s)
            return outcome
        if age_s > schedule.deadline_s:
            hours = schedule.deadline_s / 3600
            raise TaskOverdue(flight.lane.name, f"task {task_id} runs for {hours:g} h")
        wait = flight.lane.pace.every_s(schedule, polls)
        polls += 1
