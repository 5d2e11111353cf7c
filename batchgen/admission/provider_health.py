"""What an answer, or no answer, to one purchase means for the provider as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchgen.admission.next_step import Buy, Part, RowEnd, decide, history_of
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.row_changes import RowChange, change_row
from batchgen.admission.run_context import AttemptContext, RowRules, Run
from batchgen.errors import (
    AttemptError,
    Internal,
    NoImage,
    NotConnected,
    OutcomeUnknown,
    ProviderDown,
    ProviderStopped,
    QuotaReached,
    ReplyMalformed,
    RequestInvalid,
    Throttled,
    Unreachable,
)
from batchgen.ledger import Ledger
from batchgen.limits import SILENT_S, Load, Verdict
from batchgen.model import Status
from batchgen.providers._decoding import PAGE_TITLED

if TYPE_CHECKING:
    from batchgen.admission.permit import Permit
    from batchgen.runner.progress import Progress

LONG_WAITS = (
    (10.0, "ten seconds"),
    (60.0, "a minute"),
    (3600.0, "an hour"),
    (86400.0, "a day"),
)
"""Waits that are shown to the user."""

WAITS_SHOWN = 8
"""So many different waits of one provider are shown in a run."""

UNREACHED_S = 120.0
"""After this long without a single connection it is not an outage but a wrong address,
or no network. A provider that was reached once in the run is waited for much longer."""

LONGEST_STUCK_S = 24 * 3600.0
"""After this long without a single purchase that was accepted, the run waits no longer:
rows stay pending, and the same command carries on [assumed]."""

_NUMBERS = re.compile(r"[0-9]+")


def record_success(
    run: Run, queue: ProviderQueue, load: Load, *, is_accepted: bool
) -> None:
    """Record a purchase that was accepted.

    What was delivered at once must be an image, before others rely on it.
    """
    queue.was_reached = True
    queue.is_answered |= is_accepted
    queue.stuck_since = queue.task_error = None
    queue.limiter.record_acceptance(load)
    queue.verdicts.record_success(run.time.monotonic())
    if queue.breaker.record_success(load.at):
        # To fill all slots at once would be too much for a provider that is just back.
        queue.rate_limiter.begin_slowly()
        run.progress.notice(f"{queue.name} answers again")
    run.wake()


def record_failure(
    run: Run, context: AttemptContext, permit: Permit, error: AttemptError
) -> tuple[AttemptError, tuple[int, ...]]:
    """Record a purchase that failed.

    Returns:
        The error, or that of the row alone; and attempts that failed because the
        provider failed for all rows, which are passed to `waive` as this one ends.
    """
    queue = context.queue
    error.message = run.redactor.redact(error.message)
    if isinstance(error, NotConnected) and error.lacks_socket:
        queue.rate_limiter.pause(SILENT_S)
        return error, ()
    if not isinstance(error, OutcomeUnknown | NotConnected | ProviderDown):
        return _record_answer(run.progress, context, permit, error), ()
    # An outcome that is unknown cannot be waived: it may have been charged.
    can_waive = isinstance(error, ProviderDown)
    queue.breaker.be_patient_for(run.rows_waiting())
    verdict = queue.breaker.record_loss(
        context.part.row_id,
        context.attempt.attempt_id if can_waive else None,
        permit.load.at,
        is_probe=permit.is_probe,
    )
    _give_up_if_stuck(queue, Unreachable(error.provider, error.message))
    return error, _record_verdict(run, queue, verdict, error)


def _record_answer(
    progress: Progress, context: AttemptContext, permit: Permit, error: AttemptError
) -> AttemptError:
    """Record an answer that is no success; return the error that it is treated as."""
    queue = context.queue
    pause_s = queue.breaker.record_answer(is_probe=permit.is_probe)
    if pause_s is not None:
        queue.rate_limiter.hold(pause_s)
    if isinstance(error, Throttled):
        row_id, is_alone = context.part.row_id, queue.in_flight == 1
        # A gateway that is down refuses the last row alone, too: no fault of that row.
        is_own = not error.is_unavailable
        if is_own and queue.verdicts.record_throttle(row_id, is_alone=is_alone):
            message = f"asked again and again, with nothing else: {error.message}"
            return RequestInvalid(error.provider, message, request_id=error.request_id)
        wait_s = queue.limiter.record_throttle(
            permit.load, queue.in_flight, error.retry_after_s
        )
        record_wait(progress, queue, wait_s, error.message)
        _give_up_if_stuck(queue, QuotaReached(error.provider, error.message))
    elif not isinstance(error, ProviderStopped):
        queue.verdicts.record_answer()
        queue.stuck_since = None
        # An answer that cannot be used does not show that the provider makes images.
        queue.is_answered |= not isinstance(error, ReplyMalformed | Internal | NoImage)
    return error


def _give_up_if_stuck(queue: ProviderQueue, error: ProviderStopped) -> None:
    """Stop a provider that took nothing for a whole day."""
    if queue.stuck_s() > LONGEST_STUCK_S and queue.stopped is None:
        queue.stop(error)


def record_wait(
    progress: Progress, queue: ProviderQueue, seconds: float, message: str
) -> None:
    """Let nothing leave for as long as the provider asks; say so if that is long.

    Args:
        progress: Of the run.
        queue: The provider.
        seconds: For how long.
        message: The provider's own, without the key.
    """
    queue.rate_limiter.pause(seconds)
    long = [span for least_s, span in LONG_WAITS if seconds >= least_s]
    # Numbers differ from reply to reply, and say nothing new.
    shape = f"{long[-1:]} {_NUMBERS.sub('#', message)}"
    if not long or shape in queue.waits_shown or len(queue.waits_shown) >= WAITS_SHOWN:
        return
    queue.waits_shown.add(shape)
    progress.notice(
        f'{queue.name}: "{message}". {queue.name} lets nothing through for {long[-1]} '
        "or more: rows wait, and carry on by themselves"
    )


def record_no_answer(
    run: Run, queue: ProviderQueue, error: AttemptError
) -> tuple[int, ...]:
    """Record a probe without an answer.

    Returns:
        Attempts to be passed to `waive`.
    """
    if isinstance(error, NotConnected):
        record_unreachable(run.progress, queue, error)
        if error.lacks_socket:
            return ()
    return _record_verdict(run, queue, queue.breaker.record_silence(), error)


def _record_verdict(
    run: Run, queue: ProviderQueue, verdict: Verdict, error: AttemptError
) -> tuple[int, ...]:
    queue.waived.update(verdict.waived)
    if verdict.pause_s is not None:
        queue.rate_limiter.hold(verdict.pause_s)
        extra = {"provider": queue.name, "s": verdict.pause_s}
        run.log.warning("breaker_open", extra=extra)
        if verdict.opened:
            run.progress.notice(
                f"{queue.name} does not answer ({_in_short(error.message)}). Waiting; "
                "one test request now and then, at most every 10 minutes: rows wait, "
                "and carry on by themselves"
            )
    return verdict.waived


def _in_short(message: str) -> str:
    """Return what a gateway's page is called, which says more than its markup."""
    title = message.removeprefix(PAGE_TITLED)
    return "a web page" if title.lstrip().startswith("<") else title


