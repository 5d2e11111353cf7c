"""Read a text with a prompt in each line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType

import polars as pl

from batchgen.errors import SpecError
from batchgen.manifest.table_source import SLICE_BYTES, Batch
from batchgen.manifest.text_elements import Element, filled_lines
from batchgen.manifest.text_file import TextFile
from batchgen.manifest.wording import shown


class LineSource:
    """A list of prompts: each line that is not blank is a row."""

    unreadable: Mapping[str, str] = MappingProxyType({})
    dropped: frozenset[str] = frozenset()

    def __init__(self, text: TextFile, header: str | None = None) -> None:
        """Look whether there are prompts.

        Args:
            text: The file.
            header: The column's name, if the first line is that.

        Raises:
            SpecError: there are none.
        """
        self.path = text.path
        self._text = text
        self._has_header = header is not None
        self._name = header or "prompt"
        self.names: tuple[str, ...] = (self._name,)
        end = "the first line is its name" if header else "there is no header"
        self.notices = (
            f"{shown(text.path)}: each line is read as a prompt, in the column "
            f"`{self._name}`; {end}",
        )
        if next(self.batches(1), None) is None:
            raise SpecError(f"{shown(text.path)}: the file has no prompts")

    def empty(self) -> pl.DataFrame:
        return pl.DataFrame(schema={self._name: pl.String})

    def batches(self, size: int) -> Iterator[Batch]:
        lines = islice(filled_lines(self._text), int(self._has_header), None)
        while chunk := list(islice(_until_full(lines), size)):
            prompts = [self._decoded(element) for element in chunk]
            frame = pl.DataFrame({self._name: prompts}, schema={self._name: pl.String})
            yield Batch(frame, [element.line for element in chunk])

    def _decoded(self, element: Element) -> str:
        try:
            return element.content.decode().strip()
        except UnicodeDecodeError as error:
            raise SpecError(
                f"{shown(self.path)}, line {element.line}: not UTF-8; save it so, or "
                "say its encoding with --encoding NAME"
            ) from error


def _until_full(lines: Iterator[Element]) -> Iterator[Element]:
    size = 0
    for element in lines:
        yield element
        size += len(element.content)
        if size >= SLICE_BYTES:
            return
