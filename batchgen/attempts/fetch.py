"""From links to images in the archive: downloaded, checked, appended.

A link may not work yet, or not for a while, and asking costs nothing: so what does not
download is tried in rounds, with growing pauses, before it is given up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import anyio

from batchgen.admission.link_hosts import waiting_for
from batchgen.admission.next_step import wait_s
from batchgen.admission.run_context import AttemptContext, Run
from batchgen.attempts.charges import ChargedAs
from batchgen.attempts.finish import lose
from batchgen.attempts.fresh_links import fresh_links
from batchgen.attempts.image_check import check_image
from batchgen.attempts.link_ends import refuse_silence, stop_for
from batchgen.attempts.missing_images import Missing
from batchgen.attempts.pause import pause
from batchgen.attempts.store import Checked, store
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
from batchgen.ledger import Ledger, Reader
from batchgen.model import Link, Status
from batchgen.wire import MemoryLease

DOWNLOADS = 12
"""Rounds in which the images of an attempt are tried, outages left out: with their
pauses about five minutes [assumed]. Later runs try again."""

REJECTED_DOWNLOADS = 6
"""Rounds, some fifteen seconds, where whole answers come that are no images: bytes of
another kind seldom become one, and are kept [assumed]."""

ASK_TASK_AT = 3
"""A task is asked for fresh links after this round, and after the last: a fresh link
may need some seconds, too, until its image is everywhere."""

SOON_S = 5.0
"""What broke off and is tried again within this time is tried though the run stops."""

Numbered = Sequence[tuple[int, Link]]


async def fetch(
    run: Run,
    context: AttemptContext,
    links: Numbered,
    charge: ChargedAs,
    *,
    lost: AttemptError | None = None,
    rounds: int | None = None,
) -> None:
    """Download what an attempt delivered, and store each image as it comes.

    It is charged already, and stays delivered until its last image is stored.

    Args:
        run: The run.
        context: The attempt.
        links: Of its images that are not stored.
        charge: What it cost.
        lost: Why others of its images cannot be had.
        rounds: How often links are tried that do not work; some minutes if not said.
    """
    missing = Missing(dict(links) or _unknown(run.ledger, context, lost), lost=lost)
    # Its images carry into the ZIP what it cost.
    attempt = replace(context.attempt, charge=charge.charge, cost=charge.cost)
    context = replace(context, attempt=attempt)
    try:
        _refuse_second(run.ledger, context)
        await _bring_all(run, context, missing, charge, rounds or DOWNLOADS)
        error = missing.error if missing.links or missing.lost else None
    except (Incomplete, ProviderStopped) as left:
        await _leave_delivered(run, context, left)
        return
    except DiskFull as full:
        run.end(full)
        words = "no room on the disk for the image; a later run downloads it"
        await _leave_delivered(run, context, Incomplete("the run", words))
        return
    except AttemptError as reason:
        error = reason
    if error is not None:
        await end_without(run, context, _as_lost(error), charge)


def _unknown(
    ledger: Reader, context: AttemptContext, lost: AttemptError | None
) -> dict[int, Link]:
    """Return images without a link, where none was kept: their task may have some."""
    if lost is not None:
        return {}
    stored = ledger.stored_images(context.part.row_id)
    return {image: Link("") for image in context.part.span if image not in stored}


def _as_lost(error: AttemptError) -> AttemptError:
    """Take an answer that would not change for minutes for a lost link."""
    if not isinstance(error, Incomplete):
        return error
    lost = LinkLost(error.provider, error.message)
    lost.request_id = error.request_id
    return lost


async def _bring_all(
    run: Run, context: AttemptContext, missing: Missing, charge: ChargedAs, rounds: int
) -> None:
    """Bring home what can be had, round by round.

    While no link of the same hosts downloads, rounds do not count.

    Raises:
        Incomplete: the run stops, or no answer comes; links stay in the ledger.
    """
    queue, tries, counted, is_renewed = context.queue, 0, 0, False
    is_first_chance = rounds == DOWNLOADS
    while True:
        max_rounds = min(rounds, REJECTED_DOWNLOADS) if missing.are_rejected else rounds
        is_last = counted + 1 >= max_rounds
        await try_each(run, context, missing, keep=is_last)
        if not missing.links:
            return
        tries += 1
        failures = missing.failures.values()
        broke_off = all(isinstance(error, Retryable) for error in failures)
        # Who waits to buy again does not wait for an outage of the links to end.
        hosts = [queue.host_of(link) for link in missing.links.values()]
        is_outage = (
            is_first_chance
            and broke_off
            and all(host.waives_failures for host in hosts)
        )
        if is_first_chance and all(map(queue.link_hosts.are_gone, hosts)):
            stop_for(run, queue, hosts[0], missing)
        counted += not is_outage
        is_over = (is_last and counted >= max_rounds) or not missing.may_come
        if is_over or (counted == ASK_TASK_AT and not broke_off):
            fresh = await _renew(run, context, missing, charge, must=is_over)
            if fresh and not (is_over and is_renewed):
                is_renewed = is_renewed or is_over
                counted = min(counted, rounds - 1)
                continue
        if is_over:
            if is_first_chance:
                refuse_silence(missing, queue)
            return
        await _wait(run, context, missing, tries, is_outage=is_outage)


async def try_each(
    run: Run, context: AttemptContext, missing: Missing, *, keep: bool
) -> None:
    """Try each link once; what downloads is stored, and missing no more."""
    queue = context.queue
    missing.failures.clear()
    if missing.rounds == 0:
        missing.began = run.time.monotonic()
    for image, link in list(missing.links.items()):
        ends = len(missing.links) == 1 and missing.lost is None
        try:
            await _bring(run, context, image, link, keep=keep, ends=ends)
        except (Retryable, LinkLost, ImageRejected) as error:
            missing.failures[image] = error
            if isinstance(error, Retryable):
                queue.host_of(link).record_failure(
                    context.part.row_id,
                    error,
                    is_network_down=queue.breaker.is_in_doubt,
                )
            if missing.rounds == 0:
                # Once for each attempt: a few that wait long say nothing of the others.
                queue.link_outage.record_failure(context.part.row_id)
        else:
            del missing.links[image]
    missing.rounds += 1


async def _bring(
    run: Run, context: AttemptContext, image: int, link: Link, *, keep: bool, ends: bool
) -> None:
    # What it takes in memory is held until it is on disk, or known to be no image.
    with run.wire.lease() as lease:
        checked = await _download(run, context, image, link, lease, keep=keep)
        await store(run, context, [checked], ends=ends)


async def _download(
    run: Run,
    context: AttemptContext,
    image: int,
    link: Link,
    lease: MemoryLease,
    *,
    keep: bool,
) -> Checked:
    """Return an image; bytes that are none are kept if this is the last try."""
    queue = context.queue
    if not link.url:
        error = LinkLost(queue.name, "no link was kept")
        error.is_final = True
        raise error
    source = queue.keyless_source if link.from_text else queue.source
    async with run.downloads:
        blob = await run.wire.download(queue.name, link.url, source=source, lease=lease)
    queue.link_hosts.record_success(queue.host_of(link))
    checked = await check_image(run, context, image, blob.data, keep=keep)
    queue.link_outage.record_success()
    return checked


async def _wait(
    run: Run, context: AttemptContext, missing: Missing, tries: int, *, is_outage: bool
) -> None:
    """Wait for the next round, and let other rows be bought meanwhile."""
    failures = missing.failures.values()
    floors = [error.retry_after_s for error in failures if error.retry_after_s]
    wait = wait_s(tries, max(floors, default=None), run.rng)
    name = context.queue.name
    hosts = {context.queue.host_of(link) for link in missing.links.values()}
    if is_outage:
        run.progress.notify_once(
            f"images of {name} do not download: they are tried again until they do; "
            "nothing is bought again for them"
        )
    elif tries >= ASK_TASK_AT:
        run.progress.notify_once(
            f"some images of {name} cannot be downloaded yet "
            f"({run.redactor.redact(missing.error.message)}): their links are tried "
            "again for about five minutes, and by later runs; nothing is bought again "
            "for them"
        )
    broke_off = all(isinstance(error, Retryable) for error in failures)
    if broke_off and not is_outage and wait <= SOON_S:
        await anyio.sleep(wait)
        return
    context.queue.waiting += 1
    run.wake()
    try:
        with waiting_for(hosts):
            await pause(run, wait)
    finally:
        context.queue.waiting -= 1


async def _renew(
    run: Run,
    context: AttemptContext,
    missing: Missing,
    charge: ChargedAs,
    *,
    must: bool,
) -> bool:
    """Ask the task for links that still work; say whether there are others now.

    Raises:
        AttemptError: it has none, and `must` says that nothing else is left to try.
    """
    try:
        fresh = await fresh_links(run, context)
    except AttemptError:
        if must or run.stopping:
            raise
        return False  # it is asked once more before the links are given up
    changed = {
        image: link
        for image, link in fresh.items()
        if image in missing.links and missing.links[image] != link
    }
    if not changed:
        return False
    missing.links.update(changed)

    def step(ledger: Ledger) -> None:
        attempt_id = context.attempt.attempt_id
        ledger.mark_delivered(attempt_id, changed.items(), charge, None, None)

    await run.writer.commit(step)
    return True


async def end_without(
    run: Run, context: AttemptContext, lost: AttemptError, charge: ChargedAs
) -> None:
    """End an attempt some of whose images, or all, cannot be had."""
    lost.message = run.redactor.redact(lost.message)
    attempt_id = context.attempt.attempt_id
    if run.ledger.shapes(attempt_id):
        # After an explicit retry what is lost for good is bought again.
        is_retried = attempt_id <= run.ledger.row(context.part.row_id).tries_from
        await store(run, context, (), lost=None if is_retried else lost)
    else:
        await lose(run, context, lost, charge)


def _refuse_second(ledger: Reader, context: AttemptContext) -> None:
    """Keep the first copy when an overdue task ends after it was bought again.

    Raises:
        Superseded: all its images are in the archive already.
    """
    stored = ledger.stored_images(context.part.row_id)
    if stored.issuperset(context.part.span):
        raise Superseded(context.queue.name, "another attempt brought the image first")


async def _leave_delivered(
    run: Run, context: AttemptContext, error: AttemptError
) -> None:
    """Leave the links in the ledger: a later run downloads, nothing is bought."""
    message = run.redactor.redact(error.message)
    row_id = context.part.row_id
    run.log.warning("download_left", extra={"attempt": context.attempt.attempt_id})

    def step(ledger: Ledger) -> None:
        # A row that ended before its links were tried again stays as it is.
        if ledger.status(row_id) is Status.PENDING:
            ledger.settle(row_id, Status.PENDING, error.kind, message)

    await run.writer.commit(step)
