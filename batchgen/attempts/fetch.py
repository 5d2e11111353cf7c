"""Download the images of an attempt, in rounds.

A link may not work yet, or not for a while, and trying costs nothing. So links that
fail are tried in rounds, with growing pauses, before they are given up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import anyio

from batchgen.admission.link_hosts import waiting_for
from batchgen.admission.next_step import wait_s
from batchgen.admission.run_context import AttemptContext, Run
from batchgen.attempts.download_round import try_links
from batchgen.attempts.finish import lose
from batchgen.attempts.fresh_links import fresh_links
from batchgen.attempts.missing_images import MissingImages, refuse_silence, stop_for
from batchgen.attempts.store import store
from batchgen.errors import (
    AttemptError,
    DiskFull,
    Incomplete,
    LinkLost,
    ProviderStopped,
    Superseded,
)
from batchgen.ledger import Charged, Ledger, Reader
from batchgen.model import Link, Status

MAX_ROUNDS = 12
"""Rounds in which the images of an attempt are tried, outages left out: with their
pauses about five minutes [assumed]. Later runs try again."""

MAX_REJECTED_ROUNDS = 6
"""Rounds (about fifteen seconds) where complete replies are no images: other bytes
seldom become an image, and they are kept [assumed]."""

ASK_TASK_AT = 3
"""A task is asked for fresh links after this round, and after the last: a fresh link,
too, may need some seconds until all servers have its image."""

SOON_S = 5.0
"""An interrupted download is repeated within this time, even though the run stops."""

Numbered = Sequence[tuple[int, Link]]


async def fetch(
    run: Run,
    context: AttemptContext,
    links: Numbered,
    charge: Charged,
    *,
    loss: AttemptError | None = None,
    rounds: int | None = None,
) -> None:
    """Download what an attempt delivered, and store each image as it comes.

    The attempt is charged already, and stays delivered until its last image is stored.

    Args:
        run: The run.
        context: The attempt.
        links: Of its images that are not stored.
        charge: What it cost.
        loss: Why other images of it are lost.
        rounds: How often failing links are tried; `MAX_ROUNDS` by default.
    """
    missing = MissingImages(
        dict(links) or _empty_links(run.ledger, context, loss), loss=loss
    )
    # The tag of each image in the ZIP states the charge.
    attempt = replace(context.attempt, charge=charge.charge, cost=charge.cost)
    context = replace(context, attempt=attempt)
    try:
        _refuse_second(run.ledger, context)
        await _download_all(run, context, missing, charge, rounds or MAX_ROUNDS)
        error = missing.error if missing.links or missing.loss else None
    except (Incomplete, ProviderStopped) as reason:
        await _leave_delivered(run, context, reason)
        return
    except DiskFull as full:
        run.end(full)
        message = "no room on the disk for the image; a later run downloads it"
        await _leave_delivered(run, context, Incomplete("the run", message))
        return
    except AttemptError as reason:
        error = reason
    if error is not None:
        await end_without(run, context, _as_lost(error), charge)


def _empty_links(
    ledger: Reader, context: AttemptContext, loss: AttemptError | None
) -> dict[int, Link]:
    """Return an empty link for each image that lacks one: the task may give others."""
    if loss is not None:
        return {}
    stored = ledger.stored_images(context.part.row_id)
    return {image: Link("") for image in context.part.span if image not in stored}


def _as_lost(error: AttemptError) -> AttemptError:
    """Treat a link as lost if its reply stayed incomplete for minutes."""
    if not isinstance(error, Incomplete):
        return error
    loss = LinkLost(error.provider, error.message)
    loss.request_id = error.request_id
    return loss


async def _download_all(
    run: Run,
    context: AttemptContext,
    missing: MissingImages,
    charge: Charged,
    rounds: int,
) -> None:
    """Download the missing images, round by round.

    Rounds do not count while nothing downloads from these hosts.

    Raises:
        Incomplete: the run stops, or no answer comes; links stay in the ledger.
    """
    queue, tries, counted, is_renewed = context.queue, 0, 0, False
    is_first_chance = rounds == MAX_ROUNDS
    while True:
        max_rounds = rounds
        if missing.are_rejected:
            max_rounds = min(rounds, MAX_REJECTED_ROUNDS)
        is_last = counted + 1 >= max_rounds
        await try_links(run, context, missing, keep=is_last)
        if not missing.links:
            return
        tries += 1
        is_retryable = missing.all_retryable
        # A row that may be bought again does not wait for an outage of the links.
        hosts = [queue.host_of(link) for link in missing.links.values()]
        is_outage = (
            is_first_chance
            and is_retryable
            and all(host.outage.waives_failures for host in hosts)
        )
        # No image came from other hosts meanwhile.
        last_success = queue.link_hosts.last_success
        if is_first_chance and all(host.was_gone_since(last_success) for host in hosts):
            stop_for(run, queue, hosts[0], missing)
        counted += not is_outage
        is_over = (is_last and counted >= max_rounds) or not missing.may_come
        if is_over or (counted == ASK_TASK_AT and not is_retryable):
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


async def _wait(
    run: Run,
    context: AttemptContext,
    missing: MissingImages,
    tries: int,
    *,
    is_outage: bool,
) -> None:
    """Wait for the next round; other rows can be bought in the meantime."""
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
    if missing.all_retryable and not is_outage and wait <= SOON_S:
        await anyio.sleep(wait)
        return
    context.queue.waiting += 1
    run.wake()
    try:
        with waiting_for(hosts):
            await run.pause(wait)
    finally:
        context.queue.waiting -= 1


async def _renew(
    run: Run,
    context: AttemptContext,
    missing: MissingImages,
    charge: Charged,
    *,
    must: bool,
) -> bool:
    """Ask the task for links that still work; say whether it gave other links.

    Raises:
        AttemptError: it has none, and `must` says that nothing else can be tried.
    """
    try:
        fresh = await fresh_links(run, context)
    except AttemptError:
        if must or run.stopping:
            raise
        return False  # the task is asked once more before the links are given up
    changed = missing.renew(fresh)
    if not changed:
        return False

    def step(ledger: Ledger) -> None:
        attempt_id = context.attempt.attempt_id
        ledger.mark_delivered(attempt_id, changed.items(), charge, None, None)

    await run.writer.commit(step)
    return True


async def end_without(
    run: Run, context: AttemptContext, loss: AttemptError, charge: Charged
) -> None:
    """End an attempt that lost some or all of its images."""
    loss.message = run.redactor.redact(loss.message)
    attempt_id = context.attempt.attempt_id
    if run.ledger.shapes(attempt_id):
        # The user's explicit retry allows buying lost images again.
        is_retried = attempt_id <= run.ledger.row(context.part.row_id).tries_from
        await store(run, context, (), loss=None if is_retried else loss)
    else:
        await lose(run, context, loss, charge)


def _refuse_second(ledger: Reader, context: AttemptContext) -> None:
    """Keep the first image when an overdue task ends after a second purchase.

    Raises:
        Superseded: the archive has all images of the attempt already.
    """
    stored = ledger.stored_images(context.part.row_id)
    if stored.issuperset(context.part.span):
        raise Superseded(context.queue.name, "another attempt brought the image first")


async def _leave_delivered(
    run: Run, context: AttemptContext, error: AttemptError
) -> None:
    """Leave the links in the ledger: a later run downloads them and buys nothing."""
    message = run.redactor.redact(error.message)
    row_id = context.part.row_id
    run.log.warning("download_left", extra={"attempt": context.attempt.attempt_id})

    def step(ledger: Ledger) -> None:
        # A row that had ended before this second try keeps its status.
        if ledger.status(row_id) is Status.PENDING:
            ledger.settle(row_id, Status.PENDING, error.kind, message)

    await run.writer.commit(step)
