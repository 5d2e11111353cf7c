"""What an earlier process left behind: adopted, asked for, downloaded, never bought."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import anyio

from batchgen.admission.next_step import Part
from batchgen.admission.permit import Presence
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.run_context import AttemptContext, Run
from batchgen.attempts.charges import by_list
from batchgen.attempts.deliver import deliver
from batchgen.attempts.fence import fenced
from batchgen.attempts.fetch import fetch
from batchgen.attempts.finish import fail, leave_at_risk, leave_open
from batchgen.attempts.polling import Poller
from batchgen.attempts.purchase import follow_and_fetch
from batchgen.attempts.store import mark_stored, settle_if_whole
from batchgen.budget import Reservation, column_values_of, day_of
from batchgen.errors import (
    Again,
    AttemptError,
    Charge,
    LedgerMissing,
    ProviderStopped,
    ledger_way_out,
)
from batchgen.images import NotAnImage, inspect
from batchgen.ledger import (
    AttemptEnd,
    AttemptRecord,
    Charged,
    Ledger,
    Reader,
    StoredImage,
)
from batchgen.model import Delivered, PriceKey, Running, State, Status
from batchgen.output.archive import Archive, Tag, UncommittedMember
from batchgen.output.kept_files import KeptFiles
from batchgen.wire import MemoryLease

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


def _refuse_older_ledger(ledger: Ledger, members: Sequence[UncommittedMember]) -> None:
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
    ledger: Ledger, archive: Archive, all_members: Sequence[UncommittedMember], now: int
) -> int:
    by_attempt: dict[int, list[UncommittedMember]] = defaultdict(list)
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


def _look(archive: Archive, member: UncommittedMember) -> StoredImage | None:
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


def _charge(attempt: AttemptRecord, tag: Tag) -> Charged:
    if tag.cost_nano is not None:
        return Charged(Charge.REPORTED, tag.cost_nano)
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


def contexts_of(
    ledger: Reader,
    queues: Mapping[tuple[str, str], ProviderQueue],
    attempts: Sequence[AttemptRecord],
) -> list[AttemptContext]:
    """Return attempts that can be carried on; no money is held for them yet.

    Args:
        ledger: Where their rows stand.
        queues: Where attempts can be asked for, by provider and recorded base URL.
        attempts: Oldest first.
    """
    contexts = []
    for attempt in attempts:
        queue = queues.get((attempt.provider, attempt.base_url))
        if queue is None:
            continue
        row = ledger.row(attempt.row_id)
        reservation = Reservation(
            price_key=PriceKey.of(
                attempt.provider,
                row.request,
                attempt.model,
                attempt.resolution or "",
            ),
            images=attempt.images,
            column_values=column_values_of(row.budget_group),
            day=day_of(attempt.sent_at),
        )
        contexts.append(
            AttemptContext(
                queue=queue,
                part=Part(attempt.row_id, attempt.first_image, attempt.images),
                base_name=row.base_name,
                request=row.request,
                attempt=attempt,
                reservation=reservation,
                planned=ledger.planned_provider(attempt.row_id),
                task_id=attempt.task_id,
            )
        )
    return contexts


async def ask_first(
    run: Run, contexts: Sequence[AttemptContext]
) -> list[AttemptContext]:
    """Ask for the tasks of rows that are to be bought again, before they are.

    Returns:
        The other flights: nothing is bought that they may still bring.
    """
    asked = [context for context in contexts if _is_asked_first(run.ledger, context)]
    async with anyio.create_task_group() as tasks:
        for context in asked:
            tasks.start_soon(_ask_first, run, context)
    return [context for context in contexts if context not in asked]


async def _ask_first(run: Run, context: AttemptContext) -> None:
    async with fenced(run, context):
        await _ask_once(run, context)


def _is_asked_first(ledger: Reader, context: AttemptContext) -> bool:
    is_wanted = ledger.status(context.part.row_id) is Status.PENDING
    is_overdue = context.attempt.state is State.OVERDUE
    return is_overdue and is_wanted and context.planned is not None


def carry_on(run: Run, contexts: Sequence[AttemptContext]) -> None:
    """Start all flights; first polls are spread over one interval, oldest first."""
    for number, context in enumerate(contexts):
        presence = Presence(run, context.queue)
        presence.arrive(with_slot=_is_polled(context))
        carried_on = replace(context, presence=presence)
        delay_s = SPREAD_S * number / len(contexts)
        run.tasks.start_soon(_carry_on, run, carried_on, presence, delay_s)


def _is_polled(context: AttemptContext) -> bool:
    """Say whether a task is asked for until it ends."""
    is_other = context.attempt.state in (State.DELIVERED, State.OVERDUE)
    return not is_other and context.planned is not None


async def _carry_on(
    run: Run, context: AttemptContext, presence: Presence, delay_s: float
) -> None:
    with presence:
        async with fenced(run, context):
            if context.attempt.state is State.DELIVERED:
                await _download_again(run, context)
            elif _is_polled(context):
                await anyio.sleep(delay_s)
                with run.wire.lease() as lease:
                    await follow_and_fetch(run, context, 0.0, lease)
            else:
                await _ask_once(run, context)


async def _download_again(run: Run, context: AttemptContext) -> None:
    attempt, row = context.attempt, run.ledger.row(context.part.row_id)
    kind = attempt.charge or Charge.UNKNOWN
    charge = Charged(kind, attempt.cost, attempt.uncertain)
    # Where links were tried for minutes before, somebody waits to buy the row again.
    is_retried = attempt.attempt_id <= row.tries_from or row.status is Status.FAILED
    rounds = RETRIED_DOWNLOADS if is_retried else None
    links = run.ledger.links(attempt.attempt_id)
    await fetch(run, context, links, charge, rounds=rounds)


async def _ask_once(run: Run, context: AttemptContext) -> None:
    """Ask for a task that is overdue, or whose row was dropped or edited meanwhile."""
    with run.wire.lease() as lease:
        await _ask_and_deliver(run, context, lease)


async def _ask_and_deliver(
    run: Run, context: AttemptContext, lease: MemoryLease
) -> None:
    outcome: Delivered | Running = Running()
    try:
        with run.cut_short():
            outcome = await Poller(run, context, context.task_id or "", lease).ask()
    except ProviderStopped as error:
        await leave_open(run, context, error)
        return
    except AttemptError as error:
        await fail(run, context, error)
        return
    if isinstance(outcome, Running):
        leave_at_risk(run, context)
    else:
        await deliver(run, context, outcome, lease)
