"""Second chances: what was paid for and given up is tried before anything is bought.

Lost links may work by now, and a newer batchgen may find the image in a reply that was
kept. Both cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import anyio

from batchgen.errors import (
    AttemptError,
    Charge,
    Incomplete,
    NoImage,
    ReplyMalformed,
)
from batchgen.ledger import AttemptRecord, Ledger
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
from batchgen.output.kept import KeptReply, Source
from batchgen.provider import TaskProvider
from batchgen.runner.accounts import ChargedAs
from batchgen.runner.context import Flight, Run
from batchgen.runner.deliver import take
from batchgen.runner.echoes import read_without_echoes
from batchgen.runner.fence import fenced
from batchgen.runner.fetch import end_without, try_each
from batchgen.runner.finish import fail, give_back
from batchgen.runner.fresh import fresh_links
from batchgen.runner.kept import kept_files, name_in
from batchgen.runner.lane import Lane
from batchgen.runner.missing import Missing
from batchgen.runner.resume import flights_of, kept_words
from batchgen.tracebacks import drop_tracebacks
from batchgen.wire.decode import decode_body

Lanes = Mapping[tuple[str, str], Lane]
"""Where attempts can be asked for, by provider and base URL."""


def given_up(run: Run) -> list[AttemptRecord]:
    """Return attempts whose images may be had after all, oldest first."""
    ledger = run.ledger
    found = {
        attempt.attempt_id: attempt
        for status in (Status.PENDING, Status.FAILED)
        for attempt in ledger.with_lost_links(status)
    }
    for attempt_id in kept_files(run).replies():
        attempt = ledger.find_attempt(attempt_id)
        if attempt is not None:
            found[attempt_id] = attempt
    return [found[key] for key in sorted(found)]


# -- lost links


async def reopen(run: Run, lanes: Lanes) -> list[Flight]:
    """Let rows that are to be bought again have their old links tried first.

    Returns:
        What is to be carried on: until it ends nothing is bought for it.
    """
    flights = flights_of(run, lanes, run.ledger.with_lost_links(Status.PENDING))
    ended = [flight for flight in flights if flight.attempt.state is State.FAILED]
    if ended:

        def step(ledger: Ledger) -> None:
            for flight in ended:
                ledger.reopen(flight.attempt.attempt_id)

        await run.writer.commit(step)
    async with anyio.create_task_group() as tasks:
        for flight in flights:
            # Some of its images are stored: the others are had now, or bought.
            if flight.attempt.state is State.STORED:
                tasks.start_soon(try_once, run, flight)
    return [_as_it_stands(run, flight) for flight in ended]


async def try_lost_links(run: Run) -> None:
    """Try links that did not download once more, as the run ends.

    What is under way comes in first: an image is not stored twice.
    """
    while run.live:
        await run.changed.wait()
    if run.stopping:
        return
    lost = run.ledger.with_lost_links(Status.FAILED)
    delivered = (
        attempt
        for attempt in run.ledger.open_attempts()
        if attempt.state is State.DELIVERED
    )
    # A delivered attempt of a failed row is among both.
    attempts = {attempt.attempt_id: attempt for attempt in (*lost, *delivered)}
    async with anyio.create_task_group() as tasks:
        for flight in flights_of(run, run.places, list(attempts.values())):
            tasks.start_soon(try_once, run, flight)


async def try_once(run: Run, flight: Flight) -> None:
    """Try lost links once, and ask the task for others.

    Nothing is written down while none of them works.
    """
    async with fenced(run, flight):
        await _try_once(run, flight)


async def _try_once(run: Run, flight: Flight) -> None:
    missing = Missing(dict(run.ledger.links(flight.attempt.attempt_id)))
    hosts = [flight.lane.host_of(link) for link in missing.links.values()]
    if hosts and all(host.is_down for host in hosts):
        return  # nobody answers there: the others would wait for it one by one
    lacked = len(missing.links)
    with run.cut_short():
        await try_each(run, flight, missing, keep=False)
        if missing.links and await _asked(run, flight, missing):
            await try_each(run, flight, missing, keep=False)
    if missing.links and len(missing.links) < lacked:
        attempt = flight.attempt
        kind = attempt.charge or Charge.UNKNOWN
        charge = ChargedAs(kind, attempt.cost, attempt.uncertain)
        await end_without(run, flight, missing.error, charge)


async def _asked(run: Run, flight: Flight, missing: Missing) -> bool:
    """Ask the task for other links; say whether it gave some."""
    failures = missing.failures.values()
    if all(
        isinstance(error, Incomplete) and not error.was_answered for error in failures
    ):
        return False  # the network may be to blame
    try:
        fresh = await fresh_links(run, flight, sure_after=0)
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


async def read_kept(run: Run, lanes: Lanes) -> list[Flight]:
    """Read kept replies anew, one after the other.

    Returns:
        What is to be carried on: tasks, and links.
    """
    files, flights = kept_files(run), []
    for attempt_id in files.replies():
        attempt = run.ledger.find_attempt(attempt_id)
        if attempt is None or not _may_be_read(run, attempt):
            continue
        found = flights_of(run, lanes, [attempt])
        kept = await run.offload(partial(files.read_reply, attempt_id))
        if found and kept is not None and kept.provider == attempt.provider:
            async with fenced(run, found[0]):
                flights += await _read(run, found[0], kept)
    return flights


def _may_be_read(run: Run, attempt: AttemptRecord) -> bool:
    is_ended = attempt.state in (State.FAILED, State.UNKNOWN)
    return is_ended and run.ledger.status(attempt.row_id) is not Status.SUCCEEDED


async def _read(run: Run, flight: Flight, kept: KeptReply) -> list[Flight]:
    """Do what a kept reply says, if that is more than was known."""
    try:
        outcome = read_without_echoes(
            flight,
            _read_anew(kept.reply),
            lambda reply: _decoded(flight.lane, kept.source, reply),
        )
    except AttemptError as error:
        drop_tracebacks(error)
        attempt_id = flight.attempt.attempt_id
        is_missed = flight.attempt.message == kept_words(kept_files(run), attempt_id)
        if is_missed and isinstance(error, ReplyMalformed | NoImage):
            # A kill came between the file and the ledger: this is the end it missed.
            name_in(error, kept_files(run).name_of(attempt_id))
            hold(run, flight)
            await fail(run, flight, error)
        return []
    except Exception:
        run.log.exception("kept_reply", extra={"attempt": flight.attempt.attempt_id})
        return []
    if isinstance(outcome, Running):
        return []
    run.log.info("kept_reply_read", extra={"attempt": flight.attempt.attempt_id})
    hold(run, flight)
    try:
        if isinstance(outcome, Accepted):
            return [await _accept(run, flight, outcome)]
        links, _, _ = await take(run, flight, outcome)
    except Exception:
        _let_go(run, flight)
        raise
    return [_as_it_stands(run, flight)] if links else []


def _let_go(run: Run, flight: Flight) -> None:
    """Count an attempt as it was before, if its money is held still."""
    if not flight.reservation.is_settled and flight.attempt.at_risk:
        give_back(run, flight)
    elif not flight.reservation.is_settled:
        run.release(flight.reservation)


def _read_anew(reply: Reply) -> Reply:
    """Return a reply whose body is read from its bytes, where they are kept."""
    if reply.whole is None:
        return reply
    body = decode_body(reply.whole.data, reply.headers, BASE64_KEYS)
    return replace(reply, body=body)


def _decoded(
    lane: Lane, source: Source, reply: Reply
) -> Delivered | Accepted | Running:
    if source == "purchase":
        return lane.provider.decode(replace(reply, is_own=lane.is_own))
    if isinstance(lane.provider, TaskProvider):
        outcome = lane.provider.decode_poll(reply, lane.endpoint)
        return Running() if isinstance(outcome, Next) else outcome
    return Running()


async def _accept(run: Run, flight: Flight, accepted: Accepted) -> Flight:
    attempt_id, at = flight.attempt.attempt_id, run.time.now()
    handle = run.scrubber.clean_id(accepted.handle)
    request_id = run.scrubber.clean_id(accepted.request_id or accepted.handle)
    await run.writer.commit(
        lambda ledger: ledger.mark_accepted(attempt_id, handle, request_id, at)
    )
    return replace(_as_it_stands(run, flight), task_id=accepted.handle)


def hold(run: Run, flight: Flight) -> None:
    """Reserve the money of an attempt that is carried on, and count it no more.

    At a price that fell meanwhile less is held: the rest goes on counting.
    """
    attempt, reservation = flight.attempt, flight.reservation
    run.budget.hold(reservation)
    if attempt.at_risk:
        ceiling = attempt.ceiling or 0
        run.progress.at_risk -= ceiling
        held = run.budget.ceiling(reservation.group) or 0
        freed = min(ceiling, held * reservation.images)
        run.budget.commit(-freed, *reservation.scopes)


def _as_it_stands(run: Run, flight: Flight) -> Flight:
    return replace(flight, attempt=run.ledger.attempt(flight.attempt.attempt_id))
