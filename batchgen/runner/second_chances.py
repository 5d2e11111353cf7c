"""Second chances: what was paid for and given up is tried before anything is bought.

Lost links may work by now, and a newer batchgen may find the image in a reply that was
kept. Both cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import anyio

from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.run_context import AttemptContext, Run
from batchgen.attempts.charges import ChargedAs
from batchgen.attempts.deliver import take
from batchgen.attempts.echoes import read_without_echoes
from batchgen.attempts.fence import fenced
from batchgen.attempts.fetch import end_without, try_each
from batchgen.attempts.finish import fail, leave_at_risk
from batchgen.attempts.fresh_links import fresh_links
from batchgen.attempts.kept_replies import kept_files, name_in
from batchgen.attempts.missing_images import Missing
from batchgen.errors import (
    AttemptError,
    Charge,
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
from batchgen.output.kept_files import KeptReply, Source
from batchgen.providers.base import TaskProvider
from batchgen.runner.resume import contexts_of, kept_words
from batchgen.tracebacks import drop_tracebacks
from batchgen.wire.body_decoding import decode_body

Lanes = Mapping[tuple[str, str], ProviderQueue]
"""Where attempts can be asked for, by provider and base URL."""


def given_up(run: Run) -> list[AttemptRecord]:
    """Return attempts whose images may be had after all, oldest first."""
    ledger = run.ledger
    attempts = {
        attempt.attempt_id: attempt
        for status in (Status.PENDING, Status.FAILED)
        for attempt in ledger.attempts_with_lost_links(status)
    }
    for attempt_id in kept_files(run).replies():
        attempt = ledger.find_attempt(attempt_id)
        if attempt is not None:
            attempts[attempt_id] = attempt
    return [attempts[key] for key in sorted(attempts)]


# -- lost links


async def reopen(run: Run, queues: Lanes) -> list[AttemptContext]:
    """Let rows that are to be bought again have their old links tried first.

    Returns:
        What is to be carried on: until it ends nothing is bought for it.
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
            # Some of its images are stored: the others are had now, or bought.
            if context.attempt.state is State.STORED:
                tasks.start_soon(try_once, run, context)
    return [_as_it_stands(run.ledger, context) for context in ended]


async def try_lost_links(run: Run) -> None:
    """Try links that did not download once more, as the run ends.

    What is under way comes in first: an image is not stored twice.
    """
    while run.live:
        await run.changed.wait(run.changed.version)
    if run.stopping:
        return
    lost = run.ledger.attempts_with_lost_links(Status.FAILED)
    delivered = (
        attempt
        for attempt in run.ledger.open_attempts()
        if attempt.state is State.DELIVERED
    )
    # A delivered attempt of a failed row is among both.
    attempts = {attempt.attempt_id: attempt for attempt in (*lost, *delivered)}
    async with anyio.create_task_group() as tasks:
        for context in contexts_of(run.ledger, run.all_queues, list(attempts.values())):
            tasks.start_soon(try_once, run, context)


async def try_once(run: Run, context: AttemptContext) -> None:
    """Try lost links once, and ask the task for others.

    Nothing is written down while none of them works.
    """
    async with fenced(run, context):
        await _try_once(run, context)


async def _try_once(run: Run, context: AttemptContext) -> None:
    missing = Missing(dict(run.ledger.links(context.attempt.attempt_id)))
    hosts = [context.queue.host_of(link) for link in missing.links.values()]
    if hosts and all(host.is_down for host in hosts):
        return  # nobody answers there: the others would wait for it one by one
    lacked = len(missing.links)
    with run.cut_short():
        await try_each(run, context, missing, keep=False)
        if missing.links and await _asked(run, context, missing):
            await try_each(run, context, missing, keep=False)
    if missing.links and len(missing.links) < lacked:
        attempt = context.attempt
        kind = attempt.charge or Charge.UNKNOWN
        charge = ChargedAs(kind, attempt.cost, attempt.uncertain)
        await end_without(run, context, missing.error, charge)


