"""Bring ledger and archive together after a stop of any kind."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

from batchgen.attempts.charges import by_list
from batchgen.attempts.store import (
    CheckedImage,
    mark_stored,
    settle_if_whole,
    stored_image,
)
from batchgen.errors import (
    Again,
    Charge,
    LedgerMissing,
    ledger_remedy,
)
from batchgen.images import NotAnImage, inspect
from batchgen.ledger import (
    AttemptEnd,
    AttemptRecord,
    Charged,
    Ledger,
    StoredImage,
)
from batchgen.model import State, Status
from batchgen.output.archive import Archive, Member, Tag, UncommittedMember
from batchgen.output.kept_files import KeptFiles

STOPPED_MESSAGE = "batchgen stopped before the answer came"


def recover(ledger: Ledger, archive: Archive, now: int) -> int:
    """Adopt images of the ZIP that the ledger lacks, and give up lost replies.

    An attempt that was sent and has no reply becomes an unknown outcome.

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
                message = kept_message(files, attempt.attempt_id)
                _forget_answer(ledger, attempt, now, message)
        for charge in ledger.highest_charges():
            # The kill came between the charge and the commit that raises the ceiling.
            ledger.raise_ceiling(*charge)
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
            f"{ledger_remedy(ledger.path.parent, moved=True)}"
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
        images = [*_images_of(archive, members)]
        if not images:
            continue
        if attempt.state is not State.DELIVERED:
            # The reply had come, and was charged. Its other images are bought again.
            charge = charge_in_tag(attempt, members[0].tag)
            ledger.mark_delivered(attempt_id, (), charge, None, None)
        ledger.keep_images(attempt_id, images)
        adopted += len(images)
        # An attempt with links stays open: the run downloads them.
        if not ledger.links(attempt_id):
            mark_stored(ledger, attempt, ledger.shapes(attempt_id), now)
            settle_if_whole(ledger, attempt.row_id)
    return adopted


def _images_of(
    archive: Archive, members: Sequence[UncommittedMember]
) -> Iterator[StoredImage]:
    for each in members:
        data = archive.read(each.member.offset)
        if (image := inspect_member(each.tag.image, each.member, data)) is not None:
            yield image


def inspect_member(image: int, member: Member, data: bytes) -> StoredImage | None:
    """Return the ledger's record of an image in the archive; None if it is none."""
    try:
        facts = inspect(data)
    except NotAnImage:
        return None
    digest = hashlib.sha256(data).digest()
    return stored_image(CheckedImage(image, data, facts, digest), member)


def charge_in_tag(attempt: AttemptRecord, tag: Tag) -> Charged:
    """Return what an attempt cost by the tag of its image, else by the price list."""
    if tag.cost_nano is not None:
        return Charged(Charge.REPORTED, tag.cost_nano)
    return by_list(attempt, tag.images)


def kept_message(files: KeptFiles, attempt_id: int) -> str | None:
    """Return the message about a reply that was kept before a kill, else None."""
    name = files.name_of(attempt_id)
    return name and f"batchgen stopped when the answer had come; kept as {name}"


def _forget_answer(
    ledger: Ledger, attempt: AttemptRecord, now: int, message: str | None = None
) -> None:
    end = AttemptEnd(
        state=State.UNKNOWN,
        charge=Charge.UNKNOWN,
        cost=None,
        # A kept reply is read again before anything is bought for its row.
        again=Again.LATER if message is None else Again.NEVER,
        counts=True,
        error="outcome_unknown",
        message=message or STOPPED_MESSAGE,
        request_id=None,
        ended_at=now,
    )
    ledger.mark_ended(attempt.attempt_id, end)
    row = ledger.row(attempt.row_id)
    if row.status is Status.PENDING:
        ledger.settle(row.row_id, Status.PENDING, end.error, end.message)
