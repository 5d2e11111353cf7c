"""Whether an error is about one row, or about its provider, which is then stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from batchgen.admission.provider_queue import Lane
from batchgen.admission.run_context import Flight, Run
from batchgen.errors import (
    AttemptError,
    ImageRejected,
    Internal,
    ModelGone,
    NoImage,
    ProviderStopped,
    ReplyMalformed,
    RequestInvalid,
    UnusableReplies,
)
from batchgen.limits import ROWS_LATER, Refusal
from batchgen.model import Job, State
from batchgen.reasons import blames_reference


@dataclass(frozen=True, slots=True)
class Judged:
    """An error as it is held to be the row's, or the provider's.

    Attributes:
        returned: Earlier refusals of other rows, which are no longer theirs.
    """

    error: AttemptError
    returned: Sequence[Refusal] = ()


def _of_the_row(job: Job, flight: Flight, error: AttemptError) -> AttemptError:
    """Blame the row, not the provider, for what the row alone asks for.

    That is its model, or a reference that cannot be fetched, also where the provider
    answers that with 404. A model that its resolution chose is the provider's own: a
    wrong base URL would otherwise fail such rows one by one.
    """
    lane, stated = flight.lane, flight.request.model
    common = job.terms_of(lane.name).model or lane.provider.defaults.model
    if not isinstance(error, ModelGone):
        return error
    if flight.request.references and blames_reference(error.message):
        words = error.message
        return RequestInvalid(error.provider, words, request_id=error.request_id)
    if stated in (None, common):
        return error
    words = f"model {flight.attempt.model!r}: {error.message}"
    return RequestInvalid(error.provider, words, request_id=error.request_id)


def judge(run: Run, flight: Flight, error: AttemptError) -> Judged:
    """Tell whether a refusal of key, credit or model is about one row or about all.

    Nothing is awaited: nothing more may leave for a key that is refused.
    """
    lane, error = flight.lane, _of_the_row(run.job, flight, error)
    if not isinstance(error, ProviderStopped) or lane.stopped is not None:
        return Judged(error)
    model = flight.attempt.model
    refusal = Refusal(
        row_id=flight.part.row_id,
        attempt_id=flight.attempt.attempt_id,
        first_image=flight.part.first_image,
        kind=error.kind,
        sent_at=flight.started,
        refused_at=run.time.monotonic(),
    )
    rows = lane.proof.rows_needed(error, model)
    together = lane.verdicts.refused(refusal, rows)
    if together is not None:
        stop(run, lane, error)
        others = [other for other in together if other.row_id != refusal.row_id]
        return Judged(error, others)
    if error.is_certain or not lane.proof.holds_for(model):
        return Judged(error)  # the row is asked again when nothing else is left
    words = error.message
    return Judged(RequestInvalid(lane.name, words, request_id=error.request_id))


def stop(run: Run, lane: Lane, error: ProviderStopped) -> None:
    """Send nothing more to a provider in this run."""
    error.message = run.scrubber.clean(error.message)
    lane.stop(error)
    if run.lanes.get(lane.name) is not lane:
        # Tasks of an earlier run alone wait there: the summary does not name it.
        run.progress.notice(f"{error}; tasks of an earlier run wait there")
    run.log.error("provider_stopped", extra={"provider": lane.name})


def was_useless(run: Run, flight: Flight, error: AttemptError) -> None:
    """Stop the provider if different rows in turn brought nothing usable."""
    lane, row_id = flight.lane, flight.part.row_id
    if flight.attempt.state in (State.FAILED, State.UNKNOWN):
        return  # a kept reply that was read anew says nothing of the provider now
    is_accepted = flight.task_id is not None
    match error:
        case ImageRejected():
            is_enough = lane.verdicts.image_was_useless(row_id)
        case Internal() | ReplyMalformed():
            is_enough = lane.verdicts.answer_was_useless(
                row_id, is_accepted=is_accepted
            )
        case NoImage() if not lane.proof.holds_for(flight.attempt.model):
            # Nothing strange where others brought theirs; but here nobody has.
            is_enough = lane.verdicts.answer_was_useless(
                row_id, is_accepted=is_accepted
            )
        case _:
            return
    if is_enough and lane.stopped is None:
        words = f"{ROWS_LATER} rows in turn brought nothing usable: {error.message}"
        stop(run, lane, UnusableReplies(lane.name, words))
