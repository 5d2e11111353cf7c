"""Carry on attempts that an earlier process left unfinished; this buys nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace

import anyio

from batchgen.admission.next_step import Part
from batchgen.admission.permit import Presence
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.run_context import AttemptContext, Run
from batchgen.attempts.accepted_task import follow_and_fetch
from batchgen.attempts.deliver import deliver
from batchgen.attempts.fetch import fetch
from batchgen.attempts.finish import fail, fenced, leave_at_risk, leave_open
from batchgen.attempts.polling import Poller
from batchgen.budget import Reservation, column_values_of, day_of
from batchgen.errors import (
    AttemptError,
    Charge,
    ProviderStopped,
)
from batchgen.ledger import (
    AttemptRecord,
    Charged,
    Reader,
)
from batchgen.model import Delivered, PriceKey, Running, State, Status

QueuesByAddress = Mapping[tuple[str, str], ProviderQueue]
"""Where attempts can be asked for, by provider and base URL."""

SPREAD_S = 3.0
"""First polls after a restart are spread over this time: there may be thousands."""

MAX_RETRIED_ROUNDS = 3
"""Rounds in which links are tried that were lost before."""


def contexts_of(
    ledger: Reader,
    queues: QueuesByAddress,
    attempts: Sequence[AttemptRecord],
) -> list[AttemptContext]:
    """Return attempts that can be carried on; no money is reserved for them yet.

    Args:
        ledger: Has their rows.
        queues: Where they can be asked for.
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


async def poll_overdue(
    run: Run, contexts: Sequence[AttemptContext]
) -> list[AttemptContext]:
    """Poll overdue tasks before their rows are bought again.

    Returns:
        The other attempts: nothing is bought for their rows until they end.
    """
    overdue = [context for context in contexts if _is_polled_first(run.ledger, context)]
    async with anyio.create_task_group() as tasks:
        for context in overdue:
            tasks.start_soon(_carry_on, run, context)
    return [context for context in contexts if context not in overdue]


def _is_polled_first(ledger: Reader, context: AttemptContext) -> bool:
    is_pending = ledger.status(context.part.row_id) is Status.PENDING
    is_overdue = context.attempt.state is State.OVERDUE
    return is_overdue and is_pending and context.planned is not None


def carry_on(run: Run, contexts: Sequence[AttemptContext]) -> None:
    """Start all attempts; first polls are spread over `SPREAD_S`, oldest first."""
    for number, context in enumerate(contexts):
        presence = Presence(run, context.queue)
        presence.arrive(with_slot=_is_polled(context))
        context = replace(context, presence=presence)
        delay_s = SPREAD_S * number / len(contexts)
        run.tasks.start_soon(_carry_on, run, context, delay_s)


def _is_polled(context: AttemptContext) -> bool:
    """Say whether a task is polled until it ends."""
    is_other = context.attempt.state in (State.DELIVERED, State.OVERDUE)
    return not is_other and context.planned is not None


async def _carry_on(run: Run, context: AttemptContext, delay_s: float = 0.0) -> None:
    presence = context.presence
    with nullcontext() if presence is None else closing(presence):
        async with fenced(run, context):
            if context.attempt.state is State.DELIVERED:
                await _download_again(run, context)
            elif _is_polled(context):
                await anyio.sleep(delay_s)
                with run.wire.lease() as lease:
                    await follow_and_fetch(run, context, 0.0, lease)
            else:
                await _poll_once(run, context)


async def _download_again(run: Run, context: AttemptContext) -> None:
    attempt, row = context.attempt, run.ledger.row(context.part.row_id)
    # These links were tried for minutes before, and a new purchase waits for them.
    is_retried = attempt.attempt_id <= row.tries_from or row.status is Status.FAILED
    rounds = MAX_RETRIED_ROUNDS if is_retried else None
    links = run.ledger.links(attempt.attempt_id)
    await fetch(run, context, links, charged_for(attempt), rounds=rounds)


def charged_for(attempt: AttemptRecord) -> Charged:
    """Return the charge of a delivered attempt, as the ledger has it."""
    kind = attempt.charge or Charge.UNKNOWN
    return Charged(kind, attempt.cost, attempt.uncertain)


async def _poll_once(run: Run, context: AttemptContext) -> None:
    """Poll a task that is overdue, or whose row was removed or edited since."""
    outcome: Delivered | Running = Running()
    with run.wire.lease() as lease:
        try:
            with run.cut_short():
                outcome = await Poller(run, context, context.task_id or "", lease).ask()
        except ProviderStopped as error:
            await leave_open(run, context, error)
        except AttemptError as error:
            await fail(run, context, error)
        else:
            if isinstance(outcome, Running):
                leave_at_risk(run, context)
            else:
                await deliver(run, context, outcome, lease)
