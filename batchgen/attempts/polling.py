"""Poll an accepted task until it ends; polling buys nothing, so it is patient."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal

import anyio

from batchgen.admission.next_step import wait_s
from batchgen.admission.provider_health import record_wait
from batchgen.admission.run_context import AttemptContext, Run
from batchgen.attempts.echoes import read_without_echoes
from batchgen.attempts.kept_replies import keep_unread
from batchgen.errors import (
    AttemptError,
    Charge,
    GenerationFailed,
    NoImage,
    OutcomeUnknown,
    ProviderStopped,
    ReplyMalformed,
    Retryable,
    TaskLost,
)
from batchgen.limits import Outage
from batchgen.model import Blob, Call, Delivered, Link, Next, Reply, Running
from batchgen.providers.base import TaskProvider
from batchgen.tracebacks import drop_tracebacks
from batchgen.wire import MemoryLease

SURE_AFTER = 3
"""Replies in a row that make "unknown task" or a malformed reply credible: a task can
be missing for a moment after it was accepted [assumed]."""

MAX_CALLS = 4
"""Requests that one poll may take: a provider that always names a next one would
otherwise be asked forever."""

POLL_TIMEOUT_S = 60.0


class Poller:
    """Polls the task of one attempt, or several tasks that one purchase made.

    Args:
        run: The run.
        context: The attempt.
        handle: Of the task; of several, with a space between them.
        lease: Memory of images in a reply.

    Attributes:
        was_answered: False if an outage, or a pause that the provider asked for, left
            the last poll without a reply.
        silent_s: Seconds without replies for these two reasons.
        is_partial: Whether some of several tasks ended without images.
    """

    def __init__(
        self, run: Run, context: AttemptContext, handle: str, lease: MemoryLease
    ) -> None:
        queue = context.queue
        if not isinstance(queue.provider, TaskProvider):
            raise OutcomeUnknown(queue.name, f"it has no tasks, yet one is {handle}")
        self._run = run
        self._queue = queue
        self._context = context
        self._lease = lease
        self._provider = queue.provider
        self.schedule = queue.provider.polling
        self._handle = handle
        self._ends: dict[str, Delivered | AttemptError] = {}
        self._failures = 0
        self._doubts: Counter[str] = Counter()
        self._last_answer_at = run.time.monotonic()
        self.was_answered = False
        self.silent_s = 0.0
        self.is_partial = False

    async def ask(self) -> Delivered | Running:
        """Poll once; a failure that may pass counts as still running.

        Raises:
            AttemptError: the task ended without images, or cannot be polled.
        """
        handles = self._handle.split(" ")
        if len(handles) == 1:
            return await self._ask(self._handle)
        for handle in handles:
            if handle not in self._ends:
                await self._ask_one_of(handle)
        ends = [self._ends[handle] for handle in handles if handle in self._ends]
        return self._joined(ends) if len(ends) == len(handles) else Running()

    async def _ask_one_of(self, handle: str) -> None:
        """Poll one of several tasks; its failure does not affect the others.

        Raises:
            ProviderStopped: none of them can be polled.
        """
        try:
            outcome = await self._ask(handle)
        except ProviderStopped:
            raise
        except AttemptError as error:
            drop_tracebacks(error)
            self._ends[handle] = error
        else:
            if isinstance(outcome, Delivered):
                self._ends[handle] = outcome

    def _joined(self, ends: Sequence[Delivered | AttemptError]) -> Delivered:
        """Return what several tasks delivered together.

        Raises:
            AttemptError: none of them delivered anything.
        """
        delivered = [end for end in ends if isinstance(end, Delivered)]
        failed = [end for end in ends if isinstance(end, AttemptError)]
        if not delivered:
            raise _worst(failed)
        self.is_partial = bool(failed)
        costs = [task.cost_usd for task in delivered if task.cost_usd is not None]
        usage: defaultdict[str, Decimal] = defaultdict(Decimal)
        for task in delivered:
            for unit, amount in task.usage.items():
                usage[unit] += amount
        is_free = self._queue.failed_tasks == "free"
        return Delivered(
            images=tuple(image for task in delivered for image in task.images),
            cost_usd=sum(costs, Decimal(0)) if len(costs) == len(delivered) else None,
            usage=usage if all(task.usage for task in delivered) else {},
            may_cost_more=self.is_partial and not is_free,
        )

    async def _ask(self, handle: str) -> Delivered | Running:
        self.was_answered = True
        await self._rest()
        try:
            outcome = await self._poll(handle)
        except (Retryable, OutcomeUnknown) as error:
            drop_tracebacks(error)
            if isinstance(error, GenerationFailed | NoImage):
                raise
            self._failures += 1
            self._queue.poll_outage.record_failure(self._handle)
            if error.retry_after_s:
                message = self._run.redactor.redact(error.message)
                record_wait(
                    self._run.progress, self._queue, error.retry_after_s, message
                )
            await anyio.sleep(
                wait_s(self._failures, error.retry_after_s, self._run.rng)
            )
            self._count_silence(is_pause=bool(error.retry_after_s))
            return Running()
        self._failures = 0
        self._queue.poll_outage.record_success()
        self._last_answer_at = self._run.time.monotonic()
        return outcome

    async def _poll(self, handle: str) -> Delivered | Running:
        """Send a poll and the requests that its replies name; none of them buys."""
        call = self._provider.encode_poll(handle, self._queue.endpoint)
        for _ in range(MAX_CALLS):
            outcome = await self._exchange(handle, call)
            if not isinstance(outcome, Next):
                return outcome
            call = outcome.call
        return Running()

    async def _exchange(self, handle: str, call: Call) -> Delivered | Running | Next:
        """Send one call and read its reply; only images stay in memory."""
        image_bytes = 0
        try:
            async with self._queue.polls:
                reply = await self._run.wire.send(
                    self._queue.name,
                    call,
                    reply_timeout_s=POLL_TIMEOUT_S,
                    lease=self._lease,
                )
            outcome = await self._read(handle, reply)
            if isinstance(outcome, Delivered):
                image_bytes = sum(map(_size_of, outcome.images))
            return outcome
        finally:
            self._lease.shrink(image_bytes)
            self._lease.keep()

    async def _read(self, handle: str, reply: Reply) -> Delivered | Running | Next:
        """Return a decoded reply; a doubtful one counts only after some repetitions."""
        try:
            outcome = read_without_echoes(
                self._context,
                reply,
                lambda reply: self._provider.decode_poll(reply, self._queue.endpoint),
            )
        except (TaskLost, ReplyMalformed, NoImage) as error:
            self._doubts[handle] += 1
            is_empty = isinstance(error, NoImage)
            enough = self._provider.defaults.empty_polls if is_empty else SURE_AFTER
            if self._doubts[handle] < enough:
                return Running()
            if not isinstance(error, TaskLost):
                await keep_unread(self._run, self._context, reply, error, "poll")
            raise
        if not isinstance(outcome, Next):
            # A reply that only names a next call leaves the doubt as it is.
            del self._doubts[handle]
        return outcome

    def _count_silence(self, *, is_pause: bool) -> None:
        """Count the time since the last reply, if the task is not its cause."""
        began, self._last_answer_at = self._last_answer_at, self._run.time.monotonic()
        is_down = self._queue.poll_outage.waives_failures or self._queue.breaker.is_open
        if (is_down or is_pause) and self.silent_s < Outage.PATIENCE_S:
            self.silent_s += self._last_answer_at - began
            self.was_answered = False
            self._run.progress.notify_once(
                f"{self._queue.name} does not say how its tasks stand: they are asked "
                "for until it does; nothing is bought again for them"
            )

    async def _rest(self) -> None:
        """Wait for the end of the provider's pause, and for a random time after it."""
        while (left_s := self._queue.rate_limiter.pause_left_s()) > 0:
            spread_s = self._run.rng.uniform(0, self.schedule.every_s)
            await anyio.sleep(left_s + spread_s)


def _size_of(image: Link | Blob) -> int:
    return len(image) if isinstance(image, Blob) else len(image.url)


def _worst(failed: Sequence[AttemptError]) -> AttemptError:
    """Return one failure for all: one that may pass, with an unknown charge if any."""
    may_pass = [error for error in failed if isinstance(error, Retryable)]
    error = (may_pass or failed)[0]
    if any(error.charge is not Charge.NONE for error in failed):
        error.charge = Charge.UNKNOWN
    return error
