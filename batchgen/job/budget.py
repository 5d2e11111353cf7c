"""Read what a job says of budgets beyond that of the whole run folder."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from batchgen.job import values

BUDGET: Mapping[str, values.Reader] = MappingProxyType(
    {"per_day": values.money, "on_day_full": values.choice("stop", "wait")}
)
"""Keys of `[budget]` that are options, too."""

_FIELDS = {"per_day": "max_cost_per_day"}


def field_of(key: str) -> str:
    """Return the name that a key of `[budget]` has in Job, and as an option."""
    return _FIELDS.get(key, key)


def limits(value: object) -> dict[str, Decimal]:
    """Read the budget of a column's values: an amount for each, or a table of them.

    In a table `*` stands for all values that are not named.
    """
    if not isinstance(value, Mapping):
        return {"*": values.money(value)}
    if not value:
        raise ValueError("the table names no value of the column")
    return {name: _limit(name, it) for name, it in value.items()}


def _limit(name: str, value: object) -> Decimal:
    try:
        return values.money(value)
    except ValueError as error:
        raise ValueError(f"`{name}`: {error}") from error
