"""How fast one provider may be asked, and when it is better not to ask."""

from batchgen.limits.departures import SLOW_S, WINDOW_S, Departures
from batchgen.limits.failures import Failures
from batchgen.limits.finder import Finder
from batchgen.limits.outage import Breaker, Outage, Verdict
from batchgen.limits.pacing import MOST_AT_ONCE, SILENT_S, Pacing
from batchgen.limits.rate_search import Use
from batchgen.limits.reply_times import BESIDE_S, ReplyTimes
from batchgen.limits.verdicts import ROWS_AT_FIRST, ROWS_LATER, Refusal, Verdicts

__all__ = [
    "BESIDE_S",
    "MOST_AT_ONCE",
    "ROWS_AT_FIRST",
    "ROWS_LATER",
    "SILENT_S",
    "SLOW_S",
    "WINDOW_S",
    "Breaker",
    "Departures",
    "Failures",
    "Finder",
    "Outage",
    "Pacing",
    "Refusal",
    "ReplyTimes",
    "Use",
    "Verdict",
    "Verdicts",
]
