"""Second chances: paid images that were given up are tried before anything is bought.

Lost links may work by now, and a newer batchgen may find the image in a kept reply.
Both cost nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import anyio

from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.run_context import AttemptContext, Run
from batchgen.attempts.deliver import record_delivery
from batchgen.attempts.download_round import try_links
from batchgen.attempts.echoes import read_without_echoes
from batchgen.attempts.fetch import end_without
from batchgen.attempts.finish import fail, fenced, leave_at_risk
from batchgen.attempts.fresh_links import fresh_links
from batchgen.attempts.kept_replies import add_file_name
from batchgen.attempts.missing_images import MissingImages
from batchgen.budget import Budget
from batchgen.errors import (
    AttemptError,
    Incomplete,
    NoImage,
    ReplyMalformed,
)
from batchgen.ledger import AttemptRecord, Ledger, Reader
from batchgen.model import (
    BASE64_KEYS,
    Accepted,
    Delivered,
    Next,
    Reply,
    Running,
    State,
    Status,
)
from batchgen.output.kept_files import KeptFiles, KeptReply, Source
from batchgen.providers.base import TaskProvider
from batchgen.runner.progress import Progress
from batchgen.runner.resume import kept_message
from batchgen.runner.unfinished import QueuesByAddress, charged_for, contexts_of
from batchgen.tracebacks import drop_tracebacks
from batchgen.wire.body_decoding import decode_body


def abandoned_attempts(ledger: Reader, files: KeptFiles) -> list[AttemptRecord]:
    """Return attempts that were given up and may still bring images, oldest first."""
    attempts = {
        attempt.attempt_id: attempt
        for status in (Status.PENDING, Status.FAILED)
        for attempt in ledger.attempts_with_lost_links(status)
    }
    for attempt_id in files.replies():
        attempt = ledger.find_attempt(attempt_id)
        if attempt is not None:
            attempts[attempt_id] = attempt
    return [attempts[key] for key in sorted(attempts)]


# -- lost links


async def reopen(run: Run, queues: QueuesByAddress) -> list[AttemptContext]:
    """Reopen attempts with lost links whose rows would be bought again.

    Returns:
        Attempts to carry on: until they end, nothing is bought for their rows.
    """
    contexts = contexts_of(
        run.ledger, queues, run.ledger.attempts_with_lost_links(Status.PENDING)
    )
    ended = [context for context in contexts if context.attempt.state is State.FAILED]
    if ended:

        def step(ledger: Ledger) -> None:
            for context in ended:
                ledger.reopen(context.attempt.attempt_id)

        await run.writer.commit(step)
    async with anyio.create_task_group() as tasks:
        for context in contexts:
            # Some of its images are stored: the others download now, or are bought.
            if context.attempt.state is State.STORED:
                tasks.start_soon(try_once, run, context)
    return [_reread(run.ledger, context) for context in ended]


async def try_lost_links(run: Run) -> None:
    """Try lost links once more, as the run ends.

    Attempts in flight end first, so that no image is stored twice.
    """
    while run.live:
        await run.changed.wait(run.changed.version)
    if run.stopping:
        return
    loss = run.ledger.attempts_with_lost_links(Status.FAILED)
    delivered = (
        attempt
        for attempt in run.ledger.open_attempts()
        if attempt.state is State.DELIVERED
    )
    # A delivered attempt of a failed row is among both.
    attempts = {attempt.attempt_id: attempt for attempt in (*loss, *delivered)}
    async with anyio.create_task_group() as tasks:
        for context in contexts_of(run.ledger, run.all_queues, list(attempts.values())):
            tasks.start_soon(try_once, run, context)


async def try_once(run: Run, context: AttemptContext) -> None:
    """Try lost links once, and ask the task for others.

    The ledger changes only if one of them works.
    """
    async with fenced(run, context):
        missing = MissingImages(dict(run.ledger.links(context.attempt.attempt_id)))
        hosts = [context.queue.host_of(link) for link in missing.links.values()]
        if hosts and all(host.outage.is_on for host in hosts):
            return  # these hosts do not answer: each link would wait for its timeout
        lost_links = len(missing.links)
        with run.cut_short():
            await try_links(run, context, missing, keep=False)
            if missing.links and await _renew_links(run, context, missing):
                await try_links(run, context, missing, keep=False)
        if missing.links and len(missing.links) < lost_links:
            charge = charged_for(context.attempt)
            await end_without(run, context, missing.error, charge)


async def _renew_links(
    run: Run, context: AttemptContext, missing: MissingImages
) -> bool:
    """Ask the task for other links; say whether it gave some."""
    failures = missing.failures.values()
    if all(
        isinstance(error, Incomplete) and not error.was_answered for error in failures
    ):
        return False  # the network may be at fault
    try:
        fresh = await fresh_links(run, context, sure_after=0)
    except AttemptError:
        return False
    return bool(missing.renew(fresh))


# -- kept replies


async def read_kept_replies(
    run: Run, queues: QueuesByAddress, files: KeptFiles
) -> list[AttemptContext]:
    """Read kept replies again, one after the other.

    Returns:
        Attempts to carry on: their replies had tasks or links.
    """
    contexts: list[AttemptContext] = []
    for attempt_id in files.replies():
        attempt = run.ledger.find_attempt(attempt_id)
        if attempt is None or not _may_be_read(run.ledger, attempt):
            continue
        resumable = contexts_of(run.ledger, queues, [attempt])
        reply = await run.offload(partial(files.read_reply, attempt_id))
        if resumable and reply is not None and reply.provider == attempt.provider:
            async with fenced(run, resumable[0]):
                contexts += await _handle(run, resumable[0], files, reply)
    return contexts


def _may_be_read(ledger: Reader, attempt: AttemptRecord) -> bool:
    is_ended = attempt.state in (State.FAILED, State.UNKNOWN)
    return is_ended and ledger.status(attempt.row_id) is not Status.SUCCEEDED


async def _handle(
    run: Run, context: AttemptContext, files: KeptFiles, kept_reply: KeptReply
) -> list[AttemptContext]:
    """Handle a kept reply, if it is better than the end in the ledger."""
    try:
        outcome = read_without_echoes(
            context,
            _with_body(kept_reply.reply),
            lambda reply: _decode(context.queue, kept_reply.source, reply),
        )
    except AttemptError as error:
        drop_tracebacks(error)
        await _end_if_unrecorded(run, context, files, error)
        return []
    except Exception:
        run.log.exception("kept_reply", extra={"attempt": context.attempt.attempt_id})
        return []
    if isinstance(outcome, Running):
        return []
    run.log.info("kept_reply_read", extra={"attempt": context.attempt.attempt_id})
    hold(run.budget, run.progress, context)
    try:
        if isinstance(outcome, Accepted):
            return [await _accept(run, context, outcome)]
        links, _, _ = await record_delivery(run, context, outcome)
    except Exception:
        _undo_hold(run, context)
        raise
    return [_reread(run.ledger, context)] if links else []


async def _end_if_unrecorded(
    run: Run, context: AttemptContext, files: KeptFiles, error: AttemptError
) -> None:
    """End an attempt if a kill came between the kept file and the ledger's record."""
    attempt = context.attempt
    is_unrecorded = attempt.message == kept_message(files, attempt.attempt_id)
    if is_unrecorded and isinstance(error, ReplyMalformed | NoImage):
        add_file_name(error, files.name_of(attempt.attempt_id))
        hold(run.budget, run.progress, context)
        await fail(run, context, error)


