"""The lines of a text, or the elements of a JSON list, each with its first line."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from batchgen.errors import SpecError
from batchgen.manifest.csv_dialect import LINE_LIMIT
from batchgen.manifest.text_file import MARK, TextFile
from batchgen.manifest.wording import shown

_BLOCK_BYTES = 1 << 20
_GAP = re.compile(r"[\s,]*")
_decode = json.JSONDecoder(parse_float=str, parse_int=str).raw_decode


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a file.

    Attributes:
        line: Where it begins, from 1.
        content: As it is written.
    """

    line: int
    content: bytes


def filled_lines(text: TextFile) -> Iterator[Element]:
    """Yield the lines of a file that are not blank.

    Raises:
        SpecError: a line is too long, or not in the encoding of the file.
    """
    number = 0
    try:
        with text.open() as file:
            while raw := file.readline(LINE_LIMIT):
                number += 1
                if len(raw) == LINE_LIMIT:
                    raise _error(text, number, f"longer than {LINE_LIMIT:,} bytes")
                line = raw.removeprefix(MARK) if number == 1 else raw
                if not line.isspace() and line:
                    yield Element(number, line)
    except UnicodeDecodeError as error:
        raise _not_decodable(text, number + 1, error) from error


def elements(text: TextFile) -> Iterator[Element]:
    """Yield the elements of a JSON list, or of several values after one another.

    Only one element is in memory at a time, however long the list is.

    Raises:
        SpecError: it is no list of objects, or breaks off.
    """
    return _Scanner(text).scan()


class _Scanner:
    """Finds the ends of elements in a text that is read in blocks."""

    def __init__(self, text: TextFile) -> None:
        self._text = text
        self._buffer = ""
        self._at = 0
        self._line = 1
        self._is_list = False

    def scan(self) -> Iterator[Element]:
        with self._text.open() as file:
            self._blocks = self._decoded(iter(lambda: file.read(_BLOCK_BYTES), b""))
            self._skip_gap()
            self._is_list = self._buffer.startswith("[", self._at)
            self._at += self._is_list
            while self._skip_gap() and not self._ends_here():
                yield self._next()

    def _decoded(self, blocks: Iterator[bytes]) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        try:
            for block in blocks:
                yield decoder.decode(block)
            yield decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise _not_decodable(self._text, self._line, error) from error

    def _skip_gap(self) -> bool:
        """Go to the next character of an element; False if there is none."""
        while True:
            gap = _GAP.match(self._buffer, self._at)
            end = self._at if gap is None else gap.end()
            self._line += self._buffer.count("\n", self._at, end)
            self._at = end
            if self._at < len(self._buffer):
                return True
            if not self._read_more():
                if self._is_list:
                    raise _error(self._text, self._line, "the list is not closed: ]")
                return False

    def _ends_here(self) -> bool:
        return self._is_list and self._buffer[self._at] == "]"

    def _next(self) -> Element:
        if self._buffer[self._at] != "{":
            raise self._no_object()
        while True:
            try:
                _, end = _decode(self._buffer, self._at)
                break
            except json.JSONDecodeError as error:
                if not self._may_be_cut(error) or not self._read_more():
                    line = self._line + self._buffer.count("\n", self._at, error.pos)
                    raise _error(
                        self._text, line, f"no valid JSON: {error.msg}"
                    ) from error
            except RecursionError as error:
                raise _error(self._text, self._line, "nested too deeply") from error
        part = self._buffer[self._at : end]
        element = Element(self._line, part.encode("utf-8", "surrogatepass"))
        self._line += part.count("\n")
        self._at = end
        return element

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        """Tell whether the rest of the element may only not be read yet."""
        size = len(self._buffer)
        is_at_end = error.msg.startswith("Unterminated") or error.pos > size - 16
        return is_at_end and size - self._at < LINE_LIMIT

    def _read_more(self) -> bool:
        """Append to the buffer; as much again as there is, so that few tries fail."""
        needed = max(_BLOCK_BYTES, len(self._buffer) - self._at)
        parts = [self._buffer[self._at :]]
        while needed > 0 and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            needed -= len(block) or 1
        self._buffer, self._at = "".join(parts), 0
        return len(parts) > 1

    def _no_object(self) -> SpecError:
        return _error(
            self._text,
            self._line,
            "a list of objects is needed, such as "
            '[{"id": "1", "prompt": "a cup"}, {"id": "2", "prompt": "a mug"}]',
        )


def _error(text: TextFile, line: int, message: str) -> SpecError:
    return SpecError(f"{shown(text.path)}, line {line}: {message}")


def _not_decodable(text: TextFile, line: int, error: UnicodeDecodeError) -> SpecError:
    message = f"not {text.encoding}: {error.reason}; say --encoding NAME"
    return _error(text, line, message)