async def _asked(run: Run, context: AttemptContext, missing: Missing) -> bool:
    """Ask the task for other links; say whether it gave some."""
    failures = missing.failures.values()
    if all(
        isinstance(error, Incomplete) and not error.was_answered for error in failures
    ):
        return False  # the network may be to blame
    try:
        fresh = await fresh_links(run, context, sure_after=0)
    except AttemptError:
        return False
    changed = {
        image: link
        for image, link in fresh.items()
        if image in missing.links and missing.links[image] != link
    }
    missing.links.update(changed)
    return bool(changed)


# -- kept replies


async def read_kept(run: Run, queues: Lanes) -> list[AttemptContext]:
    """Read kept replies anew, one after the other.

    Returns:
        What is to be carried on: tasks, and links.
    """
    files, contexts = kept_files(run), []
    for attempt_id in files.replies():
        attempt = run.ledger.find_attempt(attempt_id)
        if attempt is None or not _may_be_read(run.ledger, attempt):
            continue
        resumable = contexts_of(run.ledger, queues, [attempt])
        kept = await run.offload(partial(files.read_reply, attempt_id))
        if resumable and kept is not None and kept.provider == attempt.provider:
            async with fenced(run, resumable[0]):
                contexts += await _read(run, resumable[0], kept)
    return contexts


def _may_be_read(ledger: Reader, attempt: AttemptRecord) -> bool:
    is_ended = attempt.state in (State.FAILED, State.UNKNOWN)
    return is_ended and ledger.status(attempt.row_id) is not Status.SUCCEEDED


async def _read(
    run: Run, context: AttemptContext, kept: KeptReply
) -> list[AttemptContext]:
    """Do what a kept reply says, if that is more than was known."""
    try:
        outcome = read_without_echoes(
            context,
            _read_anew(kept.reply),
            lambda reply: _decoded(context.queue, kept.source, reply),
        )
    except AttemptError as error:
        drop_tracebacks(error)
        attempt_id = context.attempt.attempt_id
        is_missed = context.attempt.message == kept_words(kept_files(run), attempt_id)
        if is_missed and isinstance(error, ReplyMalformed | NoImage):
            # A kill came between the file and the ledger: this is the end it missed.
            name_in(error, kept_files(run).name_of(attempt_id))
            hold(run, context)
            await fail(run, context, error)
        return []
    except Exception:
        run.log.exception("kept_reply", extra={"attempt": context.attempt.attempt_id})
        return []
    if isinstance(outcome, Running):
        return []
    run.log.info("kept_reply_read", extra={"attempt": context.attempt.attempt_id})
    hold(run, context)
    try:
        if isinstance(outcome, Accepted):
            return [await _accept(run, context, outcome)]
        links, _, _ = await take(run, context, outcome)
    except Exception:
        _let_go(run, context)
        raise
    return [_as_it_stands(run.ledger, context)] if links else []


def _let_go(run: Run, context: AttemptContext) -> None:
    """Count an attempt as it was before, if its money is held still."""
    if not context.reservation.is_settled and context.attempt.at_risk:
        leave_at_risk(run, context)
    elif not context.reservation.is_settled:
        run.release(context.reservation)


def _read_anew(reply: Reply) -> Reply:
    """Return a reply whose body is read from its bytes, where they are kept."""
    if reply.whole is None:
        return reply
    body = decode_body(reply.whole.data, reply.headers, BASE64_KEYS)
    return replace(reply, body=body)


def _decoded(
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
    return replace(_as_it_stands(run.ledger, context), task_id=accepted.handle)


def hold(run: Run, context: AttemptContext) -> None:
    """Reserve the money of an attempt that is carried on, and count it no more.

    At a price that fell meanwhile less is held: the rest goes on counting.
    """
    attempt, reservation = context.attempt, context.reservation
    run.budget.hold(reservation)
    if attempt.at_risk:
        ceiling = attempt.ceiling or 0
        run.progress.at_risk -= ceiling
        held = run.budget.ceiling(reservation.price_key) or 0
        freed = min(ceiling, held * reservation.images)
        run.budget.commit(-freed, *reservation.scopes)


def _as_it_stands(ledger: Reader, context: AttemptContext) -> AttemptContext:
    return replace(context, attempt=ledger.attempt(context.attempt.attempt_id))
