"""Buy one part: write the purchase down, send it, and handle the reply."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from logging import Logger

from batchgen.admission.learned_limits import remember_limits
from batchgen.admission.permit import Permit
from batchgen.admission.provider_health import record_success
from batchgen.admission.row_changes import RUN_WIDE_ERRORS
from batchgen.admission.run_context import AttemptContext, Run
from batchgen.attempts.accepted_task import accept
from batchgen.attempts.deliver import deliver
from batchgen.attempts.finish import end_by_fault, fail
from batchgen.attempts.kept_replies import read_or_keep
from batchgen.attempts.unavailable import record_unavailable
from batchgen.errors import (
    AttemptError,
    Charge,
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
from batchgen.ledger import AttemptRecord, AttemptStart
from batchgen.model import (
    Accepted,
    Call,
    Delivered,
    Payload,
    Reply,
)
from batchgen.providers._decoding import message_of
from batchgen.providers._reasons import blames_model
from batchgen.providers.base import Provider
from batchgen.tracebacks import drop_tracebacks
from batchgen.wire import MemoryLease


async def buy(run: Run, permit: Permit) -> None:
    """Send one purchase and follow it to its images or its end."""
    with closing(permit):
        context = await _mark_sent(run, permit)
        if context is None:
            return
        _log_sent(run.log, context.attempt, context.base_name)
        # Memory for images in the reply is leased until they are on disk.
        with run.wire.lease() as lease:
            try:
                await _send_and_handle(run, permit, context, lease)
            except RUN_WIDE_ERRORS:
                raise
            except Exception as fault:  # noqa: BLE001 - it ends this row alone
                charge = Charge.UNKNOWN if permit.was_sent else Charge.NONE
                await end_by_fault(run, context, fault, charge)


async def _send_and_handle(
    run: Run, permit: Permit, context: AttemptContext, lease: MemoryLease
) -> None:
    queue, model = permit.queue, context.attempt.model
    try:
        outcome = await _send(run, permit, context, lease)
    except SpecError as error:
        # The address itself is forbidden, for every other row, too.
        run.end(error)
        await fail(run, context, Unreachable(queue.name, str(error)))
        return
    except AttemptError as error:
        drop_tracebacks(error)  # frees the reply now, not at the row's end
        outage = _as_outage(context, error)
        own_error, waived = await record_unavailable(run, context, permit, outage)
        permit.free_slot()
        await fail(run, context, own_error, waived)
        if isinstance(own_error, Throttled):
            await remember_limits(run, queue)
        return
    is_accepted = isinstance(outcome, Accepted)
    queue.reply_times.record_success(*permit.times())
    record_success(run, queue, permit.load, is_accepted=is_accepted)
    is_first = not queue.proof.holds_for(model)
    queue.proof.add(model)
    if isinstance(outcome, Accepted):
        queue.verdicts.record_task()
        await accept(run, context, outcome, lease, is_first=is_first)
        return
    permit.free_slot()
    await deliver(run, context, outcome, lease)
    if is_first:
        await run.writer.commit(lambda ledger: queue.proof.record(ledger, model))


def _as_outage(context: AttemptContext, error: AttemptError) -> AttemptError:
    """Treat an error as an outage if it contradicts earlier successes.

    A web page says that there is no API, but the API has answered at this address. Or a
    gateway with busy channels denies a model that has made images.
    """
    queue = context.queue
    has_answered = queue.is_answered or not queue.proof.is_empty
    has_model = queue.proof.holds_for(context.attempt.model)
    is_outage = (isinstance(error, WrongAddress) and has_answered) or (
        isinstance(error, ModelGone) and error.may_pass and has_model
    )
    return ProviderDown(error.provider, error.message) if is_outage else error


async def _mark_sent(run: Run, permit: Permit) -> AttemptContext | None:
    """Write down that a purchase is sent; None if it must not be sent.

    Its row has ended in the meantime; or its reservation belongs to another day or no
    longer covers it: then the part is queued again.
    """
    queue, part, reservation = permit.queue, permit.part, permit.reservation
    if not run.budget.covers(reservation):
        queue.retries.add(part, 0.0)
        return None
    planned = permit.queued.planned
    request = replace(planned.row.request, resolution=planned.resolution)
    start = _start_of(run, permit, request.aspect_ratio)
    # Another provider may have taken the row over.
    provider = queue.name if len(run.queues) > 1 else None
    # Links that the row does not name itself are uploads of batchgen.
    links = run.reference_buffer.links(permit.queued) if request.references else ()
    uploads = tuple(link for link in links if link not in request.references)
    # A refusal of another part would refuse this one, too. And images in flight, also
    # those of an earlier run, are not bought a second time.
    attempt = await run.writer.commit(lambda ledger: ledger.send(start, provider))
    if attempt is None:
        return None
    permit.mark_recorded()
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


def _start_of(run: Run, permit: Permit, aspect_ratio: str | None) -> AttemptStart:
    """Return the ledger's record of a purchase that is about to be sent."""
    queue, part, price_key = permit.queue, permit.part, permit.reservation.price_key
    price = run.prices.find_nano(price_key)
    ceiling = run.budget.ceiling(price_key)
    return AttemptStart(
        row_id=part.row_id,
        first_image=part.first_image,
        images=part.images,
        provider=queue.name,
        model=permit.queued.planned.model,
        base_url=queue.endpoint.base_url,
        aspect_ratio=aspect_ratio,
        resolution=price_key.resolution,
        expected=None if price is None else price.expected * part.images,
        floor=None if price is None else price.floor * part.images,
        ceiling=None if ceiling is None else ceiling * part.images,
        sent_at=run.time.now(),
    )


