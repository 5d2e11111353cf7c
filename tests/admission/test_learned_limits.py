"""Where a limit that is to be found begins: at the defaults, or where it was found."""

from __future__ import annotations

import json

import anyio
import pytest

from batchgen.admission.learned_limits import limiters_of
from batchgen.limits import MAX_CONCURRENCY, AimdLimit, ConcurrencyLimiter
from batchgen.model import Terms
from batchgen.providers.base import Defaults
from tests.virtual import live_through

DEFAULTS = Defaults(
    base_url=None,
    model="acme-1",
    rpm=None,
    concurrency=16,
    reply_timeout_s=60,
    source="a test",
)
AUTO = Terms(concurrency="auto", rpm="auto")


def refused(start: float, limit: float) -> str:
    aimd_limit = AimdLimit(start)
    aimd_limit.record_refusal(limit, sent_at=1.0, now=2.0)
    text = aimd_limit.dump()
    assert text is not None
    return text


def limiter(terms: Terms, learnt: object = None) -> ConcurrencyLimiter:
    return limiters_of(terms, DEFAULTS, learnt, lambda: 0.0)[1]


@pytest.mark.parametrize(
    ("terms", "slots"),
    [
        pytest.param(Terms(), 16, id="the-providers"),
        pytest.param(Terms(concurrency=3), 3, id="the-jobs"),
        pytest.param(AUTO, 16, id="to-be-found"),
    ],
)
def test_it_begins_with_what_is_known(terms: Terms, slots: int) -> None:
    assert limiter(terms).slots == slots


def test_what_was_found_is_where_it_begins() -> None:
    learnt = json.dumps({"concurrency": refused(16, 10)})

    assert limiter(AUTO, learnt).slots == 9
    assert limiter(Terms(concurrency=3), learnt).slots == 3


def test_what_was_found_is_never_taken_beyond_the_end() -> None:
    learnt = json.dumps({"concurrency": refused(10_000, 9_000)})

    assert limiter(AUTO, learnt).slots == MAX_CONCURRENCY


def test_a_rate_that_was_found_is_kept_from_the_first_departure_on() -> None:
    learnt = json.dumps({"rpm": refused(100, 67)})

    async def work() -> None:
        rate_limiter, _ = limiters_of(AUTO, DEFAULTS, learnt, anyio.current_time)
        began = anyio.current_time()
        for _ in range(61):
            await rate_limiter.grant()
            rate_limiter.record_sent(anyio.current_time())

        assert anyio.current_time() - began >= 60

    live_through(work)
