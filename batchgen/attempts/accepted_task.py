"""An accepted task: written down, polled to its end, and its images downloaded."""

from __future__ import annotations

from dataclasses import replace

import anyio

from batchgen.admission.run_context import AttemptContext, Run
from batchgen.attempts.deliver import deliver
from batchgen.attempts.finish import fail, leave_at_risk, leave_open
from batchgen.attempts.polling import Poller
from batchgen.errors import AttemptError, ProviderStopped, TaskOverdue
from batchgen.ledger import Ledger
from batchgen.model import Accepted, Delivered
from batchgen.wire import MemoryLease


async def accept(
    run: Run,
    context: AttemptContext,
    accepted: Accepted,
    lease: MemoryLease,
    *,
    is_first: bool,
) -> None:
    """Write an accepted task down, and follow it.

    Args:
        run: The run.
        context: The attempt.
        accepted: What the provider named.
        lease: Memory of images in the replies.
        is_first: Whether nothing has worked with this model before.
    """
    attempt_id, at = context.attempt.attempt_id, run.time.now()
    # This run polls with the handle itself; the ledger gets it without a key.
    handle = run.redactor.redact_id(accepted.handle)
    request_id = run.redactor.redact_id(accepted.request_id or accepted.handle)

    def step(ledger: Ledger) -> None:
        ledger.mark_accepted(attempt_id, handle, request_id, at)
        if is_first:
            context.queue.proof.record(ledger, context.attempt.model)

    await run.writer.commit(step)
    fields = {"attempt": attempt_id, "task": handle}
    if request_id != handle:
        fields["request"] = request_id
    run.log.info("accepted", extra=fields)
    lease.shrink(0)
    context = replace(context, task_id=accepted.handle)
    await follow_and_fetch(run, context, accepted.estimate_s, lease)


async def follow_and_fetch(
    run: Run, context: AttemptContext, estimate_s: float | None, lease: MemoryLease
) -> None:
    """Poll a task to its end and download its images; frees the slot.

    When the run stops, the task stays in the ledger for the next run.

    Args:
        run: The run.
        context: The attempt with the task.
        estimate_s: When the provider expects it to end.
        lease: Memory of images in the replies, until they are stored.
    """
    delivered = None
    with run.cut_short():
        try:
            delivered = await follow(run, context, estimate_s, lease)
        except ProviderStopped as error:
            await leave_open(run, context, error)
            return
        except AttemptError as error:
            await fail(run, context, error)
            return
        finally:
            context.free_slot()
    if delivered is None:
        leave_at_risk(run, context)
    else:
        await deliver(run, context, delivered, lease)


async def follow(
    run: Run, context: AttemptContext, estimate_s: float | None, lease: MemoryLease
) -> Delivered:
    """Poll until the task delivers; an outage does not count against its deadline.

    The lease covers images in the replies.

    Raises:
        TaskOverdue: it is past its deadline; later runs poll it again.
        ProviderStopped: the key is refused; the task stays accepted.
        AttemptError: the task ended without images.
    """
    task_id = context.task_id or ""
    poller = Poller(run, context, task_id, lease)
    schedule = poller.schedule
    began = run.time.monotonic()
    wait = context.queue.pace.first_s(schedule, estimate_s)
    polls = 0
    while True:
        await anyio.sleep(wait)
        outcome = await poller.ask()
        age_s = run.time.monotonic() - began - poller.silent_s
        if isinstance(outcome, Delivered):
            context.queue.pace.learn(age_s)
            return outcome
        if age_s > schedule.deadline_s:
            hours = schedule.deadline_s / 3600
            raise TaskOverdue(
                context.queue.name, f"task {task_id} runs for {hours:g} h"
            )
        wait = context.queue.pace.every_s(schedule, polls)
        polls += 1
