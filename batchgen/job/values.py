"""Types of values that settings take, the same for job files, options and Python code.

Readers raise ValueError with the raw value and a valid one; the caller adds the place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from batchgen.job.declaration import Reader, ValueType
from batchgen.job.money import MAX_USD, read_amount
from batchgen.manifest.cell_values import read_ratio, read_resolution
from batchgen.model import RESOLUTIONS
from batchgen.output.table_formats import FORMATS, PARQUET, read_formats

Schema = Mapping[str, Any]

_MAX_INTEGER = 1_000_000_000


def read_text(value: object) -> str:
    """Read text that is not blank."""
    match value:
        case str() if value.strip():
            return value
        case str():
            raise ValueError("it is empty: write a text, or leave it out")
        case dict() | list():
            raise ValueError(
                f"{value_text(value)} is not a text: write one text in quotes"
            )
        case _:
            raise ValueError(f"{value_text(value)} is not a text: put it in quotes")


def _read_template(value: object) -> str:
    if isinstance(value, str) and not value.strip():
        raise ValueError(
            "it is empty: write a template such as 'Photo of {{ title }}', or leave it "
            "out, and the column `prompt` is sent"
        )
    return read_text(value)


def _read_file_name(value: object) -> str:
    if isinstance(value, str) and not value.strip():
        raise ValueError(
            "it is empty: write a template such as '{{ brand }}/{{ sku }}', or leave "
            "it out, and images are named after the id"
        )
    return read_text(value)


def _read_path(value: object) -> Path:
    return value if isinstance(value, Path) else Path(read_text(value))


def _read_table(value: object) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise ValueError(f"{value_text(value)} is not a table")


def _read_names(value: object) -> list[object]:
    """Read a list, or text separated by commas."""
    parts = value if isinstance(value, list | tuple) else read_text(value).split(",")
    return [part.strip() if isinstance(part, str) else part for part in parts]


_EVENTS = ("end", "budget", "outage")


def _read_events(value: object) -> tuple[str, ...]:
    names = _read_names(value)
    for name in names:
        if name not in _EVENTS:
            raise ValueError(f"{value_text(name)} is none of {', '.join(_EVENTS)}")
    return tuple(name for name in _EVENTS if name in names)


def _read_bool(value: object) -> bool:
    if value is True or value is False:
        return value
    raise ValueError(f"{value_text(value)} is neither true nor false")


def value_type_of(python_type: Any) -> ValueType:
    """Return the type of true or false, or of the words of a Literal."""
    return BOOL if python_type is bool else _choice(get_args(python_type))


def _choice(names: tuple[str, ...]) -> ValueType:
    def read(value: object) -> str:
        if value not in names:
            raise ValueError(f"{value_text(value)} is none of {', '.join(names)}")
        return str(value)

    description = " or ".join(f'`"{name}"`' for name in names)
    return ValueType(read, {"enum": list(names)}, description)


def whole(minimum: int, maximum: int = _MAX_INTEGER, unit: str = "") -> ValueType:
    """Return a type of whole numbers.

    Args:
        minimum: The smallest.
        maximum: The largest; the default only excludes obvious mistakes.
        unit: What is counted, for the page of the job file.
    """

    def read(value: object) -> int:
        number = read_number(value)
        if number != number.to_integral_value():
            raise ValueError(f"{value_text(value)} is not a whole number")
        if not minimum <= number <= maximum:
            raise ValueError(
                f"{value_text(value)} is not from {minimum:,} to {maximum:,}"
            )
        return int(number)

    schema = {"type": "integer", "minimum": minimum, "maximum": maximum}
    if maximum < _MAX_INTEGER:
        description = f"{minimum:,} to {maximum:,}"
    else:
        description = "whole number" if minimum == 1 else f"{minimum:,} or more"
    return ValueType(read, schema, f"{description} {unit}".strip())


def or_auto(plain: ValueType) -> ValueType:
    """Return a type that also takes the word `auto`."""

    def read(value: object) -> Any:
        if value == "auto":
            return value
        try:
            return plain.read(value)
        except ValueError as error:
            raise ValueError(f'{error}; or write "auto"') from error

    schema = any_of(plain.schema, {"const": "auto"})
    return ValueType(read, schema, f'{plain.description}, or `"auto"`')


def _numbers(minimum: str, maximum: int, unit: str) -> ValueType:
    """Return a type of numbers with a unit, which may be fractions."""
    description = f"{minimum} to {maximum:,} {unit}"

    def read(value: object) -> float:
        number = read_number(value)
        if not Decimal(minimum) <= number <= maximum:
            raise ValueError(f"{value_text(value)} is not from {description}")
        return float(number)

    schema = {"type": "number", "minimum": float(minimum), "maximum": maximum}
    return ValueType(read, schema, description)


def _or_false(plain: ValueType) -> ValueType:
    """Return a type that also takes false, which is read as None."""
    return ValueType(
        lambda value: None if value is False else plain.read(value),
        any_of(plain.schema, {"const": False}),
        plain.description,
    )


def read_money(value: object) -> Decimal:
    """Read US dollars: a number, or text that spells one, to the nano-dollar."""
    amount = read_amount(value) if isinstance(value, str) else read_number(value)
    if not 0 <= amount <= MAX_USD:
        raise ValueError(f"{value_text(value)} is not from 0 to {MAX_USD:,} US dollars")
    if amount != amount.quantize(Decimal("1e-9")):
        raise ValueError(f"{value_text(value)} has more than nine decimals")
    return amount


def read_number(value: object) -> Decimal:
    """Read a finite number."""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        # Converted through text: 0.1 means 0.1, not the nearest binary fraction.
        number = Decimal(str(value))
        if number.is_finite():
            return number
    hint = "write it in digits, without quotes"
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", value):
        hint = f"write {value.strip()} without quotes"
    raise ValueError(f"{value_text(value)} is not a number: {hint}")


def value_text(value: object) -> str:
    """Return a raw value for a message, the first characters of a long one."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return repr(value[:60])
        case dict():
            return "a table"
        case list():
            return "a list"
        case _:
            return str(value)[:60]


