"""Limits that are learned by trying: begun, and remembered in the run folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from math import inf
from typing import TYPE_CHECKING

from batchgen.ledger import Reader
from batchgen.limits import MAX_CONCURRENCY, AimdLimit, ConcurrencyLimiter, RateLimiter
from batchgen.model import Terms
from batchgen.providers.base import Defaults

if TYPE_CHECKING:
    from batchgen.admission.provider_queue import ProviderQueue
    from batchgen.admission.run_context import Run


def max_concurrency_of(terms: Terms, defaults: Defaults) -> int:
    """Return how many purchases at a time a provider may have in a run at most."""
    if terms.concurrency == "auto":
        return MAX_CONCURRENCY
    return terms.concurrency or defaults.concurrency


def limiters_of(
    terms: Terms,
    defaults: Defaults,
    stored: object,
    clock: Callable[[], float],
    max_purchases: int | None = None,
) -> tuple[RateLimiter, ConcurrencyLimiter]:
    """Return how a provider is to be asked: as the job says, or to be learned.

    Args:
        terms: What the job says; `auto` begins with the provider's defaults.
        defaults: What holds where it says nothing.
        stored: What `remember_limits` wrote in an earlier process.
        clock: Monotonic seconds.
        max_purchases: At a time, for which there are sockets; None for all.
    """
    dumps = json.loads(stored) if isinstance(stored, str) else {}

    def aimd_limit(
        name: str, start: float, max_value: float, *, is_rate: bool
    ) -> AimdLimit:
        if name in dumps:
            return AimdLimit.load(dumps[name], max_value, is_rate=is_rate)
        return AimdLimit(start, max_value, is_rate=is_rate)

    end = max_concurrency_of(terms, defaults)
    if max_purchases is not None:
        end = min(end, max_purchases)
    concurrency: int | AimdLimit = end
    if terms.concurrency == "auto":
        start = min(defaults.concurrency, end)
        concurrency = aimd_limit("concurrency", start, end, is_rate=False)
    rpm, stated_rpm = AimdLimit(inf, is_rate=True), defaults.rpm
    if terms.rpm == "auto":
        rpm, stated_rpm = aimd_limit("rpm", stated_rpm or inf, inf, is_rate=True), None
    elif terms.rpm:
        stated_rpm = terms.rpm
    rate_limiter = RateLimiter(stated_rpm, clock, counts=True)
    return rate_limiter, ConcurrencyLimiter(
        rate_limiter, concurrency, rpm, clock, remembers_rate=terms.rpm == "auto"
    )


def describe_learned_limits(ledger: Reader) -> Iterator[str]:
    """Yield a line for each provider whose limits were learned."""
    for provider, text in ledger.meta.all_found_limits():
        limits = {key: AimdLimit.load(dump) for key, dump in json.loads(text).items()}
        parts = [f"{key} {limit.value:.0f}" for key, limit in limits.items()]
        if parts:
            yield f"found for {provider}: {', '.join(parts)}"


async def remember_limits(run: Run, queue: ProviderQueue) -> None:
    """Write down what was learned, so that a restart begins there."""
    dumps = {
        name: aimd_limit.dump()
        for name, aimd_limit in queue.limiter.aimd_limits.items()
    }
    text = json.dumps({name: dump for name, dump in dumps.items() if dump is not None})
    address = (queue.name, queue.endpoint.base_url)
    if dumps and run.ledger.meta.found_limits(*address) != text:
        await run.writer.commit(
            lambda ledger: ledger.meta.set_found_limits(*address, text)
        )
