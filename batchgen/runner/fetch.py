"""From links or bytes to images in the archive: downloaded, checked, appended."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import anyio

from batchgen.errors import (
    AttemptError,
    ImageRejected,
    Incomplete,
    LinkLost,
    ProviderStopped,
    Retryable,
    Superseded,
)
from batchgen.images import ImageFacts, NotAnImage, inspect
from batchgen.ledger import Ledger, StoredImage
from batchgen.model import Blob, Delivered, Status, pixel_size
from batchgen.output.archive import Incoming, Member, Tag
from batchgen.output.names import member_name
from batchgen.provider import TaskProvider
from batchgen.runner.accounts import (
    ChargedAs,
    charge_of,
    latency_of,
    spend,
    tell_raised,
)
from batchgen.runner.context import Flight, Run, utc
from batchgen.runner.decide import wait_s
from batchgen.runner.finish import lose
from batchgen.runner.polling import SURE_AFTER, Poller

DOWNLOADS = 6
"""Tries to download one image in a run; a later run tries again [assumed]."""

SMALL_BYTES = 32 * 1024
"""Hashed in less time than a thread takes to be asked."""

Numbered = Sequence[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Checked:
    """An image that was looked at: what it is, and its digest."""

    image: int
    data: bytes
    facts: ImageFacts
    sha256: bytes


async def fetch(run: Run, flight: Flight, links: Numbered, charge: ChargedAs) -> None:
    """Download what an attempt delivered and store it; it is charged already."""
    try:
        _refuse_second(run, flight)
        if not links:
            raise LinkLost(flight.lane.name, "no link was kept")
        try:
            checked = [await _download(run, flight, *numbered) for numbered in links]
        except LinkLost as lost:
            links = await _fresh_links(run, flight, charge, lost)
            checked = [await _download(run, flight, *numbered) for numbered in links]
    except (Incomplete, ProviderStopped) as error:
        await _leave_delivered(run, flight, error)
        return
    except AttemptError as error:
        await lose(run, flight, error, charge)
        return
    await _store(run, flight, checked, inline=None)


async def store_inline(
    run: Run, flight: Flight, blobs: Sequence[Blob], delivered: Delivered
) -> None:
    """Store images that came with the reply: charge and place are one commit.

    Until then the bytes exist nowhere else, so no cancellation cuts it short.
    """
    with anyio.CancelScope(shield=True):
        charge = charge_of(flight, delivered)
        raised = spend(run, flight, charge)
        numbered = zip(flight.part.span, blobs, strict=False)
        try:
            checked = [
                await _check(run, flight, image, blob.data) for image, blob in numbered
            ]
        except ImageRejected as error:
            await tell_raised(run, flight, raised)
            await lose(run, flight, error, charge)
            return
        await _store(run, flight, checked, inline=(charge, delivered))
        await tell_raised(run, flight, raised)


def _refuse_second(run: Run, flight: Flight) -> None:
    """Keep the first copy when an overdue task ends after it was bought again.

    Raises:
        Superseded: all its images are in the archive already.
    """
    stored = run.ledger.stored_images(flight.part.row_id)
    if stored.issuperset(flight.part.span):
        raise Superseded(flight.lane.name, "another attempt brought the image first")


async def _download(run: Run, flight: Flight, image: int, url: str) -> Checked:
    """Download one image, asking again for what may pass."""
    lane, tries = flight.lane, 0
    while True:
        try:
            await run.lull.wait()
            async with run.downloads:
                blob = await run.wire.download(
                    lane.name, url, from_loopback=lane.is_loopback
                )
            return await _check(run, flight, image, blob.data)
        except (Retryable, LinkLost, ImageRejected) as error:
            tries += 1
            # A link that is gone, or bytes that are no image, seldom come back.
            most = DOWNLOADS if isinstance(error, Retryable) else DOWNLOADS // 2
            if tries >= most:
                raise
            wait = wait_s(tries, error.retry_after_s, run.rng)
        await anyio.sleep(wait)


async def _check(run: Run, flight: Flight, image: int, data: bytes) -> Checked:
    """Look at an image's start and end and take its digest, off the event loop."""

    def look() -> Checked:
        return Checked(image, data, inspect(data), hashlib.sha256(data).digest())

    try:
        return await run.offload(look) if len(data) > SMALL_BYTES else look()
    except NotAnImage as error:
        raise ImageRejected(flight.lane.name, f"delivered {error}") from error


