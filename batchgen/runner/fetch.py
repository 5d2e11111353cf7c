"""From links or bytes to images in the archive: downloaded, checked, appended."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import anyio

from batchgen.errors import (
    AttemptError,
    DiskFull,
    ImageRejected,
    Incomplete,
    LinkLost,
    ProviderStopped,
    Retryable,
    Superseded,
)
from batchgen.images import NotAnImage, inspect
from batchgen.model import Blob, Delivered, Running, Status
from batchgen.provider import TaskProvider
from batchgen.runner.accounts import (
    ChargedAs,
    charge_of,
    spend,
    tell_raised,
)
from batchgen.runner.context import Flight, Run
from batchgen.runner.decide import wait_s
from batchgen.runner.finish import lose
from batchgen.runner.polling import SURE_AFTER, Poller
from batchgen.runner.store import Checked, store
from batchgen.wire import Lease

DOWNLOADS = 6
"""Tries to download one image in a run, outages left out; a later run tries again
[assumed]."""

SOON_S = 5.0
"""What is tried again within this time is still tried when the run stops."""

SMALL_BYTES = 256 * 1024
"""Hashed in 0.15 ms, or in 0.6 on a CPU without instructions for it, so that a thread
gains nothing."""

Numbered = Sequence[tuple[int, str]]


async def fetch(run: Run, flight: Flight, links: Numbered, charge: ChargedAs) -> None:
    """Download what an attempt delivered, and store each image as it comes.

    It is charged already, and stays delivered until its last image is stored.
    """
    home: set[int] = set()
    try:
        _refuse_second(run, flight)
        if not links:
            raise LinkLost(flight.lane.name, "no link was kept")
        lost = await _bring_all(run, flight, links, home)
        if isinstance(lost, LinkLost):
            fresh = await _fresh_links(run, flight, charge, lost)
            named = {it[0] for it in fresh}
            gone = lost if {it[0] for it in links} - home - named else None
            missing = [it for it in fresh if it[0] not in home]
            lost = await _bring_all(run, flight, missing, home, gone)
    except (Incomplete, ProviderStopped) as error:
        await _leave_delivered(run, flight, error)
        return
    except DiskFull as full:
        run.end(full)
        words = "no room on the disk for the image; a later run downloads it"
        await _leave_delivered(run, flight, Incomplete("the run", words))
        return
    except AttemptError as error:
        lost = error
    if lost is not None:
        await _end_without(run, flight, lost, charge)


async def _bring_all(
    run: Run,
    flight: Flight,
    links: Numbered,
    home: set[int],
    lost: AttemptError | None = None,
) -> AttemptError | None:
    """Bring home what can be had, and add it to `home`.

    Args:
        run: The run.
        flight: The attempt; it ends with the last image if nothing of it is lost.
        links: What to download.
        home: Images that are stored.
        lost: Why others of the attempt cannot be had.

    Returns:
        Why some of it surely cannot be had, for the others count.
    """
    for image, url in links:
        ends = lost is None and image == links[-1][0]
        try:
            await _bring(run, flight, image, url, ends=ends)
        except (LinkLost, ImageRejected) as error:
            lost = error
        else:
            home.add(image)
    return lost


async def _end_without(
    run: Run, flight: Flight, lost: AttemptError, charge: ChargedAs
) -> None:
    """End an attempt some of whose images, or all, cannot be had."""
    if run.ledger.shapes(flight.attempt.attempt_id):
        await store(run, flight, (), lost=lost)
    else:
        await lose(run, flight, lost, charge)


async def store_inline(
    run: Run, flight: Flight, blobs: Sequence[Blob], delivered: Delivered
) -> None:
    """Store images that came with the reply: charge and place are one commit.

    Until then the bytes exist nowhere else, so no cancellation cuts it short.
    """
    with anyio.CancelScope(shield=True):
        charge = charge_of(flight, delivered)
        raised = spend(run, flight, charge)
        checked: list[Checked] = []
        lost: AttemptError | None = None
        for image, blob in zip(flight.part.span, blobs, strict=False):
            try:
                checked.append(await _check(run, flight, image, blob.data))
            except ImageRejected as error:
                error.request_id = delivered.request_id
                lost = error
        if checked:
            try:
                await store(run, flight, checked, lost=lost, inline=(charge, delivered))
            except DiskFull as full:
                # The bytes are nowhere else: its outcome stands as unknown.
                run.end(full)
                return
        elif lost is not None:
            await lose(run, flight, lost, charge)
        await tell_raised(run, flight, raised)


def _refuse_second(run: Run, flight: Flight) -> None:
    """Keep the first copy when an overdue task ends after it was bought again.

    Raises:
        Superseded: all its images are in the archive already.
    """
    stored = run.ledger.stored_images(flight.part.row_id)
    if stored.issuperset(flight.part.span):
        raise Superseded(flight.lane.name, "another attempt brought the image first")


async def _bring(run: Run, flight: Flight, image: int, url: str, *, ends: bool) -> None:
    """Download one image and store it, asking again for what may pass.

    While no link of the provider's downloads, tries do not count.

    Raises:
        Incomplete: it may work later; links stay in the ledger.
        LinkLost, ImageRejected: it is not to be had.
    """
    lane, tries, counted = flight.lane, 0, 0
    while True:
        try:
            await run.lull.wait()
            # What it takes in memory is held until it is on disk.
            with run.wire.lease() as lease:
                checked = await _download(run, flight, image, url, lease)
                await store(run, flight, [checked], ends=ends)
        except (Retryable, LinkLost, ImageRejected) as error:
            tries += 1
            if isinstance(error, Retryable):
                lane.links.failed(flight.part.row_id)
            excused = isinstance(error, Retryable) and lane.links.excuses
            counted += not excused
            # A link that is gone, or bytes that are no image, seldom come back; but a
            # fresh link may need some seconds until its image is everywhere.
            if counted >= DOWNLOADS:
                raise
            wait = wait_s(tries, error.retry_after_s, run.rng)
        else:
            return
        if excused:
            run.progress.say_once(
                f"images of {lane.name} do not download: they are tried again until "
                "they do; nothing is bought again for them"
            )
        if excused or wait > SOON_S:
            await _pause(run, wait)
        else:
            await anyio.sleep(wait)


async def _download(
    run: Run, flight: Flight, image: int, url: str, lease: Lease
) -> Checked:
    lane = flight.lane
    async with run.downloads:
        blob = await run.wire.download(
            lane.name, url, from_loopback=lane.is_loopback, lease=lease
        )
    lane.links.worked()
    return await _check(run, flight, image, blob.data)


async def _pause(run: Run, seconds: float) -> None:
    """Wait, unless the run is to stop.

    Raises:
        Incomplete: it is; a later run goes on.
    """
    with run.cut_short():
        await anyio.sleep(seconds)
        return
    raise _stopped()


def _stopped() -> Incomplete:
    return Incomplete("the run", "stopped while the image was waited for")


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
        outcome = await _ask(run, poller)
        answers = int(poller.was_answered)
        while not isinstance(outcome, Delivered) and answers < SURE_AFTER:
            await _pause(run, poller.schedule.every_s)
            outcome = await _ask(run, poller)
            answers += poller.was_answered
    except (Incomplete, ProviderStopped):
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


async def _ask(run: Run, poller: Poller) -> Delivered | Running:
    """Ask for a task once; raises as `_pause` does, too."""
    with run.cut_short():
        return await poller.ask()
    raise _stopped()


async def _leave_delivered(run: Run, flight: Flight, error: AttemptError) -> None:
    """Leave the links in the ledger: a later run downloads, nothing is bought."""
    message = run.scrubber.clean(error.message)
    row_id = flight.part.row_id
    run.log.warning("download_left", extra={"attempt": flight.attempt.attempt_id})
    await run.writer.commit(
        lambda ledger: ledger.settle(row_id, Status.PENDING, error.kind, message)
    )
