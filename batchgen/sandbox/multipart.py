"""Read multipart forms, more strictly than web frameworks do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file in a form.

    Attributes:
        media_type: Of the part's own header; empty without one.
    """

    file_name: str
    media_type: str
    data: bytes = field(repr=False)

    def as_record(self) -> dict[str, Any]:
        """Return a description that distinguishes parts, without their bytes."""
        return {
            "file_name": self.file_name,
            "media_type": self.media_type or None,
            "size_bytes": len(self.data),
            "sha256": hashlib.sha256(self.data).hexdigest(),
        }


def read_form(content_type: str, raw: bytes) -> list[tuple[str, str | Part]]:
    """Return the fields of a form in their order.

    Raises:
        ValueError: Not a complete form of named fields with UTF-8 text.
    """
    media_type, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if media_type != b"multipart/form-data" or not boundary:
        raise ValueError(f"no multipart/form-data with a boundary: {content_type!r}")
    # The parser itself would accept a form that is cut off.
    if not raw.rstrip(b"\r\n").endswith(b"--" + boundary + b"--"):
        raise ValueError("the last boundary is missing")
    collector = _Collector()
    parser = MultipartParser(boundary, collector.callbacks())
    try:
        parser.write(raw)
        parser.finalize()
    except MultipartParseError as error:
        raise ValueError(str(error)) from error
    return collector.fields


class _Collector:
    """Collect the fields from the parser's callbacks."""

    def __init__(self) -> None:
        self.fields: list[tuple[str, str | Part]] = []
        self._headers: dict[str, str] = {}
        self._name = self._value = b""
        self._data = bytearray()

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._part_data,
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._headers = {}
        self._data = bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.decode().lower()] = self._value.decode()
        self._name = self._value = b""

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]

    def _end(self) -> None:
        kind, options = parse_options_header(self._headers.get("content-disposition"))
        if kind != b"form-data" or not options.get(b"name"):
            raise ValueError("a part has no name")
        self.fields.append((options[b"name"].decode(), self._value_of(options)))

    def _value_of(self, options: Mapping[bytes, bytes]) -> str | Part:
        if b"filename" not in options:
            return self._data.decode()
        return Part(
            file_name=options[b"filename"].decode(),
            media_type=self._headers.get("content-type", ""),
            data=bytes(self._data),
        )
