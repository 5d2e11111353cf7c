"""Which types of Parquet columns polars supports, and what others become."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import available_timezones

import pyarrow as pa

UTC = "UTC"
_NOWHERE = ("Factory", "localtime", "posixrules")
"""Names in the list of time zones that are no zones."""


def supported_type(kind: pa.DataType) -> pa.DataType | None:
    """Return the type in which polars accepts a column; None if there is none.

    The type decides, without a try: for an unsupported type polars panics, and Rust
    writes a backtrace to the terminal even if the error is caught.
    """
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return supported_type(kind.storage_type)
    if types.is_nested(kind):
        return _nested(kind)
    if types.is_dictionary(kind):
        return kind if supported_type(kind.value_type) == kind.value_type else None
    return _plain(kind)


def _plain(kind: pa.DataType) -> pa.DataType | None:
    types = pa.types
    if types.is_decimal256(kind):
        return pa.string()  # exact, however many digits there are
    if types.is_decimal(kind):
        return pa.decimal128(kind.precision, kind.scale)
    if types.is_float16(kind):
        return pa.float32()
    if types.is_timestamp(kind) and not _is_known_zone(kind.tz):
        return pa.timestamp(kind.unit, UTC)  # the same moment
    return kind if _is_plain(kind) else None


def changes_meaning(kind: pa.DataType) -> bool:
    """Tell whether the values of a column look different after its conversion."""
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return changes_meaning(kind.storage_type)
    if types.is_dictionary(kind):
        return changes_meaning(kind.value_type)
    if types.is_nested(kind):
        children = range(kind.num_fields)
        return any(changes_meaning(kind.field(index).type) for index in children)
    is_unknown = types.is_timestamp(kind) and not _is_known_zone(kind.tz)
    return is_unknown or types.is_decimal256(kind)


def _nested(kind: pa.DataType) -> pa.DataType | None:
    fields = [kind.field(index) for index in range(kind.num_fields)]
    parts = [supported_type(field.type) for field in fields]
    is_ambiguous = len({field.name for field in fields}) < len(fields)
    if not parts or None in parts or is_ambiguous:
        return None
    if parts == [field.type for field in fields]:
        return kind if _is_known_nesting(kind) else None
    return _rebuilt(
        kind, dict(zip([field.name for field in fields], parts, strict=True))
    )


def _rebuilt(
    kind: pa.DataType, parts: Mapping[str, pa.DataType | None]
) -> pa.DataType | None:
    """Return a nested type with the types of its parts replaced."""
    types = pa.types
    first = next(iter(parts.values()))
    if types.is_struct(kind):
        return pa.struct(list(parts.items()))
    if types.is_fixed_size_list(kind):
        return pa.list_(first, kind.list_size)
    if types.is_large_list(kind):
        return pa.large_list(first)
    return pa.list_(first) if types.is_list(kind) else None


def _is_known_nesting(kind: pa.DataType) -> bool:
    types = pa.types
    is_list = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    return any(test(kind) for test in (*is_list, types.is_struct, types.is_map))


def _is_plain(kind: pa.DataType) -> bool:
    types = pa.types
    is_view = str(kind) in ("string_view", "binary_view")
    return is_view or any(
        test(kind)
        for test in (
            *(types.is_null, types.is_boolean, types.is_integer, types.is_floating),
            *(types.is_string, types.is_large_string, types.is_binary),
            *(types.is_large_binary, types.is_fixed_size_binary),
            *(types.is_date, types.is_time, types.is_timestamp, types.is_duration),
        )
    )


def _is_known_zone(zone: str | None) -> bool:
    # Only by IANA names: an offset such as +05:30 is not one of them.
    if zone is None or zone == UTC:
        return True
    return zone in available_timezones() and zone not in _NOWHERE
