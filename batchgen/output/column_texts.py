"""The values of a table's column as text, for files that have no types of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from math import isfinite
from typing import Any, TypeAlias

import pyarrow as pa

Texts: TypeAlias = list[str | None]

_escaped = json.encoder.encode_basestring


def is_text(kind: pa.DataType) -> bool:
    """Say whether a column has text."""
    return bool(pa.types.is_large_string(kind) or pa.types.is_string(kind))


def is_binary(kind: pa.DataType) -> bool:
    """Say whether a column has bytes, such as those of an image."""
    types = pa.types
    return bool(types.is_large_binary(kind) or types.is_binary(kind))


def is_number(kind: pa.DataType) -> bool:
    """Say whether a column has numbers."""
    types = pa.types
    numbers = types.is_integer, types.is_floating, types.is_decimal
    return any(is_kind(kind) for is_kind in numbers)


def texts_of(column: pa.Array) -> Texts:
    """Return the values of a column as text; None where there is none.

    Amounts have all their digits and no exponent, times are ISO 8601 in UTC. Bytes are
    only counted: no table of text can hold them in a readable way.
    """
    if pa.types.is_timestamp(column.type):
        return _times(column)
    text = _text_function(column.type)
    return [None if value is None else text(value) for value in column.to_pylist()]


def _text_function(kind: pa.DataType) -> Callable[[Any], str]:
    """Return what makes text of a value."""
    if pa.types.is_decimal(kind):
        return plain_decimal
    if pa.types.is_nested(kind):
        return _nested_json
    if pa.types.is_boolean(kind):
        return lambda value: str(value).lower()
    return _byte_count if is_binary(kind) else str


def _byte_count(value: bytes) -> str:
    return f"({len(value):,} bytes)"


def json_of(column: pa.Array) -> list[str]:
    """Return the values of a column as JSON; numbers have all their digits."""
    kind = column.type
    if pa.types.is_nested(kind):
        return [
            "null" if value is None else _nested_json(value)
            for value in column.to_pylist()
        ]
    texts = texts_of(column)
    if pa.types.is_floating(kind):
        return [_json_float(text) for text in texts]
    if is_number(kind) or pa.types.is_boolean(kind):
        return ["null" if text is None else text for text in texts]
    return ["null" if text is None else _escaped(text) for text in texts]


def plain_decimal(value: Decimal) -> str:
    """Return a decimal with all its digits, without an exponent or zeros at its end."""
    return f"{value.normalize():f}"


def file_names(column: pa.Array) -> Texts:
    """Return the names of each row's files, parted as references are."""
    return [
        " | ".join(file["name"] for file in files) or None
        for files in column.to_pylist()
    ]


def _times(column: pa.Array) -> Texts:
    # Without their zone Arrow keeps them in UTC, and needs no table of time zones.
    is_aware = column.type.tz is not None
    plain = column.cast(pa.timestamp(column.type.unit)).cast(pa.large_string())
    end = "Z" if is_aware else ""
    return [
        None if text is None else f"{text.replace(' ', 'T')}{end}"
        for text in plain.to_pylist()
    ]


def _json_float(text: str | None) -> str:
    if text is None:
        return "null"
    return text if isfinite(float(text)) else f'"{text}"'


def _nested_json(value: object) -> str:
    try:
        return json.dumps(
            value, ensure_ascii=False, allow_nan=False, default=_inner_text
        )
    except ValueError:  # JSON has no word for what is no number
        return _nested_json(_without_infinity(value))


def _without_infinity(value: Any) -> Any:
    match value:
        case dict():
            return {name: _without_infinity(each) for name, each in value.items()}
        case list():
            return [_without_infinity(each) for each in value]
        case float() if not isfinite(value):
            return str(value)
        case _:
            return value


def _inner_text(value: object) -> str:
    return _byte_count(value) if isinstance(value, bytes) else str(value)
