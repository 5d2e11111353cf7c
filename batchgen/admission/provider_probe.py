"""Which purchase, if any, tries whether a provider that gave no answer is back.

What buys nothing is asked first, where nothing else is left to be tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchgen.admission.next_step import may_lose
from batchgen.admission.provider_health import (
    buy_waived,
    record_no_answer,
    record_wait,
    waive,
)
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.provider_stop import stop
from batchgen.admission.run_context import Run
from batchgen.errors import (
    AttemptError,
    NotConnected,
    OutcomeUnknown,
    ProviderDown,
    ProviderStopped,
)
from batchgen.limits import Outage
from batchgen.model import Call, Reply
from batchgen.providers._decoding import message_of
from batchgen.providers._reply_waits import retry_after_s

if TYPE_CHECKING:
    from batchgen.admission.feed import QueuedPart
    from batchgen.runner.progress import Progress

TIMEOUT_S = 20.0
SILENT_TIMES = 5
"""Probes in a row that were sent and got no answer. A server that never answers one may
answer purchases alone: then a purchase is tried [assumed]."""

ALONE_S = 1.0
"""A part that must be sent alone is looked at again after this."""


async def probe_wait_s(
    run: Run, queue: ProviderQueue, queued: QueuedPart
) -> float | None:
    """Say when to ask again for a probe that must not be sent now; None if it may.

    A provider that may fail for all rows is tried with a row that loses nothing.
    """
    breaker = queue.breaker
    if not queue.is_in_doubt:
        return None  # a purchase succeeded meanwhile
    history = queued.history
    # Where only few rows are left, the rows may be at fault and not the provider.
    is_about_few = not queue.may_have_lost_several or breaker.may_be_the_rows
    is_asked = breaker.is_open and is_about_few
    may_be_lost = may_lose(history, run.policy)
    if not history or (may_be_lost and not is_asked):
        return None
    is_risky = not may_be_lost and queue.may_have_lost_several
    if is_risky and (wait_s := _alone_in_s(run.progress, queue)) > 0:
        return wait_s
    is_away = not await probe_provider(run, queue)
    return 0.0 if is_away or queue.stopped is not None or run.gives_up else None


def _alone_in_s(progress: Progress, queue: ProviderQueue) -> float:
    """Return how long a part waits that would end its row if it were lost, too.

    It is sent last, and alone. An answer to a probe does not prove that the outage is
    over.
    """
    if queue.breaker.open():
        progress.notice(
            f"{queue.name} does not answer: rows wait. Each row that is left was sent "
            "once already and got no answer, so they are sent one by one, after longer "
            "waits, until one succeeds"
        )
    left_s = queue.breaker.risk_left_s()
    return left_s or (ALONE_S if queue.in_flight else 0.0)


async def probe_provider(run: Run, queue: ProviderQueue) -> bool:
    """Say whether a request that buys nothing is answered where purchases are sent.

    It is sent only where nothing else is left to be tried, since a gateway in front of
    a dead service may answer. It holds no key, so the answer is usually a refusal, and
    any refusal will do. A gateway's error page and silence are no answers. A wait that
    the answer asks for holds for all requests. Some servers never answer it and still
    sell: one that is silent is probed a few times, one that says that it is down for
    hours.
    """
    if queue.purchase_url is None or queue.breaker.age_s > Outage.PATIENCE_S:
        return True
    call = Call(method="GET", url=queue.purchase_url)
    try:
        reply = await run.wire.send(queue.name, call, reply_timeout_s=TIMEOUT_S)
    except ProviderStopped as error:
        stop(run, queue, error)  # its certificate, or a proxy that refuses
        return False
    except (NotConnected, OutcomeUnknown) as error:
        if isinstance(error, OutcomeUnknown) and queue.unanswered_probes is not None:
            queue.unanswered_probes += 1
            if queue.unanswered_probes > SILENT_TIMES:
                return True
        await _stay_away(run, queue, error)
        return False
    queue.was_reached = True
    queue.unanswered_probes = None
    wait_s = retry_after_s(reply.headers)
    if wait_s:
        message = run.redactor.redact(message_of(reply.body))
        record_wait(run.progress, queue, wait_s, message)
    if _is_away(reply):
        message = f"HTTP {reply.status} also where nothing is bought"
        await _stay_away(run, queue, ProviderDown(queue.name, message))
        return False
    queue.breaker.record_probe_answer()
    return not wait_s


def _is_away(reply: Reply) -> bool:
    """Say whether a gateway answered: 520 to 530 are those of content networks."""
    return reply.status in (502, 503, 504) or 520 <= reply.status <= 530


async def _stay_away(run: Run, queue: ProviderQueue, error: AttemptError) -> None:
    error.message = run.redactor.redact(error.message)
    waived = record_no_answer(run, queue, error)
    if not waived:
        return
    await run.writer.commit(
        lambda ledger: waive(run.rules, ledger, waived),
        then=lambda parts: buy_waived(run, parts),
    )
