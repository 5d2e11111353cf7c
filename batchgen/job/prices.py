"""Types of the settings that state prices, and dollars for a provider's units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from batchgen.job.declaration import ValueType
from batchgen.job.money import MAX_USD
from batchgen.job.names import check_names
from batchgen.job.values import (
    MONEY,
    RESOLUTION,
    TEXT,
    any_of,
    read_money,
    read_number,
    read_text,
    value_text,
)
from batchgen.manifest.cell_values import read_resolution
from batchgen.model import Price

_AMOUNTS = ("expected", "ceiling")
_PRICED_BY = ("model", "service_tier", "quality", "thinking_level")
PRICE_KEYS = ("resolution", *_PRICED_BY, "per_reference", "per_search", *_AMOUNTS)
"""What a rule under `[[prices.NAME]]` may state."""


def read_price(value: object) -> Price:
    """Read a price: an amount, or a table of `expected` and `ceiling`."""
    if not isinstance(value, Mapping):
        return Price.agreed(read_money(value), "")
    check_names(value, _AMOUNTS, "key")
    if "expected" not in value:
        raise ValueError("the table has no `expected`")
    expected = read_money(value["expected"])
    ceiling = read_money(value.get("ceiling", expected))
    if ceiling < expected:
        raise ValueError(f"the ceiling {ceiling} is below the expected {expected}")
    return Price(expected=expected, ceiling=ceiling, page="", is_agreed=True)


def read_price_rule(value: object) -> Price:
    """Read a price and the purchases to which it applies; a missing key means all."""
    match value:
        case Mapping():
            pass
        case _:
            raise ValueError(f"{value_text(value)} is no table")
    check_names(value, PRICE_KEYS, "key")
    price = read_price({name: value[name] for name in _AMOUNTS if name in value})
    conditions = {
        name: frozenset({read_text(value[name])})
        for name in _PRICED_BY
        if name in value
    }
    return replace(
        price,
        resolution=read_resolution(read_text(value["resolution"]))
        if "resolution" in value
        else None,
        models=conditions.get("model", frozenset()),
        tiers=_as_in_price_keys(conditions.get("service_tier", frozenset()), "default"),
        qualities=_as_in_price_keys(conditions.get("quality", frozenset()), "auto"),
        thinking=conditions.get("thinking_level", frozenset()),
        per_reference=read_money(value.get("per_reference", 0)),
        per_search=read_money(value.get("per_search", 0)),
    )


def _as_in_price_keys(names: frozenset[str], usual: str) -> frozenset[str | None]:
    """Return names as a PriceKey has them: the usual one is None."""
    return frozenset(None if name == usual else name for name in names)


def read_limits(value: object) -> dict[str, Decimal]:
    """Read the budgets of a column's values: one amount for each, or a table.

    In a table `*` stands for all other values.
    """
    if not isinstance(value, Mapping):
        return {"*": read_money(value)}
    if not value:
        raise ValueError("the table names no value of the column")
    return {name: _entry(read_money, name, limit) for name, limit in value.items()}


def _read_unit_value(value: object) -> Decimal:
    """Read the value of a unit in US dollars, with all its decimals."""
    amount = read_number(value)
    if not (amount == 0 or Decimal("1e-18") <= amount <= MAX_USD):
        raise ValueError(f"{value_text(value)} is not from 0 to {MAX_USD:,} US dollars")
    return amount


def _read_rates(value: object) -> dict[str, Decimal]:
    match value:
        case Mapping():
            return {
                unit: _entry(_read_unit_value, unit, usd) for unit, usd in value.items()
            }
        case _:
            example = "{ credit = 0.01 }"
            raise ValueError(
                f"{value_text(value)} is no table of units, like {example}"
            )


def _entry(read: Callable[[object], Decimal], name: str, value: object) -> Decimal:
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"`{name}`: {error}") from error


def _table(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": ["expected"],
        "additionalProperties": False,
    }


_AMOUNTS_SCHEMA = MappingProxyType(dict.fromkeys(_AMOUNTS, MONEY.schema))
_UNIT_VALUE_SCHEMA = MappingProxyType(
    {"type": "number", "minimum": 0, "maximum": MAX_USD}
)

PRICE = ValueType(
    read_price,
    any_of(MONEY.schema, _table(_AMOUNTS_SCHEMA)),
    "amount, or `{ expected = 0.05, ceiling = 0.06 }`",
)
PRICE_RULE = ValueType(
    read_price_rule,
    _table(
        {"resolution": RESOLUTION.schema}
        | dict.fromkeys(_PRICED_BY, TEXT.schema)
        | dict.fromkeys(("per_reference", "per_search"), MONEY.schema)
        | _AMOUNTS_SCHEMA
    ),
    "table",
)
LIMITS = ValueType(
    read_limits,
    any_of(
        MONEY.schema,
        {"type": "object", "minProperties": 1, "additionalProperties": MONEY.schema},
    ),
    "table",
)
UNIT_VALUE = ValueType(_read_unit_value, _UNIT_VALUE_SCHEMA, "amount")
RATES = ValueType(
    _read_rates,
    {"type": "object", "additionalProperties": _UNIT_VALUE_SCHEMA},
    "table",
)