def record_unreachable(
    progress: Progress, queue: ProviderQueue, error: NotConnected
) -> None:
    """Stop a provider that was never reached, after a while."""
    if error.lacks_socket:
        progress.notify_once(f"{error}. Rows wait, and carry on by themselves")
        return
    if queue.was_reached:
        progress.notify_once(f"{error}; it is tried again until it answers")
        return
    progress.notify_once(f"{error}; trying again for {UNREACHED_S:g} s")
    if queue.unreached_s() > UNREACHED_S and queue.stopped is None:
        queue.stop(Unreachable(error.provider, error.message))


@dataclass(frozen=True, slots=True)
class BoughtAgain:
    """A part that failed with others, and is bought again after all.

    Attributes:
        provider: Who makes it.
    """

    part: Part
    provider: str
    change: RowChange


def waive(
    rules: RowRules, ledger: Ledger, attempt_ids: tuple[int, ...]
) -> list[BoughtAgain]:
    """Waive attempts that ended before it was known why they failed.

    It belongs to the commit that ends the attempt which showed the reason. Otherwise a
    kill between the two would leave rows failed that are not tried again.
    """
    parts = (_waive_one(rules, ledger, attempt_id) for attempt_id in attempt_ids)
    return [part for part in parts if part is not None]


def buy_waived(run: Run, parts: Iterable[BoughtAgain]) -> None:
    """Count what `waive` returned and let it be bought again, once that is on disk."""
    for part in parts:
        run.record(part.change)
        if (queue := run.queues.get(part.provider)) is not None:
            queue.retries.add(part.part, 0.0)
    run.wake()


def _waive_one(rules: RowRules, ledger: Ledger, attempt_id: int) -> BoughtAgain | None:
    if not ledger.waive(attempt_id):
        return None  # it has not ended yet, and will be waived as it does
    attempt = ledger.attempt(attempt_id)
    row = ledger.row(attempt.row_id)
    provider = ledger.planned_provider(row.row_id)
    if row.status is not Status.FAILED or row.error != attempt.error or not provider:
        return None
    part = Part(row.row_id, attempt.first_image, attempt.images)
    history = history_of(ledger.attempts_of(row.row_id), part, row.tries_from)
    if not isinstance(decide(history, rules.policy, provider), Buy):
        return None
    waits = RowEnd(Status.PENDING, attempt.error, attempt.message)
    return BoughtAgain(part, provider, change_row(ledger, rules.job, row.row_id, waits))