def _stripped(read: Callable[[str], str]) -> Reader:
    return lambda value: read(read_text(value).strip())


def any_of(*schemas: Schema) -> Schema:
    """Return the schema of a value that one of some schemas allows."""
    return {"anyOf": list(schemas)}


_TEXT_SCHEMA: Schema = MappingProxyType({"type": "string", "pattern": r"\S"})

TEXT = ValueType(read_text, _TEXT_SCHEMA, "text")
TEMPLATE = ValueType(_read_template, _TEXT_SCHEMA, "text")
FILE_NAME = ValueType(_read_file_name, _TEXT_SCHEMA, "text")
PATH = ValueType(_read_path, _TEXT_SCHEMA, "path")
TABLE = ValueType(_read_table, {"type": "object"}, "table")
NAMES = ValueType(
    _read_names,
    any_of(_TEXT_SCHEMA, {"type": "array", "items": _TEXT_SCHEMA, "minItems": 1}),
    "text or list",
)
TABLE_FORMATS = ValueType(
    read_formats,
    any_of(
        _TEXT_SCHEMA,
        {"type": "array", "items": {"enum": [*FORMATS, PARQUET]}, "minItems": 1},
    ),
    '`"csv"`, `"xlsx"`, `"jsonl"`, or a list',
)
NOTIFY_EVENTS = ValueType(
    _read_events,
    any_of(
        _TEXT_SCHEMA,
        {"type": "array", "items": {"enum": [*_EVENTS]}, "minItems": 1},
    ),
    'list of `"end"`, `"budget"`, `"outage"`',
)
BOOL = ValueType(_read_bool, {"type": "boolean"}, "true or false")
RATE = _numbers("0.001", 1_000_000, "a minute")
SECONDS = _numbers("0", 86_400, "seconds")
MINUTES = _numbers("1", 1440, "minutes")
SHARE = _or_false(_numbers("0.02", 1, "(or false)"))
MONEY = ValueType(
    read_money,
    any_of(
        {"type": "number", "minimum": 0, "maximum": MAX_USD},
        {"type": "string", "pattern": r"^\s*[+]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"},
    ),
    "amount",
)
RATIO = ValueType(
    _stripped(read_ratio),
    {"type": "string", "pattern": r"^\s*(\d{1,4}\s*:\s*\d{1,4}|[A-Za-z_]+)\s*$"},
    '`"W:H"` or `"auto"`',
)
RESOLUTION = ValueType(
    _stripped(read_resolution),
    {"type": "string", "pattern": r"^\s*(512([pP][xX])?|0\.5[kK]|[124][kK])\s*$"},
    ", ".join(f'`"{name}"`' for name in RESOLUTIONS),
)
