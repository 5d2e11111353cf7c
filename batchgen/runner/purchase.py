"""From a part that is to be bought to the provider's answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from batchgen.budget import Reservation
from batchgen.decoding import message_of
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
from batchgen.ledger import AttemptRecord, AttemptStart, Ledger, just_sent
from batchgen.limits import Use
from batchgen.model import (
    Accepted,
    Call,
    Delivered,
    ImageRequest,
    Reply,
    to_nano,
)
from batchgen.provider import Provider
from batchgen.reasons import blames_model
from batchgen.runner.answers import heed_success
from batchgen.runner.context import Flight, Run, Slot
from batchgen.runner.decide import Part
from batchgen.runner.deliver import deliver
from batchgen.runner.events import log_accepted, log_sent
from batchgen.runner.fence import fenced
from batchgen.runner.finish import fail, give_back, leave_open
from batchgen.runner.kept import read_or_keep
from batchgen.runner.lane import Lane
from batchgen.runner.pacing import remember
from batchgen.runner.polling import follow
from batchgen.runner.unavailable import Failure, heed_unavailable
from batchgen.tracebacks import drop_tracebacks
from batchgen.wire import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A part with all that its request needs; budget and rate are granted.

    Attributes:
        is_probe: Whether it tries if a provider that gave no answers is back.
        use: What was under way on the lane when it left.
        slot: Its place in flight.
        grant: Its departure, which was granted.
    """

    lane: Lane
    part: Part
    stem: str
    request: ImageRequest
    model: str
    reservation: Reservation
    is_probe: bool
    use: Use
    slot: Slot
    grant: Grant


class Grant:
    """A granted departure: used when the request really leaves, else given back."""

    def __init__(self, run: Run, lane: Lane) -> None:
        self._run = run
        self._lane = lane
        self._is_closed = False
        self.is_used = False
        self.left_at: float | None = None
        self._head_at: float | None = None

    def used(self) -> None:
        """Count the departure, at this moment."""
        self.is_used = self._is_closed = True
        self.left_at = self._run.time.monotonic()
        self._lane.departures.departed(self.left_at)
        self._lane.reply_times.left(id(self), self.left_at)

    def answered(self) -> None:
        """Note that the head of the reply is here, at this moment."""
        self._head_at = self._run.time.monotonic()

    def ended(self) -> tuple[float, float]:
        """Return when the request left, and seconds from then to the reply's head.

        Nobody waits for it any more.
        """
        self._lane.reply_times.answered(id(self))
        now = self._run.time.monotonic()
        left_at = now if self.left_at is None else self.left_at
        return left_at, (self._head_at or now) - left_at

    def close(self) -> None:
        """Give it back if nothing left; nothing happens the second time."""
        if not self._is_closed:
            self._is_closed = True
            self._lane.departures.stayed()


async def buy(run: Run, order: Order) -> None:
    """Send one purchase and see it through: to its images, or to its end.

    Whatever happens, what was granted and was not used is given back.
    """
    try:
        flight = await _mark_sent(run, order)
        if flight is None:
            run.release(order.reservation)
            return
        log_sent(run, flight)
        # What images in the reply take in memory is held until they are on disk.
        with run.wire.lease() as lease:
            async with fenced(run, flight, lambda: order.grant.is_used):
                await _see_through(run, order, flight, lease)
    finally:
        run.shelf.drop(order.part)
        order.grant.close()
        order.grant.ended()
        order.slot.free()
        if order.lane.breaker.probing is order.grant:
            order.lane.breaker.probing = None


async def _see_through(run: Run, order: Order, flight: Flight, lease: Lease) -> None:
    lane = order.lane
    try:
        outcome = await _send(run, order, flight, lease)
    except SpecError as error:
        # The address itself is forbidden: it would be so for every other row.
        run.end(error)
        await fail(run, flight, Unreachable(lane.name, str(error)))
        return
    except AttemptError as error:
        drop_tracebacks(error)  # what came is dropped now, not when the row has ended
        departure = order.grant.ended()
        failure = Failure(flight, order.use, *departure, order.is_probe, order.slot)
        told = await heed_unavailable(run, failure, _as_outage(flight, error))
        order.slot.free()
        await fail(run, flight, told.error, told.excused)
        if isinstance(told.error, Throttled):
            await remember(run, lane)
        return
    is_accepted = isinstance(outcome, Accepted)
    lane.reply_times.succeeded(*order.grant.ended())
    heed_success(run, lane, order.use, is_accepted=is_accepted)
    is_first = not lane.proof.holds_for(order.model)
    lane.proof.add(order.model)
    if isinstance(outcome, Accepted):
        lane.verdicts.task_was_accepted()
        await _accepted(run, flight, outcome, lease, is_first=is_first)
        return
    order.slot.free()
    await deliver(run, flight, outcome, lease)
    if is_first:
        await run.writer.commit(lambda ledger: lane.proof.record(ledger, order.model))


