"""Compute from a run's purchases its course over time, and its failures."""

from __future__ import annotations

import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import accumulate

from batchgen.ledger import Reader
from batchgen.model import PurchaseRow, ResultRow, Status, to_nano
from batchgen.runner.row_causes import UNSUCCESSFUL

MAX_STEPS = 120
_MINUTE, _HOUR = 60, 3600
STEPS_S = (
    *(1, 2, 5, 10, 15, 30),
    *(number * _MINUTE for number in (1, 2, 5, 10, 15, 30)),
    *(number * _HOUR for number in (1, 2, 3, 6, 12, 24, 48, 96, 168)),
)
_MAX_MESSAGES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Purchases and money over time, in steps of equal length.

    Attributes:
        purchases: How many were sent within each step.
        spent: Nano-dollars that were charged for certain by the end of each step.
    """

    start: datetime
    step_s: int
    purchases: Sequence[int]
    spent: Sequence[int]

    def per_minute(self) -> list[float]:
        """Return the rate of purchases within each step."""
        return [count * _MINUTE / self.step_s for count in self.purchases]

    def moments(self) -> list[datetime]:
        """Return when each step ends."""
        return [
            self.start + timedelta(seconds=self.step_s * (index + 1))
            for index in range(len(self.purchases))
        ]


@dataclass(slots=True)
class FailureKind:
    """Purchases and rows that failed in one way.

    Attributes:
        rows: How many ended by it.
        purchases: How many ended by it, also those after which another one succeeded.
        charged: US dollars that such purchases cost for certain.
        messages: Messages, and how often each came.
    """

    rows: int = 0
    purchases: int = 0
    charged: Decimal = Decimal(0)
    at_risk: Decimal = Decimal(0)
    messages: Counter[str] = field(default_factory=Counter)

    def add_message(self, message: str | None) -> None:
        """Count a message, unless there are too many different ones already."""
        if message and (message in self.messages or len(self.messages) < _MAX_MESSAGES):
            self.messages[message] += 1


class TimelineBuilder:
    """Collects purchases in a few bytes of memory for each."""

    def __init__(self) -> None:
        self._sent_s = array("d")
        self._paid_s = array("d")
        self._paid = array("q")
        self.causes: defaultdict[str, FailureKind] = defaultdict(FailureKind)

    def add_row(self, row: ResultRow) -> None:
        """Count a row that did not succeed."""
        if row.status in UNSUCCESSFUL and row.error is not None:
            cause = self.causes[row.error]
            cause.rows += 1
            if row.status is Status.INVALID:  # the message is batchgen's own
                cause.add_message(row.message)

    def add(self, purchase: PurchaseRow) -> None:
        """Count one purchase."""
        self._sent_s.append(purchase.sent_at.timestamp())
        if purchase.cost_usd:
            self._paid_s.append((purchase.ended_at or purchase.sent_at).timestamp())
            self._paid.append(to_nano(purchase.cost_usd))
        if purchase.error is not None:
            cause = self.causes[purchase.error]
            cause.purchases += 1
            cause.charged += purchase.cost_usd or 0
            cause.at_risk += purchase.at_risk_usd or 0
            cause.add_message(purchase.message)

    def timeline(self) -> Timeline | None:
        """Return the timeline; None if nothing was ever sent."""
        if not self._sent_s:
            return None
        first, last = min(self._sent_s), max((*self._sent_s, *self._paid_s))
        span_s = last - first
        step_s = next(
            (step_s for step_s in STEPS_S if span_s < step_s * MAX_STEPS), STEPS_S[-1]
        )
        start_s = int(first // step_s * step_s)
        count = int((last - start_s) // step_s) + 1
        purchases, paid = [0] * count, [0] * count
        for at in self._sent_s:
            purchases[int((at - start_s) // step_s)] += 1
        for at, cost in zip(self._paid_s, self._paid, strict=True):
            paid[int((at - start_s) // step_s)] += cost
        return Timeline(
            start=datetime.fromtimestamp(start_s, UTC),
            step_s=step_s,
            purchases=purchases,
            spent=list(accumulate(paid)),
        )


def rate_of(ledger: Reader, providers: Iterable[str]) -> float | None:
    """Return the allowed purchases a minute; None if that is unknown."""
    rates: dict[str, float | None] = json.loads(ledger.meta.rates or "{}")
    limits = [rates.get(provider) for provider in providers]
    known_limits = [limit for limit in limits if limit is not None]
    if not limits or len(known_limits) < len(limits):
        return None
    return sum(known_limits)
