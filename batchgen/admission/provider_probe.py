"""Ask whether a provider that gave no answer is back, without buying anything."""

from __future__ import annotations

from batchgen.admission.provider_health import (
    buy_excused,
    excuse,
    heed_no_answer,
    heed_wait,
)
from batchgen.admission.provider_queue import Lane
from batchgen.admission.provider_stop import stop
from batchgen.admission.run_context import Run
from batchgen.decoding import message_of
from batchgen.errors import (
    AttemptError,
    NotConnected,
    OutcomeUnknown,
    ProviderDown,
    ProviderStopped,
)
from batchgen.limits import Outage
from batchgen.model import Call, Reply
from batchgen.reply_waits import retry_after_s

TIMEOUT_S = 20.0
SILENT_TIMES = 5
"""Questions in a row that somebody took and left unanswered. Who never answered one may
be a server that answers purchases alone: then one of them is tried [assumed]."""


async def is_there(run: Run, lane: Lane) -> bool:
    """Say whether a question that buys nothing is answered where purchases go.

    Asked only where nothing else is left to be tried: an answer may be that of a
    gateway in front of a dead service. It holds no key, so the answer is a refusal as a
    rule, and any will do: what a gateway says in a provider's place, or silence, are
    none; a wait that it asks for holds up everybody, as any does. Some server may never
    answer it, and yet sell: one that is silent is asked a few times, one that says that
    it is away for hours.
    """
    if lane.counter is None or lane.breaker.age_s > Outage.PATIENCE_S:
        return True
    call = Call(method="GET", url=lane.counter)
    try:
        reply = await run.wire.send(lane.name, call, reply_timeout_s=TIMEOUT_S)
    except ProviderStopped as error:
        stop(run, lane, error)  # its certificate, or a proxy that refuses
        return False
    except (NotConnected, OutcomeUnknown) as error:
        if isinstance(error, OutcomeUnknown) and lane.silences is not None:
            lane.silences += 1
            if lane.silences > SILENT_TIMES:
                return True
        await _stay_away(run, lane, error)
        return False
    lane.was_reached = True
    lane.silences = None
    wait_s = retry_after_s(reply.headers)
    if wait_s:
        words = run.scrubber.clean(message_of(reply.body))
        heed_wait(run.progress, lane, wait_s, words)
    if _is_away(reply):
        words = f"HTTP {reply.status} also where nothing is bought"
        await _stay_away(run, lane, ProviderDown(lane.name, words))
        return False
    lane.breaker.questions_are_answered()
    return not wait_s


def _is_away(reply: Reply) -> bool:
    """Say whether a gateway answered: 520 to 530 are those of content networks."""
    return reply.status in (502, 503, 504) or 520 <= reply.status <= 530


async def _stay_away(run: Run, lane: Lane, error: AttemptError) -> None:
    error.message = run.scrubber.clean(error.message)
    excused = heed_no_answer(run, lane, error)
    if not excused:
        return
    await run.writer.commit(
        lambda ledger: excuse(run.rules, ledger, excused),
        then=lambda parts: buy_excused(run, parts),
    )