def _log_sent(log: Logger, attempt: AttemptRecord, base_name: str) -> None:
    """Log that a request is about to leave; the ledger has recorded that already."""
    log.info(
        "sent",
        extra={
            "attempt": attempt.attempt_id,
            "image": base_name,
            "provider": attempt.provider,
            "model_id": attempt.model,
            "url": attempt.base_url,
            "resolution": attempt.resolution,
            "ratio": attempt.aspect_ratio,
            "first": attempt.first_image,
            "images": attempt.images,
            "floor_nano": attempt.floor,
            "expected_nano": attempt.expected,
            "ceiling_nano": attempt.ceiling,
        },
    )


async def _send(
    run: Run, permit: Permit, context: AttemptContext, lease: MemoryLease
) -> Accepted | Delivered:
    queue, model = permit.queue, context.attempt.model
    request = replace(context.request, n=context.part.images)
    timeout_s = queue.provider.defaults.reply_timeout_s
    buffered: AbstractContextManager[Sequence[Payload]] = nullcontext(())
    if request.references:
        buffered = run.reference_buffer.take(permit.queued)
    with buffered as references:
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
            permit.cancel_grant()
    reply = replace(reply, is_own=queue.is_own)
    try:
        return await read_or_keep(run, context, reply, queue.provider.decode)
    except ProviderStopped as error:
        if (row_error := _missing_endpoint(error, call, reply)) is None:
            raise
        raise row_error from error


def _missing_endpoint(
    error: ProviderStopped, call: Call, reply: Reply
) -> RequestInvalid | None:
    """Return the error of a row whose URL the server does not have, else None.

    Rows with another URL are not affected. A message that names the model is about the
    model.
    """
    message = message_of(reply.body)
    if call.not_found is None or reply.status != 404 or blames_model(message):
        return None
    return RequestInvalid(error.provider, f"{call.not_found} ({message})")


def _id_in_head(provider: Provider, error: OutcomeUnknown) -> str | None:
    """Return the id on the bill of a call whose reply lost its body.

    A charge in the head is ignored: while it is at risk, another purchase counts
    against the job's limit of unknown outcomes.
    """
    if error.head is not None:
        status, headers = error.head
        try:
            provider.decode(Reply(status, headers, ""))
        except AttemptError as refusal:
            return refusal.request_id
    return None
