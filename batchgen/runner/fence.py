"""A fence around each row's own work: an unexpected fault there ends that row alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from batchgen.errors import (
    BudgetReached,
    Charge,
    Internal,
    SpecError,
    StorageError,
)
from batchgen.ledger import Ledger
from batchgen.model import State, Status
from batchgen.runner.context import Flight, Run
from batchgen.runner.decide import Settled
from batchgen.runner.finish import fail, give_back
from batchgen.runner.lane import Lane
from batchgen.runner.rows import RowChange, change_row
from batchgen.runner.verdict import was_useless
from batchgen.tracebacks import drop_tracebacks

EVERYBODYS = (StorageError, SpecError, BudgetReached)
"""What is raised on purpose, and is about the whole run."""

MOST_WORDS = 300


@asynccontextmanager
async def fenced(
    run: Run, flight: Flight, was_sent: Callable[[], bool] = lambda: True
) -> AsyncIterator[None]:
    """End the row of an attempt by any unexpected fault within, and go on.

    Its money is accounted for, and nothing that was paid for is given up: a task that
    was accepted, and links that were delivered, are asked for by the next run.

    Args:
        run: The run.
        flight: The attempt.
        was_sent: Says whether its request may have left.

    Raises:
        StorageError, SpecError, BudgetReached: from within, since they are about all.
    """
    try:
        yield
    except EVERYBODYS:
        raise
    except Exception as fault:
        extra = {"attempt": flight.attempt.attempt_id}
        run.log.exception("row_fault", extra=extra)
        drop_tracebacks(fault)
        charge = Charge.UNKNOWN if was_sent() else Charge.NONE
        await _end(run, flight, Internal(flight.lane.name, fault_words(fault), charge))


def fault_words(fault: Exception) -> str:
    """Say what happened, in words that a report of the fault can quote."""
    text = " ".join(f"{type(fault).__name__}: {fault}".split())
    return f"unexpected {text[:MOST_WORDS]}; run.log has the details"


async def _end(run: Run, flight: Flight, error: Internal) -> None:
    flight.free_slot()
    state = run.ledger.attempt(flight.attempt.attempt_id).state
    if state is State.SENT:
        await fail(run, flight, error)
        return
    if state in (State.ACCEPTED, State.OVERDUE) and not flight.reservation.is_settled:
        give_back(run, flight)
    was_useless(run, flight, error)
    if state in (State.ACCEPTED, State.OVERDUE, State.DELIVERED):
        await fail_row(run, flight.part.row_id, error)
    run.wake()


async def fail_row(run: Run, row_id: int, error: Internal) -> None:
    """Let a row that waits or is held end as failed; no attempt of it changes."""
    end = Settled(Status.FAILED, error.kind, run.scrubber.clean(error.message))

    def step(ledger: Ledger) -> RowChange | None:
        is_open = ledger.status(row_id) in (Status.PENDING, Status.HELD)
        if not is_open or not ledger.is_planned(row_id):
            return None
        return change_row(ledger, run.job, row_id, end)

    await run.writer.commit(step, then=run.record)


async def fail_by_fault(run: Run, lane: Lane, row_id: int, fault: Exception) -> None:
    """End a row by an unexpected fault before anything of it was sent."""
    await fail_row(run, row_id, Internal(lane.name, fault_words(fault), Charge.NONE))
