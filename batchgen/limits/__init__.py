"""How fast one provider may be asked, and when it is better not to ask."""

from batchgen.limits.aimd_limit import AimdLimit
from batchgen.limits.circuit_breaker import CircuitBreaker, Outage, Verdict
from batchgen.limits.concurrency_limiter import (
    MAX_CONCURRENCY,
    SILENT_S,
    ConcurrencyLimiter,
)
from batchgen.limits.rate_limiter import SLOW_S, WINDOW_S, RateLimiter
from batchgen.limits.rate_search import Load
from batchgen.limits.reply_times import BESIDE_S, ReplyTimes
from batchgen.limits.verdicts import (
    ROWS_AT_FIRST,
    ROWS_LATER,
    Failures,
    Refusal,
    Verdicts,
)

__all__ = [
    "BESIDE_S",
    "MAX_CONCURRENCY",
    "ROWS_AT_FIRST",
    "ROWS_LATER",
    "SILENT_S",
    "SLOW_S",
    "WINDOW_S",
    "AimdLimit",
    "CircuitBreaker",
    "ConcurrencyLimiter",
    "Failures",
    "Load",
    "Outage",
    "RateLimiter",
    "Refusal",
    "ReplyTimes",
    "Verdict",
    "Verdicts",
]