def _as_outage(flight: Flight, error: AttemptError) -> AttemptError:
    """Take for an outage what cannot be true, since it has worked here before.

    An API has answered at this address, which a web page denies; or has made images
    with this model, which a gateway whose channels are all busy denies.
    """
    lane = flight.lane
    is_known = lane.is_answered or not lane.proof.is_empty
    is_model = lane.proof.holds_for(flight.attempt.model)
    is_denied = (isinstance(error, WrongAddress) and is_known) or (
        isinstance(error, ModelGone) and error.may_pass and is_model
    )
    return ProviderDown(error.provider, error.message) if is_denied else error


async def _mark_sent(run: Run, order: Order) -> Flight | None:
    """Write down that it leaves; None if it must not.

    Its row came to its end meanwhile, or its money is another day's by now, or no
    longer enough: then it comes again.
    """
    if not run.budget.covers(order.reservation):
        order.lane.retries.add(order.part, 0.0)
        return None
    part, request = order.part, order.request
    price = run.price(order.reservation.group)
    ceiling = run.budget.ceiling(order.reservation.group)
    start = AttemptStart(
        row_id=part.row_id,
        first_image=part.first_image,
        images=part.images,
        provider=order.lane.name,
        model=order.model,
        base_url=order.lane.endpoint.base_url,
        aspect_ratio=request.aspect_ratio,
        resolution=order.reservation.group.resolution,
        expected=None if price is None else to_nano(price.expected) * part.images,
        floor=None if price is None else to_nano(price.floor) * part.images,
        ceiling=None if ceiling is None else ceiling * part.images,
        sent_at=run.time.now(),
    )

    # Another lane may have taken it over.
    maker = order.lane.name if len(run.lanes) > 1 else None

    def step(ledger: Ledger) -> AttemptRecord | None:
        # Another part of the row may have been refused: then this one would be, too.
        # And what is on its way, or was carried on from before, is not bought again.
        if not ledger.may_be_sent(part.row_id, part.span, maker):
            return None
        return just_sent(ledger.mark_sent(start), start)

    # What the row does not name itself is an upload of ours.
    own = set(request.references)
    uploads = tuple(link for link in run.shelf.links(part) if link not in own)
    attempt = await run.writer.commit(step)
    if attempt is None:
        return None
    return Flight(
        lane=order.lane,
        part=part,
        stem=order.stem,
        request=request,
        attempt=attempt,
        reservation=order.reservation,
        planned=order.lane.name,
        started=run.time.monotonic(),
        uploads=uploads,
        slot=order.slot,
    )


async def _send(
    run: Run, order: Order, flight: Flight, lease: Lease
) -> Accepted | Delivered:
    lane, grant = order.lane, order.grant
    request = order.request.for_images(order.part.images)
    timeout_s = lane.provider.defaults.reply_timeout_s
    with run.shelf.taken(order.part) as references:
        call = lane.provider.encode(request, order.model, lane.endpoint, references)
        lane.counter = call.url
        try:
            reply = await run.wire.send(
                lane.name,
                call,
                reply_timeout_s=timeout_s,
                on_sent=grant.used,
                on_head=grant.answered,
                lease=lease,
            )
        except OutcomeUnknown as error:
            error.request_id = _id_in_head(lane.provider, error)
            raise
        finally:
            grant.close()
    reply = replace(reply, is_own=lane.is_own)
    try:
        return await read_or_keep(run, flight, reply, lane.provider.decode)
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
        except AttemptError as said:
            return said.request_id
    return None


async def _accepted(
    run: Run, flight: Flight, accepted: Accepted, lease: Lease, *, is_first: bool
) -> None:
    attempt_id, at = flight.attempt.attempt_id, run.time.now()
    # This run polls with the handle itself, which is not stored if it holds a key.
    handle = run.scrubber.clean_id(accepted.handle)
    request_id = run.scrubber.clean_id(accepted.request_id or accepted.handle)

    def step(ledger: Ledger) -> None:
        ledger.mark_accepted(attempt_id, handle, request_id, at)
        if is_first:
            flight.lane.proof.record(ledger, flight.attempt.model)

    await run.writer.commit(step)
    log_accepted(run, attempt_id, handle, request_id)
    lease.shrink(0)
    flight = replace(flight, task_id=accepted.handle)
    await follow_and_fetch(run, flight, accepted.estimate_s, lease)


async def follow_and_fetch(
    run: Run, flight: Flight, estimate_s: float | None, lease: Lease
) -> None:
    """Poll a task to its end and fetch what it made; frees the place in flight.

    When the run stops, the task is left: it is safe in the ledger.

    Args:
        run: The run.
        flight: The attempt whose task it is.
        estimate_s: When the provider expects it to end.
        lease: Holds the images that come with the answers, until they are stored.
    """
    delivered = None
    with run.cut_short():
        try:
            delivered = await follow(run, flight, estimate_s, lease)
        except ProviderStopped as error:
            await leave_open(run, flight, error)
            return
        except AttemptError as error:
            await fail(run, flight, error)
            return
        finally:
            flight.free_slot()
    if delivered is None:
        give_back(run, flight)
    else:
        await deliver(run, flight, delivered, lease)
