"""Probe whether a provider that gave no answer is back, without buying anything."""

from __future__ import annotations

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

TIMEOUT_S = 20.0
SILENT_TIMES = 5
"""Probes in a row that were sent and got no answer. A server that never answers one may
answer purchases alone: then a purchase is tried [assumed]."""


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
