"""Ask a task for its links again; asking buys nothing."""

from __future__ import annotations

from batchgen.admission.run_context import AttemptContext, Run, stopped
from batchgen.attempts.polling import SURE_AFTER, Poller
from batchgen.errors import AttemptError, Incomplete, LinkLost, ProviderStopped
from batchgen.model import Blob, Delivered, Link, Running
from batchgen.providers.base import TaskProvider


async def fresh_links(
    run: Run, context: AttemptContext, *, sure_after: int = SURE_AFTER
) -> dict[int, Link]:
    """Return links by the number of their image; none where there is no task.

    Args:
        run: The run.
        context: The attempt whose links do not download.
        sure_after: How many replies without links are believed.

    Raises:
        LinkLost: the task has no links any more; its charge stays.
        Incomplete: it gives none now; a later run asks again.
        ProviderStopped: the key is refused.
    """
    task_id, queue = context.task_id, context.queue
    if task_id is None or not isinstance(queue.provider, TaskProvider):
        return {}
    with run.wire.lease() as lease:
        return await _fresh(
            run, context, Poller(run, context, task_id, lease), sure_after
        )


async def _fresh(
    run: Run, context: AttemptContext, poller: Poller, sure_after: int
) -> dict[int, Link]:
    queue = context.queue
    try:
        outcome = await _ask(run, poller)
        answers = int(poller.was_answered)
        while not isinstance(outcome, Delivered) and answers < sure_after:
            await run.pause(poller.schedule.every_s)
            outcome = await _ask(run, poller)
            answers += poller.was_answered
    except (Incomplete, ProviderStopped):
        raise
    except AttemptError as error:
        message = f"the link no longer downloads, and its task: {error.message}"
        raise LinkLost(queue.name, message) from error
    if not isinstance(outcome, Delivered):
        raise Incomplete(queue.name, "the link no longer downloads; no other came yet")
    if poller.is_partial:
        return {}  # the replies do not say which of the images these are
    # As in `deliver`, the last ones count if there are more than requested.
    surplus = max(0, len(outcome.images) - context.part.images)
    images = zip(context.part.span, outcome.images[surplus:], strict=False)
    return {image: link for image, link in images if not isinstance(link, Blob)}


async def _ask(run: Run, poller: Poller) -> Delivered | Running:
    """Poll a task once; raises as `Run.pause` does, too."""
    with run.cut_short():
        return await poller.ask()
    raise stopped()
