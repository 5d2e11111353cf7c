"""How large budgets must be for what is left to buy, as a run folder remembers it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Self

from batchgen.ledger import Reader
from batchgen.ledger.estimate import EVERY_ROW, estimate_of
from batchgen.ledger.outstanding import highest_price_factor
from batchgen.model import to_nano


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredBudget:
    """How large budgets must be, in nano-dollars; None for one that is large enough.

    Attributes:
        run: In the run folder, all its runs together.
        day: For what is sent today, if all that is left were.
        by: By column and value, those that are too small.
    """

    run: int | None = None
    day: int | None = None
    by: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.run is not None or self.day is not None or bool(self.by)

    @classmethod
    def load(cls, text: object) -> Self:
        """Read what `dump` wrote, or the budgets themselves; nothing if not a text."""
        return cls(**json.loads(text)) if isinstance(text, str) else cls()

    def dump(self) -> str:
        """Write them as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


def last_required_budget(ledger: Reader) -> RequiredBudget:
    """Return what the budgets need that stopped the last run; nothing if none did."""
    return RequiredBudget.load(ledger.meta.budget_needed)


def required_after_retry(ledger: Reader) -> RequiredBudget:
    """Return what the run's budget needs once rows are to be tried again.

    Where no job is at hand the plan's estimates stand for prices, raised by as much as
    ceilings were above them so far.
    """
    limit = RequiredBudget.load(ledger.meta.limits).run
    noted = last_required_budget(ledger)
    if limit is None:
        return noted
    money = ledger.money()
    used = money.spent + money.superseded + money.at_risk
    remaining_usd = estimate_of(ledger, EVERY_ROW, ledger.generation).usd
    factor = Decimal(highest_price_factor(ledger) or 1)
    required = max(used + to_nano(remaining_usd * factor), noted.run or 0)
    return replace(noted, run=required if required > limit else noted.run)
