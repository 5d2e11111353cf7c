"""JSON as Google's services read it: the same document can be written in many ways.

Source: protobuf.dev, programming guide "ProtoJSON Format", read 2026-11-30. A field
has its lowerCamelCase name or the name in the .proto file, `null` means an absent
field, a whole number may be written with a fraction of zero, and bytes are base64 of
either alphabet, with padding or without. That enum names may be in upper or lower case
is assumed: no page says so, but Google's examples write `Image` and `minimal`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from batchgen.sandbox.reference_images import standard_base64
from batchgen.sandbox.shapes import ListOf, Number, Object, Shape, Text

_UNDERSCORE = re.compile(r"_([a-z0-9])")


class Base64Text(Text):
    """Bytes, as base64."""


class EnumText(Text):
    """A name of an enum; its choices are in upper case."""


def canonical_object(
    shape: Object, document: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return an object in one spelling, and a line for each field that occurs twice.

    Fields that are not in the shape keep their names, so that an error message names
    them as the client wrote them.
    """
    problems: list[str] = []
    canonical: dict[str, Any] = _read_object(shape, document, "", problems)
    return canonical, problems


def _read(shape: Shape | None, value: Any, where: str, problems: list[str]) -> Any:
    reader = _READERS.get(type(shape))
    return value if reader is None else reader(shape, value, where, problems)


def _read_object(shape: Object, value: Any, where: str, problems: list[str]) -> Any:
    if not isinstance(value, dict):
        return value
    fields: dict[str, Any] = {}
    for written, item in value.items():
        camel = _UNDERSCORE.sub(lambda match: match[1].upper(), written)
        name = camel if camel in shape.fields else written
        if item is None and name in shape.fields:
            continue
        if name in fields:
            problems.append(f"'{where}{written}': stands twice, in two spellings")
        fields[name] = _read(shape.fields.get(name), item, f"{where}{name}.", problems)
    return fields


def _read_list(shape: ListOf, value: Any, where: str, problems: list[str]) -> Any:
    if not isinstance(value, list):
        return value
    return [_read(shape.item, item, where, problems) for item in value]


def _read_number(shape: Number, value: Any, _where: str, _problems: list[str]) -> Any:
    is_whole = shape.whole and isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value


def _read_bytes(_shape: Text, value: Any, _where: str, _problems: list[str]) -> Any:
    return standard_base64(value) if isinstance(value, str) else value


def _read_enum(_shape: Text, value: Any, _where: str, _problems: list[str]) -> Any:
    return value.upper() if isinstance(value, str) else value


_READERS: Mapping[type, Callable[..., Any]] = MappingProxyType(
    {
        Object: _read_object,
        ListOf: _read_list,
        Number: _read_number,
        Base64Text: _read_bytes,
        EnumText: _read_enum,
    }
)
