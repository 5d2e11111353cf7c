"""Feed a provider: take its parts from the queue, and start the admitted ones."""

from __future__ import annotations

from contextlib import closing

from batchgen.admission.feed import Feed, QueuedPart
from batchgen.admission.learned_limits import remember_limits
from batchgen.admission.permit import Denial, Drop, Halt, Later, Permit, request
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.provider_stop import stop
from batchgen.admission.reference_uploads import References
from batchgen.admission.row_changes import RUN_WIDE_ERRORS, fail_by_fault
from batchgen.admission.run_context import Run
from batchgen.attempts.purchase import buy
from batchgen.budget import Budget
from batchgen.errors import (
    BudgetReached,
    DayFull,
    NearlyAllFailed,
    SpecError,
    StorageError,
)
from batchgen.limits import Failures
from batchgen.runner.progress import Progress


async def feed_queue(run: Run, queue: ProviderQueue, references: References) -> None:
    """Buy all parts that are planned for a provider, until they end or it must stop.

    An error that concerns all providers ends the run. A full budget of a column's value
    does not: it is noted in the run.
    """
    try:
        try:
            with closing(Feed(run, queue, references)) as feed:
                await _feed(run, queue, feed)
            if queue.task_error is not None and queue.stopped is None:
                stop(run, queue, queue.task_error)  # no later purchase has disproved it
        finally:
            await remember_limits(run, queue)
    except (BudgetReached, SpecError, StorageError) as error:
        # If the writer failed, it cancels everything itself. Otherwise attempts in
        # flight can still finish.
        run.end(error)
    else:
        if run.gives_up:
            run.end(NearlyAllFailed(_few_succeed(run.failures)))


async def _feed(run: Run, queue: ProviderQueue, feed: Feed) -> None:
    while (queued := await feed.next()) is not None:
        try:
            answer = await request(run, queue, queued)
        except RUN_WIDE_ERRORS:
            raise
        except Exception as fault:
            run.log.exception("row_fault", extra={"row": queued.part.row_id})
            await fail_by_fault(run, queue, queued.part.row_id, fault)
            continue
        if isinstance(answer, Permit):
            run.tasks.start_soon(buy, run, answer)
        elif isinstance(answer, Halt):
            break
        else:
            await _park(run, queue, feed, queued, answer)
    run.full_column_values |= feed.scan.full_column_values()


async def _park(
    run: Run, queue: ProviderQueue, feed: Feed, queued: QueuedPart, denial: Denial
) -> None:
    """Queue a part again for the time when the cause of its refusal may be over."""
    match denial:
        case Later(too_much=reservation) if reservation is not None:
            feed.scan.close(
                queued.planned.row.budget_group or "", reservation, queued.part
            )
        case Later(day=full) if full is not None:
            feed.put_back(queued.part)
            await _sleep_over(run.budget, run.progress, full)
        case Later(wait_s=wait_s):
            queue.retries.add(queued.part, wait_s)
        case Drop() | Halt():
            pass


async def _sleep_over(budget: Budget, progress: Progress, full: DayFull) -> None:
    """Wait for the next UTC day; attempts in flight go on."""
    progress.notify_once(f"the day's budget is reached, waiting: {full}")
    progress.phase = "waiting"
    await budget.next_day()
    # A cancellation does not get here: then the phase is `stopping`.
    progress.phase = "running"


def _few_succeed(failures: Failures) -> str:
    count, over = failures.count, failures.OVER
    return (
        f"{count} of the last {over} rows were refused or failed for their own sake, "
        "so nothing more is bought: look at `error` and `message` in the table and "
        "mend the job, or say `max_failures = false` in the job file"
    )
