"""The money of a row's attempts: cost, basis, and money at risk."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from batchgen.ledger.records import basis_of, is_at_risk
from batchgen.model import Basis, to_usd

_WEAKEST_LAST = tuple(Basis)

ChargedAttempt = tuple[str, str | None, int | None, int, int | None, int]
"""State, charge, cost, uncertain cost beyond that, ceiling and count of an attempt."""

MONEY_FIELDS = slice(1, 7)
"""Of an attempt's columns in `result_lines`."""


class RowMoney(NamedTuple):
    """The money of a row's result."""

    attempts: int
    cost_usd: Decimal | None
    cost_basis: Basis
    at_risk_usd: Decimal | None
    at_risk_attempts: int


@lru_cache(maxsize=4096)
def money_of(attempts: tuple[ChargedAttempt, ...]) -> RowMoney:
    """Return the money of a row's attempts; cached, since most rows are alike.

    Money at risk is not part of the cost: the table's sum is spent for certain. If all
    of it is at risk the cost is unknown, and never 0. The basis is the weakest. The
    uncertain part of a delivery's price is at risk, too.
    """
    risky: list[int | None] = []
    uncertain = 0
    charged: list[tuple[Basis, int | None]] = []
    for state, charge, cost, more, ceiling, _ in attempts:
        if is_at_risk(state, charge):
            risky.append(ceiling)
        else:
            uncertain += more
        basis = basis_of(charge, is_priced=cost is not None)
        if basis is not Basis.NONE:
            charged.append((basis, cost))
    bases = [basis for basis, _ in charged]
    weakest = max(bases, key=_WEAKEST_LAST.index, default=Basis.NONE)
    is_unknown = bool(risky) and not charged
    return RowMoney(
        attempts=sum(counts for *_, counts in attempts),
        cost_usd=None if is_unknown else _sum([cost for _, cost in charged]),
        cost_basis=Basis.UNKNOWN if is_unknown else weakest,
        at_risk_usd=_sum([*risky, uncertain]),
        at_risk_attempts=len(risky),
    )


def _sum(amounts: Sequence[int | None]) -> Decimal | None:
    total = 0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return usd_of(total)


@lru_cache(maxsize=4096)
def usd_of(nano: int | None) -> Decimal | None:
    """Return nano-dollars as US dollars; None if unknown."""
    return None if nano is None else to_usd(nano)
