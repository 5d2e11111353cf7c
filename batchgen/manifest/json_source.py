"""Read JSON Lines, or a JSON list of objects, in batches of text columns.

Each value becomes text: numbers as they are written, lists and objects as JSON. So the
columns have the same type in every batch, though JSON declares none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from types import MappingProxyType

import msgspec
import polars as pl

from batchgen.errors import SpecError
from batchgen.manifest.table_source import SLICE_BYTES, Batch
from batchgen.manifest.text_elements import Element, elements, filled_lines
from batchgen.manifest.text_file import TextFile
from batchgen.manifest.wording import shown

Object = dict[str, msgspec.Raw]

_read_object = msgspec.json.Decoder(Object).decode
_read_text = msgspec.json.Decoder(str).decode
_MAX_COLUMNS = 10_000
_NO_NUMBER = re.compile(rb"[:\[,]\s*-?(NaN|Infinity)\s*[,}\]]")
_INNER_ROWS = re.compile(rb"\[\s*\{")


class JsonSource:
    """A file of JSON objects; a key that any of them has is a column."""

    unreadable: Mapping[str, str] = MappingProxyType({})
    dropped: frozenset[str] = frozenset()
    notices: tuple[str, ...] = ()

    def __init__(
        self, text: TextFile, expected: Collection[str] = (), *, has_lines: bool
    ) -> None:
        """Read all keys.

        Args:
            text: The file.
            expected: Names that the objects must have.
            has_lines: Whether each line is an object; else the file is a list.

        Raises:
            SpecError: it is something else, has no rows, or has them within an object.
        """
        self.path = text.path
        self._text = text
        self._has_lines = has_lines
        status = text.path.stat()
        state = status.st_mtime_ns, status.st_size, status.st_ino
        self.names = _names(text, has_lines, state)
        if not {*expected} & {*self.names}:
            self._refuse_inner_rows(is_sure=bool(expected))

    def _refuse_inner_rows(self, *, is_sure: bool) -> None:
        """Refuse a single object of which one key holds a list of objects.

        Programs give their rows so: `{"products": [...]}`.

        Args:
            is_sure: Whether the object is known to be no row; else it must have
                nothing but the list.
        """
        first = [*islice(_rows(self._text, has_lines=self._has_lines), 2)]
        if len(first) != 1 or (len(self.names) > 1 and not is_sure):
            return
        row = first[0][1]
        lists = [name for name in row if _INNER_ROWS.match(bytes(row[name]))]
        if len(lists) == 1:
            raise SpecError(
                f"{shown(self.path)}: it is one object, whose rows stand in the list "
                f"`{lists[0]}`: give that list alone, as "
                f"`jq '.\"{lists[0]}\"'` writes it"
            )

    def empty(self) -> pl.DataFrame:
        return pl.DataFrame(schema=dict.fromkeys(self.names, pl.String))

    def batches(self, size: int) -> Iterator[Batch]:
        rows = _rows(self._text, has_lines=self._has_lines)
        while chunk := list(islice(_until_full(rows), size)):
            yield self._batch(chunk)

    def _batch(self, chunk: list[tuple[int, Object]]) -> Batch:
        columns = {
            name: [_text(row.get(name)) for _, row in chunk] for name in self.names
        }
        frame = pl.DataFrame(columns, schema=dict.fromkeys(self.names, pl.String))
        return Batch(frame, [line for line, _ in chunk])


def _rows(text: TextFile, *, has_lines: bool) -> Iterator[tuple[int, Object]]:
    """Yield the objects of a file, each with its line."""
    parts = filled_lines(text) if has_lines else elements(text)
    for position, element in enumerate(parts):
        try:
            yield element.line, _read_object(element.content)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _broken(text, position, element, error) from error


# A run opens its table twice, and to read a long one takes a second or two.
@lru_cache(maxsize=8)
def _names(text: TextFile, has_lines: bool, _: tuple[int, ...]) -> tuple[str, ...]:  # noqa: FBT001
    """Return all keys of the objects in a file.

    Args:
        text: The file.
        has_lines: Whether each line is an object.
        _: State of the file; after a change it is read again.
    """
    names: dict[str, None] = {}
    for _line, row in _rows(text, has_lines=has_lines):
        if not row.keys() <= names.keys():
            names.update(dict.fromkeys(row))
            if len(names) > _MAX_COLUMNS:
                raise SpecError(
                    f"{shown(text.path)}: its objects have more than {_MAX_COLUMNS:,} "
                    "different keys: give each row the same keys"
                )
    if not names:
        raise SpecError(
            f"{shown(text.path)}: it holds no rows: write objects such as {_EXAMPLE}"
        )
    return tuple(names)


def _broken(
    text: TextFile, position: int, element: Element, error: Exception
) -> SpecError:
    if isinstance(error, msgspec.ValidationError):
        reason = f"an object is needed, such as {_EXAMPLE} ({error})"
    else:
        reason = f"no valid JSON: {error}"
        if _NO_NUMBER.search(element.content):
            reason += "; JSON has no NaN and no Infinity: write null in their place"
    return SpecError(
        f"{shown(text.path)}, row {position}, line {element.line}: {reason}"
    )


_EXAMPLE = '{"id": "1", "prompt": "a cup"}'


def _text(raw: msgspec.Raw | None) -> str | None:
    """Return a value as text, None for an empty one."""
    content = b"" if raw is None else bytes(raw)
    if content[:1] == b'"':
        return _read_text(content) or None
    return None if content in (b"", b"null") else content.decode()


def _until_full(
    rows: Iterator[tuple[int, Object]],
) -> Iterator[tuple[int, Object]]:
    size = 0
    for line, row in rows:
        yield line, row
        size += sum(len(memoryview(raw)) for raw in row.values())
        if size >= SLICE_BYTES:
            return
