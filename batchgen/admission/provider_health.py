"""What an answer, or no answer, to one purchase means for the provider as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchgen.admission.next_step import Buy, Part, Settled, decide, history_of
from batchgen.admission.provider_queue import Lane
from batchgen.admission.row_changes import RowChange, change_row
from batchgen.admission.run_context import Flight, RowRules, Run
from batchgen.decoding import PAGE_TITLED
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
from batchgen.limits import SILENT_S, Use, Verdict
from batchgen.model import Status

if TYPE_CHECKING:
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
"""After this long without a single purchase that was taken, the run waits no longer:
rows stay pending, and the same command carries on [assumed]."""

_NUMBERS = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Heeded:
    """What a failed purchase is taken for, and what follows for others.

    Attributes:
        error: The error, or that of the row alone.
        excused: Attempts that failed because the provider failed for everybody: to be
            told to `excuse` as this one ends.
    """

    error: AttemptError
    excused: tuple[int, ...] = ()


def heed_success(run: Run, lane: Lane, use: Use, *, is_accepted: bool) -> None:
    """Record a purchase that was taken.

    What was delivered at once must be an image, before others rely on it.
    """
    lane.was_reached = True
    lane.is_answered |= is_accepted
    lane.stuck_since = lane.task_refusal = None
    lane.pacing.accepted(use)
    lane.verdicts.succeeded(run.time.monotonic())
    if lane.breaker.succeeded(use.at):
        # All places at once would be too much for a provider that just came back.
        lane.departures.begin_slowly()
        run.progress.notice(f"{lane.name} answers again")
    run.wake()


def heed_failure(
    run: Run, flight: Flight, use: Use, error: AttemptError, *, is_probe: bool
) -> Heeded:
    """Record a purchase that failed, and say what its error means."""
    lane = flight.lane
    error.message = run.scrubber.clean(error.message)
    if isinstance(error, NotConnected) and error.lacks_socket:
        lane.departures.pause(SILENT_S)
        return Heeded(error)
    if not isinstance(error, OutcomeUnknown | NotConnected | ProviderDown):
        return Heeded(_heed_answer(run, flight, use, error, is_probe=is_probe))
    # An outcome that is unknown cannot be excused: it may have been charged.
    excusable = isinstance(error, ProviderDown)
    lane.breaker.be_patient_for(run.rows_waiting())
    verdict = lane.breaker.lost(
        flight.part.row_id,
        flight.attempt.attempt_id if excusable else None,
        use.at,
        is_probe=is_probe,
    )
    _give_up_if_stuck(lane, Unreachable(error.provider, error.message))
    return Heeded(error, _heed_verdict(run, lane, verdict, error))


def _heed_answer(
    run: Run, flight: Flight, use: Use, error: AttemptError, *, is_probe: bool
) -> AttemptError:
    """Record an answer that is no success; return the error that it is treated as."""
    lane = flight.lane
    pause_s = lane.breaker.answered(is_probe=is_probe)
    if pause_s is not None:
        lane.departures.hold(pause_s)
    if isinstance(error, Throttled):
        row_id, is_alone = flight.part.row_id, lane.in_flight == 1
        # A gateway that is down refuses the last row alone, too: no fault of that row.
        is_own = not error.is_unavailable
        if is_own and lane.verdicts.throttled(row_id, is_alone=is_alone):
            words = f"asked again and again, with nothing else: {error.message}"
            return RequestInvalid(error.provider, words, request_id=error.request_id)
        wait_s = lane.pacing.throttled(use, lane.in_flight, error.retry_after_s)
        heed_wait(run.progress, lane, wait_s, error.message)
        _give_up_if_stuck(lane, QuotaReached(error.provider, error.message))
    elif not isinstance(error, ProviderStopped):
        lane.verdicts.answered()
        lane.stuck_since = None
        # What nobody can use does not show that images can be had here.
        lane.is_answered |= not isinstance(error, ReplyMalformed | Internal | NoImage)
    return error


def _give_up_if_stuck(lane: Lane, error: ProviderStopped) -> None:
    """Stop a provider that took nothing for a whole day."""
    if lane.stuck_s() > LONGEST_STUCK_S and lane.stopped is None:
        lane.stop(error)


def heed_wait(progress: Progress, lane: Lane, seconds: float, words: str) -> None:
    """Let nothing leave for as long as the provider asks; say so if that is long.

    Args:
        progress: Of the run.
        lane: The provider.
        seconds: For how long.
        words: The provider's own, without the key.
    """
    lane.departures.pause(seconds)
    long = [span for least_s, span in LONG_WAITS if seconds >= least_s]
    # Numbers differ from reply to reply, and say nothing new.
    shape = f"{long[-1:]} {_NUMBERS.sub('#', words)}"
    if not long or shape in lane.waits_shown or len(lane.waits_shown) >= WAITS_SHOWN:
        return
    lane.waits_shown.add(shape)
    progress.notice(
        f'{lane.name}: "{words}". {lane.name} lets nothing through for {long[-1]} or '
        "more: rows wait, and carry on by themselves"
    )


def heed_no_answer(run: Run, lane: Lane, error: AttemptError) -> tuple[int, ...]:
    """Take note that a question which buys nothing was not answered either.

    Returns:
        Attempts to be told to `excuse`.
    """
    if isinstance(error, NotConnected):
        heed_silence(run.progress, lane, error)
        if error.lacks_socket:
            return ()
    return _heed_verdict(run, lane, lane.breaker.silent(), error)


def _heed_verdict(
    run: Run, lane: Lane, verdict: Verdict, error: AttemptError
) -> tuple[int, ...]:
    lane.excused.update(verdict.excused)
    if verdict.pause_s is not None:
        lane.departures.hold(verdict.pause_s)
        extra = {"provider": lane.name, "s": verdict.pause_s}
        run.log.warning("breaker_open", extra=extra)
        if verdict.opened:
            run.progress.notice(
                f"{lane.name} does not answer ({_in_short(error.message)}). Waiting; "
                "one test request now and then, at most every 10 minutes: rows wait, "
                "and carry on by themselves"
            )
    return verdict.excused


def _in_short(message: str) -> str:
    """Return what a gateway's page is called, which says more than its markup."""
    title = message.removeprefix(PAGE_TITLED)
    return "a web page" if title.lstrip().startswith("<") else title


