"""From a part that is to be bought to the provider's answer."""

from __future__ import annotations

from dataclasses import replace

from batchgen.admission.found_limits import remember
from batchgen.admission.permit import Permit
from batchgen.admission.provider_health import record_success
from batchgen.admission.run_context import AttemptContext, Run
from batchgen.attempts.attempt_log import log_accepted, log_sent
from batchgen.attempts.deliver import deliver
from batchgen.attempts.fence import fenced
from batchgen.attempts.finish import fail, leave_at_risk, leave_open
from batchgen.attempts.kept_replies import read_or_keep
from batchgen.attempts.polling import follow
from batchgen.attempts.unavailable import Failure, record_unavailable
from batchgen.errors import (
    AttemptError,
    ModelGone,
    OutcomeUnknown,
    ProviderDown,
    ProviderStopped,
    RequestInvalid,
    SpecError,
    Throttled,
    Unreachable,
    WrongAddress,
)
from batchgen.ledger import AttemptRecord, AttemptStart, Ledger
from batchgen.model import (
    Accepted,
    Call,
    Delivered,
    Reply,
)
from batchgen.providers._decoding import message_of
from batchgen.providers._reasons import blames_model
from batchgen.providers.base import Provider
from batchgen.tracebacks import drop_tracebacks
from batchgen.wire import MemoryLease


async def buy(run: Run, permit: Permit) -> None:
    """Send one purchase and see it through: to its images, or to its end."""
    with permit:
        context = await _mark_sent(run, permit)
        if context is None:
            return
        log_sent(run.log, context)
        # What images in the reply take in memory is held until they are on disk.
        with run.wire.lease() as lease:
            async with fenced(run, context, lambda: permit.has_left):
                await _see_through(run, permit, context, lease)


async def _see_through(
    run: Run, permit: Permit, context: AttemptContext, lease: MemoryLease
) -> None:
    queue, model = permit.queue, context.attempt.model
    try:
        outcome = await _send(run, permit, context, lease)
    except SpecError as error:
        # The address itself is forbidden: it would be so for every other row.
        run.end(error)
        await fail(run, context, Unreachable(queue.name, str(error)))
        return
    except AttemptError as error:
        drop_tracebacks(error)  # what came is dropped now, not when the row has ended
        failure = Failure(context, permit, *permit.times())
        failed = await record_unavailable(run, failure, _as_outage(context, error))
        permit.free_slot()
        await fail(run, context, failed.error, failed.waived)
        if isinstance(failed.error, Throttled):
            await remember(run, queue)
        return
    is_accepted = isinstance(outcome, Accepted)
    queue.reply_times.record_success(*permit.times())
    record_success(run, queue, permit.load, is_accepted=is_accepted)
    is_first = not queue.proof.holds_for(model)
    queue.proof.add(model)
    if isinstance(outcome, Accepted):
        queue.verdicts.record_task()
        await _accepted(run, context, outcome, lease, is_first=is_first)
        return
    permit.free_slot()
    await deliver(run, context, outcome, lease)
    if is_first:
        await run.writer.commit(lambda ledger: queue.proof.record(ledger, model))


def _as_outage(context: AttemptContext, error: AttemptError) -> AttemptError:
    """Take for an outage what cannot be true, since it has worked here before.

    An API has answered at this address, which a web page denies; or has made images
    with this model, which a gateway whose channels are all busy denies.
    """
    queue = context.queue
    is_known = queue.is_answered or not queue.proof.is_empty
    is_model = queue.proof.holds_for(context.attempt.model)
    is_denied = (isinstance(error, WrongAddress) and is_known) or (
        isinstance(error, ModelGone) and error.may_pass and is_model
    )
    return ProviderDown(error.provider, error.message) if is_denied else error


async def _mark_sent(run: Run, permit: Permit) -> AttemptContext | None:
    """Write down that it leaves; None if it must not.

    Its row came to its end meanwhile, or its money is another day's by now, or no
    longer enough: then it comes again.
    """
    queue, part, reservation = permit.queue, permit.part, permit.reservation
    if not run.budget.covers(reservation):
        queue.retries.add(part, 0.0)
        return None
    planned = permit.queued.planned
    request = replace(planned.row.request, resolution=planned.resolution)
    price = run.prices.find_nano(reservation.price_key)
    ceiling = run.budget.ceiling(reservation.price_key)
    start = AttemptStart(
        row_id=part.row_id,
        first_image=part.first_image,
        images=part.images,
        provider=queue.name,
        model=planned.model,
        base_url=queue.endpoint.base_url,
        aspect_ratio=request.aspect_ratio,
        resolution=reservation.price_key.resolution,
        expected=None if price is None else price.expected * part.images,
        floor=None if price is None else price.floor * part.images,
        ceiling=None if ceiling is None else ceiling * part.images,
        sent_at=run.time.now(),
    )

    # Another lane may have taken it over.
    maker = queue.name if len(run.queues) > 1 else None

    def step(ledger: Ledger) -> AttemptRecord | None:
        # Another part of the row may have been refused: then this one would be, too.
        # And what is on its way, or was carried on from before, is not bought again.
        return ledger.send(start, maker)

    # What the row does not name itself is an upload of ours.
    links = run.reference_buffer.links(part) if request.references else ()
    uploads = tuple(link for link in links if link not in request.references)
    attempt = await run.writer.commit(step)
    if attempt is None:
        return None
    permit.is_recorded = True
    return AttemptContext(
        queue=queue,
        part=part,
        base_name=planned.row.base_name,
        request=request,
        attempt=attempt,
        reservation=reservation,
        planned=queue.name,
        started=run.time.monotonic(),
        uploads=uploads,
        presence=permit,
    )


