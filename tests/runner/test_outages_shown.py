"""How long a provider has not answered, as displays and messages see it."""

from __future__ import annotations

from typing import Any, cast

from batchgen.admission.provider_queue import ProviderQueue
from batchgen.limits import AimdLimit, CircuitBreaker, ConcurrencyLimiter, RateLimiter
from batchgen.providers.aimlapi import AimlApi
from batchgen.providers.base import Endpoint
from batchgen.runner.progress import outages_of

NOTHING = cast(Any, None)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_outage_lasts_from_the_first_loss_to_the_next_success() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(60, clock, counts=True)
    limiter = ConcurrencyLimiter(rate_limiter, 4, AimdLimit(60.0, is_rate=True), clock)
    endpoint = Endpoint("http://127.0.0.1:1", "key")
    queue = ProviderQueue(AimlApi(), endpoint, rate_limiter, limiter, NOTHING)
    queue.breaker = CircuitBreaker(clock)
    assert outages_of([queue]) == {}

    for row in range(CircuitBreaker.TRIP):
        queue.breaker.record_loss(row, row, clock.now)
    clock.now += 660

    assert outages_of([queue]) == {"aimlapi": 660.0}
    queue.breaker.record_success(clock.now)
    assert outages_of([queue]) == {}