def _undo_hold(run: Run, context: AttemptContext) -> None:
    """Count an attempt as before, unless its reservation is settled."""
    if context.reservation.is_settled:
        return
    if context.attempt.at_risk:
        leave_at_risk(run, context)
    else:
        run.release(context.reservation)


def _with_body(reply: Reply) -> Reply:
    """Return a reply with its body decoded again, if the bytes are kept."""
    if reply.whole is None:
        return reply
    body = decode_body(reply.whole.data, reply.headers, BASE64_KEYS)
    return replace(reply, body=body)


def _decode(
    queue: ProviderQueue, source: Source, reply: Reply
) -> Delivered | Accepted | Running:
    if source == "purchase":
        return queue.provider.decode(replace(reply, is_own=queue.is_own))
    if isinstance(queue.provider, TaskProvider):
        outcome = queue.provider.decode_poll(reply, queue.endpoint)
        return Running() if isinstance(outcome, Next) else outcome
    return Running()


async def _accept(
    run: Run, context: AttemptContext, accepted: Accepted
) -> AttemptContext:
    attempt_id, at = context.attempt.attempt_id, run.time.now()
    handle = run.redactor.redact_id(accepted.handle)
    request_id = run.redactor.redact_id(accepted.request_id or accepted.handle)
    await run.writer.commit(
        lambda ledger: ledger.mark_accepted(attempt_id, handle, request_id, at)
    )
    return replace(_reread(run.ledger, context), task_id=accepted.handle)


def hold(budget: Budget, progress: Progress, context: AttemptContext) -> None:
    """Turn an attempt's money at risk into a reservation, since it is carried on.

    If the price has fallen, the reservation is smaller: the rest stays at risk.
    """
    attempt, reservation = context.attempt, context.reservation
    budget.hold(reservation)
    if attempt.at_risk:
        ceiling = attempt.ceiling or 0
        progress.at_risk -= ceiling
        reserved = (budget.ceiling(reservation.price_key) or 0) * reservation.images
        budget.commit(-min(ceiling, reserved), *reservation.scopes)


def _reread(ledger: Reader, context: AttemptContext) -> AttemptContext:
    return replace(context, attempt=ledger.attempt(context.attempt.attempt_id))