async def _fresh_links(
    run: Run, flight: Flight, charge: ChargedAs, lost: LinkLost
) -> Numbered:
    """Ask the task for links that still work.

    Raises:
        LinkLost: there is no task to ask, or it has none: what was charged stays so.
        Incomplete: it gives none now; a later run asks again.
    """
    task_id, lane = flight.task_id, flight.lane
    if task_id is None or not isinstance(lane.provider, TaskProvider):
        raise lost  # it says whether the link is gone, or was refused, and by whom
    poller = Poller(run, lane, task_id)
    try:
        outcome = await poller.ask()
        for _ in range(SURE_AFTER - 1):
            if isinstance(outcome, Delivered):
                break
            await anyio.sleep(poller.schedule.every_s)
            outcome = await poller.ask()
    except ProviderStopped:
        raise
    except AttemptError as error:
        words = f"the link no longer downloads, and its task: {error.message}"
        raise LinkLost(lane.name, words) from error
    if not isinstance(outcome, Delivered):
        raise Incomplete(lane.name, "the link no longer downloads; no other came yet")
    urls = [it.url for it in outcome.images if not isinstance(it, Blob)]
    numbered = list(zip(flight.part.span, urls, strict=False))
    await run.writer.commit(
        lambda ledger: ledger.mark_delivered(
            flight.attempt.attempt_id, numbered, charge, None, None
        )
    )
    return numbered


async def _leave_delivered(run: Run, flight: Flight, error: AttemptError) -> None:
    """Leave the links in the ledger: a later run downloads, nothing is bought."""
    message = run.scrubber.clean(error.message)
    row_id = flight.part.row_id
    run.log.warning("download_left", extra={"attempt": flight.attempt.attempt_id})
    await run.writer.commit(
        lambda ledger: ledger.settle(row_id, Status.PENDING, error.kind, message)
    )


async def _store(
    run: Run,
    flight: Flight,
    checked: Sequence[Checked],
    inline: tuple[ChargedAs, Delivered] | None,
) -> None:
    at = run.time.now()
    reported = inline[1].cost_usd is not None if inline else False
    incoming = [
        Incoming(
            name=member_name(
                flight.stem, it.image, flight.request.n, it.facts.extension
            ),
            data=it.data,
            tag=Tag(
                attempt_id=flight.attempt.attempt_id,
                image=it.image,
                images=len(checked),
                cost_nano=inline[0][1] if inline and reported else None,
                modified=utc(at),
            ),
        )
        for it in checked
    ]
    latency_s = latency_of(run, flight) if inline else None
    warning = _warning(flight, checked)

    def step(ledger: Ledger, members: list[Member]) -> Status | None:
        if inline:
            request_id = inline[1].request_id
            ledger.mark_delivered(
                flight.attempt.attempt_id, (), inline[0], request_id, latency_s
            )
        stored = [
            stored_image(it, member)
            for it, member in zip(checked, members, strict=True)
        ]
        ledger.mark_stored(flight.attempt.attempt_id, stored, warning, at)
        return settle_if_whole(ledger, flight.part.row_id)

    was = await run.writer.store(incoming, step)
    run.progress.bought += len(checked)
    run.progress.stored_bytes += sum(len(it.data) for it in checked)
    run.log.info("stored", extra={"attempt": flight.attempt.attempt_id})
    if was is not None and flight.planned is not None:
        run.progress.settle(Status.SUCCEEDED, was)
    run.wake()


def settle_if_whole(ledger: Ledger, row_id: int) -> Status | None:
    """Let a row succeed when all its images are stored.

    Returns:
        Its status until now; None if nothing changed.
    """
    was = ledger.status(row_id)
    if was is Status.SUCCEEDED or not ledger.is_whole(row_id):
        return None
    ledger.settle(row_id, Status.SUCCEEDED, None, None)
    return was


def stored_image(checked: Checked, member: Member) -> StoredImage:
    """Return what the ledger keeps of an image that is in the archive."""
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


def _warning(flight: Flight, checked: Sequence[Checked]) -> str | None:
    """Say if an image has another size than the one that was paid for."""
    attempt = flight.attempt
    paid = pixel_size(attempt.aspect_ratio or "", attempt.resolution or "")
    for it in checked:
        size = (it.facts.width_px, it.facts.height_px)
        if paid is not None and size != paid:
            return (
                f"image {it.image} is {size[0]}x{size[1]} px, "
                f"paid for {paid[0]}x{paid[1]}"
            )
    return None