async def _send(
    run: Run, permit: Permit, context: AttemptContext, lease: MemoryLease
) -> Accepted | Delivered:
    queue, model = permit.queue, context.attempt.model
    request = context.request.for_images(context.part.images)
    timeout_s = queue.provider.defaults.reply_timeout_s
    with run.reference_buffer.take(context.part) as references:
        call = queue.provider.encode(request, model, queue.endpoint, references)
        queue.purchase_url = call.url
        try:
            reply = await run.wire.send(
                queue.name,
                call,
                reply_timeout_s=timeout_s,
                on_sent=permit.record_sent,
                on_head=permit.record_head,
                lease=lease,
            )
        except OutcomeUnknown as error:
            error.request_id = _id_in_head(queue.provider, error)
            raise
        finally:
            permit.cancel_departure()
    reply = replace(reply, is_own=queue.is_own)
    try:
        return await read_or_keep(run, context, reply, queue.provider.decode)
    except ProviderStopped as error:
        if (of_the_row := _of_its_endpoint(error, call, reply)) is None:
            raise
        raise of_the_row from error


def _of_its_endpoint(
    error: ProviderStopped, call: Call, reply: Reply
) -> RequestInvalid | None:
    """Return the error of a row whose URL the server lacks; None if it is no such one.

    Other rows, which go elsewhere, are made all the same. Words that name the model
    are about that.
    """
    words = message_of(reply.body)
    if call.not_found is None or reply.status != 404 or blames_model(words):
        return None
    return RequestInvalid(error.provider, f"{call.not_found} ({words})")


def _id_in_head(provider: Provider, error: OutcomeUnknown) -> str | None:
    """Return the id by which a bill knows a call whose reply lost its body.

    A charge that stands there, too, is not taken: while it is at risk, buying the
    image again counts against what the job allows of unknown outcomes.
    """
    if error.head is not None:
        status, headers = error.head
        try:
            provider.decode(Reply(status, headers, ""))
        except AttemptError as refusal:
            return refusal.request_id
    return None


async def _accepted(
    run: Run,
    context: AttemptContext,
    accepted: Accepted,
    lease: MemoryLease,
    *,
    is_first: bool,
) -> None:
    attempt_id, at = context.attempt.attempt_id, run.time.now()
    # This run polls with the handle itself, which is not stored if it holds a key.
    handle = run.redactor.redact_id(accepted.handle)
    request_id = run.redactor.redact_id(accepted.request_id or accepted.handle)

    def step(ledger: Ledger) -> None:
        ledger.mark_accepted(attempt_id, handle, request_id, at)
        if is_first:
            context.queue.proof.record(ledger, context.attempt.model)

    await run.writer.commit(step)
    log_accepted(run.log, attempt_id, handle, request_id)
    lease.shrink(0)
    context = replace(context, task_id=accepted.handle)
    await follow_and_fetch(run, context, accepted.estimate_s, lease)


async def follow_and_fetch(
    run: Run, context: AttemptContext, estimate_s: float | None, lease: MemoryLease
) -> None:
    """Poll a task to its end and fetch what it made; frees the place in flight.

    When the run stops, the task is left: it is safe in the ledger.

    Args:
        run: The run.
        context: The attempt whose task it is.
        estimate_s: When the provider expects it to end.
        lease: Holds the images that come with the answers, until they are stored.
    """
    delivered = None
    with run.cut_short():
        try:
            delivered = await follow(run, context, estimate_s, lease)
        except ProviderStopped as error:
            await leave_open(run, context, error)
            return
        except AttemptError as error:
            await fail(run, context, error)
            return
        finally:
            context.free_slot()
    if delivered is None:
        leave_at_risk(run, context)
    else:
        await deliver(run, context, delivered, lease)
