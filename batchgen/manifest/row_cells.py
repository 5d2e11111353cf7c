"""The cells of one row, and the first thing that is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from batchgen.manifest.cell_values import text_of
from batchgen.manifest.embedded import ImageStore, references_of, user_reference
from batchgen.manifest.reference_cell import (
    IsFile,
    split_by_bars,
    split_references,
)
from batchgen.manifest.row import Problem

T = TypeVar("T")


@dataclass(slots=True)
class RowCells:
    """Reads the cells of one row, and keeps the first problem.

    Attributes:
        names: The manifest's name of each standard column.
        reference_column: The column that has the references of this row.
    """

    names: Mapping[str, str]
    cells: Mapping[str, object]
    problem: Problem | None = None
    reference_column: str | None = None

    @property
    def is_unreadable(self) -> bool:
        """Whether the row cannot become a request."""
        return self.problem is not None and not self.problem.spares_started

    def report(
        self, column: str, message: str, *, spares_started: bool = False
    ) -> None:
        """Report a problem of a column.

        Args:
            column: As the manifest names it.
            message: What is wrong, and what to do.
            spares_started: See `Problem`.
        """
        self.add(Problem(column=column, message=message, spares_started=spares_started))

    def add(self, problem: Problem) -> None:
        """Keep a problem if it is the first, or the first that stops the row."""
        if self.problem is None or not (self.is_unreadable or problem.spares_started):
            self.problem = problem

    def setting(self, standard: str, reader: Callable[[str], T]) -> T | None:
        """Read a standard column; None if it is absent, empty or wrong."""
        column = self.names.get(standard)
        return None if column is None else self.value(column, reader)

    def value(self, column: str, reader: Callable[[str], T]) -> T | None:
        """Read a column; None if it is empty or wrong."""
        text = self.text(column)
        if text is None or not (text := text.strip()):
            return None
        try:
            return reader(text)
        except ValueError as error:
            self.report(column, str(error))
            return None

    def text(self, column: str) -> str | None:
        """Return the text of a cell, `""` for an empty one; None if it has no text."""
        try:
            return text_of(self.cells[column])
        except ValueError as error:
            self.report(column, str(error))
            return None

    def stripped_text(self, column: str) -> str:
        """Return the text of a cell without white space around; `""` if it has none."""
        try:
            return text_of(self.cells[column]).strip()
        except ValueError:
            return ""

    def references(
        self, column: str, is_file: IsFile, store: ImageStore
    ) -> tuple[str, ...]:
        """Read the references of a cell: text to be split, a list, or images."""
        cell = self.cells[column]
        try:
            if isinstance(cell, list | tuple | dict | bytes):
                return references_of(cell, store)
            parts = split_references(self.text(column) or "", is_file)
            return tuple(map(user_reference, parts))
        except ValueError as error:
            self.report(column, str(error))
            return ()

    def references_by_bars(self, column: str) -> tuple[str, ...]:
        """Return the references of a text as earlier versions split it."""
        return split_by_bars(self.stripped_text(column))