def heed_silence(progress: Progress, lane: Lane, error: NotConnected) -> None:
    """Stop a provider that was never reached, after a while."""
    if error.lacks_socket:
        progress.say_once(f"{error}. Rows wait, and carry on by themselves")
        return
    if lane.was_reached:
        progress.say_once(f"{error}; it is tried again until it answers")
        return
    progress.say_once(f"{error}; trying again for {UNREACHED_S:g} s")
    if lane.unreached_s() > UNREACHED_S and lane.stopped is None:
        lane.stop(Unreachable(error.provider, error.message))


@dataclass(frozen=True, slots=True)
class BoughtAgain:
    """A part that failed with others, and is bought again after all.

    Attributes:
        provider: Who makes it.
    """

    part: Part
    provider: str
    change: RowChange


def excuse(
    rules: RowRules, ledger: Ledger, attempt_ids: tuple[int, ...]
) -> list[BoughtAgain]:
    """Let attempts not count that ended before it was known why they failed.

    A step of the commit that ends the one by which it became known: a kill behind it
    would leave rows failed that nobody tries again.
    """
    parts = (_excuse(rules, ledger, attempt_id) for attempt_id in attempt_ids)
    return [part for part in parts if part is not None]


def buy_excused(run: Run, parts: Iterable[BoughtAgain]) -> None:
    """Count what `excuse` returned and let it be bought again, once that is on disk."""
    for excused in parts:
        run.record(excused.change)
        if (lane := run.lanes.get(excused.provider)) is not None:
            lane.retries.add(excused.part, 0.0)
    run.wake()


def _excuse(rules: RowRules, ledger: Ledger, attempt_id: int) -> BoughtAgain | None:
    if not ledger.excuse(attempt_id):
        return None  # it has not ended yet, and will be excused as it does
    attempt = ledger.attempt(attempt_id)
    row = ledger.row(attempt.row_id)
    provider = ledger.planned_provider(row.row_id)
    if row.status is not Status.FAILED or row.error != attempt.error or not provider:
        return None
    part = Part(row.row_id, attempt.first_image, attempt.images)
    history = history_of(ledger.attempts_of(row.row_id), part, row.tries_from)
    if not isinstance(decide(history, rules.policy, provider), Buy):
        return None
    waits = Settled(Status.PENDING, attempt.error, attempt.message)
    return BoughtAgain(part, provider, change_row(ledger, rules.job, row.row_id, waits))
