"""What an earlier process left behind: adopted, asked for, downloaded, never bought."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import anyio

from batchgen.admission.next_step import Part
from batchgen.admission.permit import Presence
from batchgen.admission.provider_queue import Lane
from batchgen.admission.run_context import Flight, Run
from batchgen.attempts.charges import ChargedAs, by_list
from batchgen.attempts.deliver import deliver
from batchgen.attempts.fence import fenced
from batchgen.attempts.fetch import fetch
from batchgen.attempts.finish import fail, give_back, leave_open
from batchgen.attempts.polling import Poller
from batchgen.attempts.purchase import follow_and_fetch
from batchgen.attempts.store import mark_stored, settle_if_whole
from batchgen.budget import Reservation, day_of, shares_of
from batchgen.errors import (
    Again,
    AttemptError,
    Charge,
    LedgerMissing,
    ProviderStopped,
    ledger_way_out,
)
from batchgen.images import NotAnImage, inspect
from batchgen.ledger import AttemptEnd, AttemptRecord, Ledger, Reader, StoredImage
from batchgen.model import Delivered, Running, Sale, State, Status
from batchgen.output.archive import Archive, Found, Tag
from batchgen.output.kept import KeptFiles
from batchgen.wire import Lease

SPREAD_S = 3.0
"""First polls after a restart are spread over this: thousands may be waiting."""

RETRIED_DOWNLOADS = 3
"""Rounds in which links are tried again that were lost before."""

STOPPED_WORDS = "batchgen stopped before the answer came"


def recover(ledger: Ledger, archive: Archive, now: int) -> int:
    """Bring ledger and archive together after a stop of any kind.

    Images that are in the ZIP and not in the ledger are adopted; what was sent and
    has no answer becomes an unknown outcome.

    Returns:
        How many images were adopted.

    Raises:
        LedgerMissing: the archive has images that the ledger never bought.
    """
    members = archive.recover()
    _refuse_older_ledger(ledger, members)
    files = KeptFiles(ledger.path.parent, lambda _: ())
    with ledger.transaction():
        adopted = _adopt(ledger, archive, members, now)
        for attempt in ledger.open_attempts():
            if attempt.state is State.SENT:
                kept = kept_words(files, attempt.attempt_id)
                _forget_answer(ledger, attempt, now, kept)
        for dearest in ledger.dearest():
            ledger.raise_ceiling(*dearest)  # killed between a charge and this
        if ledger.meta.archive_end != archive.end:
            ledger.meta.archive_end = archive.end
    return adopted


def _refuse_older_ledger(ledger: Ledger, members: Sequence[Found]) -> None:
    """Refuse a ledger that is older than the archive, or another run's.

    A purchase is in the ledger, on disk, before it is sent.
    """
    newest = ledger.newest_attempt()
    unknown = sum(member.tag.attempt_id > newest for member in members)
    if unknown:
        images = "1 image" if unknown == 1 else f"{unknown} images"
        raise LedgerMissing(
            f"{ledger.path.parent}: the ZIP holds {images} of purchases that the "
            f"ledger (run.db) does not know: it is an older copy, or another run's; "
            f"{ledger_way_out(ledger.path.parent, moved=True)}"
        )


def _adopt(
    ledger: Ledger, archive: Archive, all_members: Sequence[Found], now: int
) -> int:
    by_attempt: dict[int, list[Found]] = defaultdict(list)
    for member in all_members:
        by_attempt[member.tag.attempt_id].append(member)
    open_ids = {attempt.attempt_id: attempt for attempt in ledger.open_attempts()}
    adopted = 0
    for attempt_id, members in by_attempt.items():
        attempt = open_ids.get(attempt_id)
        if attempt is None:
            continue
        looks = (_look(archive, member) for member in members)
        whole = [image for image in looks if image is not None]
        if not whole:
            continue
        if attempt.state is not State.DELIVERED:
            # The reply had come, and was charged; what the kill left of its images
            # is kept, the others are bought again.
            charge = _charge(attempt, members[0].tag)
            ledger.mark_delivered(attempt_id, (), charge, None, None)
        ledger.keep_images(attempt_id, whole)
        adopted += len(whole)
        # What is still to be downloaded is downloaded again.
        if not ledger.links(attempt_id):
            mark_stored(ledger, attempt, ledger.shapes(attempt_id), now)
            settle_if_whole(ledger, attempt.row_id)
    return adopted


def _look(archive: Archive, member: Found) -> StoredImage | None:
    data = archive.read(member.member.offset)
    try:
        facts = inspect(data)
    except NotAnImage:
        return None
    return StoredImage(
        image=member.tag.image,
        name=member.member.name,
        place=member.member.offset,
        size_bytes=member.member.size_bytes,
        crc32=member.member.crc32,
        sha256=hashlib.sha256(data).digest(),
        media_type=facts.media_type,
        width_px=facts.width_px,
        height_px=facts.height_px,
    )


def _charge(attempt: AttemptRecord, tag: Tag) -> ChargedAs:
    if tag.cost_nano is not None:
        return ChargedAs(Charge.REPORTED, tag.cost_nano)
    return by_list(attempt, tag.images)


def kept_words(files: KeptFiles, attempt_id: int) -> str | None:
    """Return what is said of an answer that came, and was kept before a kill."""
    name = files.name_of(attempt_id)
    return name and f"batchgen stopped when the answer had come; kept as {name}"


def _forget_answer(
    ledger: Ledger, attempt: AttemptRecord, now: int, kept: str | None = None
) -> None:
    end = AttemptEnd(
        state=State.UNKNOWN,
        charge=Charge.UNKNOWN,
        cost=None,
        # An answer that came is read anew before anything is bought for its row.
        again=Again.LATER if kept is None else Again.NEVER,
        counts=True,
        error="outcome_unknown",
        message=kept or STOPPED_WORDS,
        request_id=None,
        ended_at=now,
    )
    ledger.mark_ended(attempt.attempt_id, end)
    row = ledger.row(attempt.row_id)
    if row.status is Status.PENDING:
        ledger.settle(row.row_id, Status.PENDING, end.error, end.message)


def flights_of(
    ledger: Reader,
    lanes: Mapping[tuple[str, str], Lane],
    attempts: Sequence[AttemptRecord],
) -> list[Flight]:
    """Return attempts that can be carried on; no money is held for them yet.

    Args:
        ledger: Where their rows stand.
        lanes: Where attempts can be asked for, by provider and recorded base URL.
        attempts: Oldest first.
    """
    flights = []
    for attempt in attempts:
        lane = lanes.get((attempt.provider, attempt.base_url))
        if lane is None:
            continue
        row = ledger.row(attempt.row_id)
        reservation = Reservation(
            group=Sale.of(
                attempt.provider,
                row.request,
                attempt.model,
                attempt.resolution or "",
            ),
            images=attempt.images,
            shares=shares_of(row.budget_group),
            day=day_of(attempt.sent_at),
        )
        flights.append(
            Flight(
                lane=lane,
                part=Part(attempt.row_id, attempt.first_image, attempt.images),
                stem=row.stem,
                request=row.request,
                attempt=attempt,
                reservation=reservation,
                planned=ledger.planned_provider(attempt.row_id),
                task_id=attempt.task_id,
            )
        )
    return flights


async def ask_first(run: Run, flights: Sequence[Flight]) -> list[Flight]:
    """Ask for the tasks of rows that are to be bought again, before they are.

    Returns:
        The other flights: nothing is bought that they may still bring.
    """
    asked = [flight for flight in flights if _is_asked_first(run.ledger, flight)]
    async with anyio.create_task_group() as tasks:
        for flight in asked:
            tasks.start_soon(_ask_first, run, flight)
    return [flight for flight in flights if flight not in asked]


async def _ask_first(run: Run, flight: Flight) -> None:
    async with fenced(run, flight):
        await _ask_once(run, flight)


def _is_asked_first(ledger: Reader, flight: Flight) -> bool:
    is_wanted = ledger.status(flight.part.row_id) is Status.PENDING
    is_overdue = flight.attempt.state is State.OVERDUE
    return is_overdue and is_wanted and flight.planned is not None


def carry_on(run: Run, flights: Sequence[Flight]) -> None:
    """Start all flights; first polls are spread over one interval, oldest first."""
    for number, flight in enumerate(flights):
        presence = Presence(run, flight.lane)
        presence.arrive(with_slot=_is_polled(flight))
        carried_on = replace(flight, presence=presence)
        delay_s = SPREAD_S * number / len(flights)
        run.tasks.start_soon(_carry_on, run, carried_on, presence, delay_s)


def _is_polled(flight: Flight) -> bool:
    """Say whether a task is asked for until it ends."""
    is_other = flight.attempt.state in (State.DELIVERED, State.OVERDUE)
    return not is_other and flight.planned is not None


async def _carry_on(
    run: Run, flight: Flight, presence: Presence, delay_s: float
) -> None:
    with presence:
        async with fenced(run, flight):
            if flight.attempt.state is State.DELIVERED:
                await _download_again(run, flight)
            elif _is_polled(flight):
                await anyio.sleep(delay_s)
                with run.wire.lease() as lease:
                    await follow_and_fetch(run, flight, 0.0, lease)
            else:
                await _ask_once(run, flight)


async def _download_again(run: Run, flight: Flight) -> None:
    attempt, row = flight.attempt, run.ledger.row(flight.part.row_id)
    kind = attempt.charge or Charge.UNKNOWN
    charge = ChargedAs(kind, attempt.cost, attempt.uncertain)
    # Where links were tried for minutes before, somebody waits to buy the row again.
    is_retried = attempt.attempt_id <= row.tries_from or row.status is Status.FAILED
    rounds = RETRIED_DOWNLOADS if is_retried else None
    links = run.ledger.links(attempt.attempt_id)
    await fetch(run, flight, links, charge, rounds=rounds)


async def _ask_once(run: Run, flight: Flight) -> None:
    """Ask for a task that is overdue, or whose row was dropped or edited meanwhile."""
    with run.wire.lease() as lease:
        await _ask_and_deliver(run, flight, lease)


async def _ask_and_deliver(run: Run, flight: Flight, lease: Lease) -> None:
    outcome: Delivered | Running = Running()
    try:
        with run.cut_short():
            outcome = await Poller(run, flight, flight.task_id or "", lease).ask()
    except ProviderStopped as error:
        await leave_open(run, flight, error)
        return
    except AttemptError as error:
        await fail(run, flight, error)
        return
    if isinstance(outcome, Running):
        give_back(run, flight)
    else:
        await deliver(run, flight, outcome, lease)
