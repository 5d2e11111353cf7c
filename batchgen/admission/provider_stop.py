"""Whether an error is about one row, or about its provider, which is then stopped."""

from __future__ import annotations

from collections.abc import Sequence

from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.run_context import AttemptContext, Run
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
from batchgen.providers._reasons import blames_reference


def _of_the_row(job: Job, context: AttemptContext, error: AttemptError) -> AttemptError:
    """Blame the row, not the provider, for what the row alone asks for.

    That is its model, or a reference that cannot be fetched, also where the provider
    answers that with 404. A model that its resolution chose is the provider's own: a
    wrong base URL would otherwise fail such rows one by one.
    """
    queue, stated = context.queue, context.request.model
    common = job.terms_of(queue.name).model or queue.provider.defaults.model
    if not isinstance(error, ModelGone):
        return error
    if context.request.references and blames_reference(error.message):
        message = error.message
        return RequestInvalid(error.provider, message, request_id=error.request_id)
    if stated in (None, common):
        return error
    message = f"model {context.attempt.model!r}: {error.message}"
    return RequestInvalid(error.provider, message, request_id=error.request_id)


def attribute_error(
    run: Run, context: AttemptContext, error: AttemptError
) -> tuple[AttemptError, Sequence[Refusal]]:
    """Tell whether a refusal of key, credit or model is about one row or about all.

    Nothing is awaited: nothing more may leave for a key that is refused.

    Returns:
        The error as the row's or the provider's, and earlier refusals of other rows
        that turned out to be the provider's, too.
    """
    queue, error = context.queue, _of_the_row(run.job, context, error)
    if not isinstance(error, ProviderStopped) or queue.stopped is not None:
        return error, ()
    model = context.attempt.model
    refusal = Refusal(
        row_id=context.part.row_id,
        attempt_id=context.attempt.attempt_id,
        first_image=context.part.first_image,
        kind=error.kind,
        sent_at=context.started,
        refused_at=run.time.monotonic(),
    )
    rows = queue.proof.rows_needed(error, model)
    together = queue.verdicts.record_refusal(refusal, rows)
    if together is not None:
        stop(run, queue, error)
        others = [other for other in together if other.row_id != refusal.row_id]
        return error, others
    if error.is_certain or not queue.proof.holds_for(model):
        return error, ()  # the row is asked again when nothing else is left
    message = error.message
    return RequestInvalid(queue.name, message, request_id=error.request_id), ()


def stop(run: Run, queue: ProviderQueue, error: ProviderStopped) -> None:
    """Send nothing more to a provider in this run."""
    error.message = run.redactor.redact(error.message)
    queue.stop(error)
    if run.queues.get(queue.name) is not queue:
        # Tasks of an earlier run alone wait there: the summary does not name it.
        run.progress.notice(f"{error}; tasks of an earlier run wait there")
    run.log.error("provider_stopped", extra={"provider": queue.name})


def record_useless_reply(
    run: Run, context: AttemptContext, error: AttemptError
) -> None:
    """Stop the provider if different rows in turn brought nothing usable."""
    queue, row_id = context.queue, context.part.row_id
    if context.attempt.state in (State.FAILED, State.UNKNOWN):
        return  # a kept reply that was read anew says nothing of the provider now
    is_accepted = context.task_id is not None
    match error:
        case ImageRejected():
            is_enough = queue.verdicts.record_useless_image(row_id)
        case Internal() | ReplyMalformed():
            is_enough = queue.verdicts.record_useless_answer(
                row_id, is_accepted=is_accepted
            )
        case NoImage() if not queue.proof.holds_for(context.attempt.model):
            # That is normal where other rows got images, but here none did.
            is_enough = queue.verdicts.record_useless_answer(
                row_id, is_accepted=is_accepted
            )
        case _:
            return
    if is_enough and queue.stopped is None:
        message = f"{ROWS_LATER} rows in turn brought nothing usable: {error.message}"
        stop(run, queue, UnusableReplies(queue.name, message))
