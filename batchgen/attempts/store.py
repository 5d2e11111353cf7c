"""Store checked images in the archive, and end their attempt and row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from logging import Logger
from math import prod

from batchgen.admission.children import queue_children
from batchgen.admission.next_step import RowEnd, missing_parts
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.row_changes import RowChange, change_row, rows_of
from batchgen.admission.run_context import AttemptContext, Run
from batchgen.attempts.charges import latency_of
from batchgen.errors import AttemptError, Charge
from batchgen.images import ImageFacts
from batchgen.ledger import AttemptRecord, Charged, Ledger, Reader, Shape, StoredImage
from batchgen.model import Job, Link, State, Status, pixel_size, utc
from batchgen.output.archive import Member, NewImage, Tag
from batchgen.output.member_names import member_name


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """A checked image: its facts and its digest."""

    image: int
    data: bytes
    facts: ImageFacts
    sha256: bytes


@dataclass(frozen=True, slots=True)
class InlineDelivery:
    """A delivery with images in the reply itself.

    Attributes:
        images: How many were delivered, with links and invalid images.
        links: Of its other images.
    """

    images: int
    charge: Charged
    request_id: str | None
    links: Sequence[tuple[int, Link]]


async def store(
    run: Run,
    context: AttemptContext,
    checked: Sequence[CheckedImage],
    *,
    ends: bool = True,
    loss: AttemptError | None = None,
    inline: InlineDelivery | None = None,
) -> None:
    """Append images to the archive, and settle their row when their attempt ends.

    Args:
        run: The run.
        context: The attempt that brought them.
        checked: The images; empty only if others of the attempt are stored already.
        ends: Whether no other image of the attempt follows. Requested images that did
            not come are bought again, as a part of their own.
        loss: Why other paid images of the attempt are lost: then nothing is bought
            again without the user's consent.
        inline: The delivery, if it is recorded in the same commit.
    """
    at = run.time.now()
    incoming = [_incoming(context, each, inline, at) for each in checked]
    latency_s = latency_of(context, run.time.monotonic()) if inline else None
    if inline is not None:
        attempt_id = context.attempt.attempt_id
        log_delivered(run.log, attempt_id, inline.charge, inline.request_id)

    def step(ledger: Ledger, members: list[Member]) -> RowChange | None:
        attempt_id = context.attempt.attempt_id
        if context.attempt.state is State.FAILED and not inline:
            ledger.reopen(attempt_id)  # its link was lost, and works again
        if inline:
            ledger.mark_delivered(
                attempt_id, inline.links, inline.charge, inline.request_id, latency_s
            )
        pairs = zip(checked, members, strict=True)
        ledger.keep_images(attempt_id, [stored_image(*pair) for pair in pairs])
        if not ends:
            return None
        is_all = len(checked) == context.part.images
        shapes = _shapes(checked) if is_all else ledger.shapes(attempt_id)
        return _end(run.job, ledger, context, shapes, loss, at)

    def count(change: RowChange | None) -> None:
        if context.planned is not None:
            run.record(change)

    change = await run.writer.store(incoming, step, then=count)
    if checked:
        context.queue.verdicts.record_useful_image()
        context.queue.is_answered = True
    run.progress.stored_images += len(checked)
    run.progress.stored_bytes += sum(len(each.data) for each in checked)
    run.log.info("stored", extra={"attempt": context.attempt.attempt_id})
    if ends:
        _queue_next(run, context, change, loss)
    run.wake()


def _queue_next(
    run: Run,
    context: AttemptContext,
    change: RowChange | None,
    loss: AttemptError | None,
) -> None:
    """Queue the rows that waited for this one, or the images that it still lacks."""
    if change is not None and change.now is Status.SUCCEEDED:
        queue_children(run, context.part.row_id)
    elif loss is None:
        _queue_missing(run.queues, run.ledger, context)


def log_delivered(
    log: Logger, attempt_id: int, charge: Charged, request_id: str | None
) -> None:
    """Log what was charged, before anything of it is stored.

    A lost ledger is rebuilt from `run.log`: what came after the last tables were
    written is in no other file.
    """
    log.info(
        "delivered",
        extra={
            "attempt": attempt_id,
            "charge": charge.charge.value,
            "cost_nano": charge.cost,
            "uncertain_nano": charge.uncertain or None,
            "request": request_id,
        },
    )


def _shapes(checked: Sequence[CheckedImage]) -> list[Shape]:
    return [(each.image, each.facts.width_px, each.facts.height_px) for each in checked]


def _incoming(
    context: AttemptContext,
    checked: CheckedImage,
    inline: InlineDelivery | None,
    at: int,
) -> NewImage:
    attempt, extension = context.attempt, checked.facts.extension
    charge, cost = inline.charge[:2] if inline else (attempt.charge, attempt.cost)
    return NewImage(
        name=member_name(
            context.base_name, checked.image, context.request.n, extension
        ),
        data=checked.data,
        tag=Tag(
            attempt_id=attempt.attempt_id,
            image=checked.image,
            images=inline.images if inline else context.part.images,
            cost_nano=cost if charge is Charge.REPORTED else None,
            modified=utc(at),
        ),
    )


def _end(
    job: Job,
    ledger: Ledger,
    context: AttemptContext,
    shapes: Sequence[Shape],
    loss: AttemptError | None,
    at: int,
) -> RowChange | None:
    """End an attempt; return the change of its row."""
    row_id = context.part.row_id
    if context.attempt.state is not State.STORED:
        mark_stored(ledger, context.attempt, shapes, at)
    was = settle_if_whole(ledger, row_id)
    if was is not None:
        return RowChange(was, Status.SUCCEEDED, None, rows_of(job, ledger, row_id))
    is_open = ledger.status(row_id) in (Status.PENDING, Status.HELD)
    if loss is None or not is_open or not ledger.is_planned(row_id):
        return None
    end = RowEnd(Status.FAILED, loss.kind, loss.message)
    return change_row(ledger, job, row_id, end)


def _queue_missing(
    queues: Mapping[str, ProviderQueue], ledger: Reader, context: AttemptContext
) -> None:
    """Queue the requested images that the reply did not contain."""
    queue = queues.get(context.planned or "")
    part = context.part
    missing = set(part.span) - ledger.stored_images(part.row_id)
    if queue is None or not missing or queue.stopped is not None:
        return
    last, max_images = part.span.stop - 1, queue.capabilities.images_per_request
    stored = set(range(1, part.span.stop)) - missing
    for rest in missing_parts(part.row_id, last, stored, (), max_images):
        queue.retries.add(rest, 0.0)


def mark_stored(
    ledger: Ledger, attempt: AttemptRecord, shapes: Iterable[Shape], at: int
) -> None:
    """End an attempt whose images, except lost ones, are in the archive."""
    ledger.mark_stored(attempt.attempt_id, (), size_warning(attempt, shapes), at)


def settle_if_whole(ledger: Ledger, row_id: int) -> Status | None:
    """Mark a row as succeeded when all its images are stored.

    Returns:
        Its status before; None if nothing changed.
    """
    was, is_whole = ledger.completeness(row_id)
    if was is Status.SUCCEEDED or not is_whole:
        return None
    ledger.settle(row_id, Status.SUCCEEDED, None, None)
    return was


def stored_image(checked: CheckedImage, member: Member) -> StoredImage:
    """Return the ledger's record of an image in the archive."""
    return StoredImage(
        image=checked.image,
        name=member.name,
        place=member.offset,
        size_bytes=len(checked.data),
        crc32=member.crc32,
        sha256=checked.sha256,
        media_type=checked.facts.media_type,
        width_px=checked.facts.width_px,
        height_px=checked.facts.height_px,
    )


def size_warning(attempt: AttemptRecord, shapes: Iterable[Shape]) -> str | None:
    """Return a warning if an image has another size than the one that was paid for."""
    resolution = attempt.resolution or ""
    paid = pixel_size(attempt.aspect_ratio or "", resolution)
    # If the provider chose the ratio, only the number of pixels is known.
    square = pixel_size("1:1", resolution)
    for image, *size in shapes:
        if paid is not None:
            fits = tuple(size) == paid
        else:
            fits = square is None or 0.5 < prod(size) / prod(square) < 2
        if not fits:
            expected = f"{paid[0]}x{paid[1]}" if paid else resolution
            return f"image {image} is {size[0]}x{size[1]} px, paid for {expected}"
    return None
