"""Read the rows on whose images others build, before all rows are read in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batchgen.manifest.cell_values import text_of
from batchgen.manifest.expanded_columns import SOURCE_ID
from batchgen.manifest.frame_rows import cells_of
from batchgen.manifest.parents import NO_PARENTS, Parent, Parents
from batchgen.manifest.row_reader import RowReader
from batchgen.manifest.table_source import Batch

if TYPE_CHECKING:
    from batchgen.manifest.columns import Layout
    from batchgen.manifest.template import PromptTemplate
    from batchgen.model import Job

_MARK = "row:"
_BLOCK_BYTES = 1 << 20
_MAX_LISTED = 6
_PLAIN_TEXT = frozenset({".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson"})

Batches = Iterable[tuple[int, Batch]]
"""Batches, each with the position of its first row."""


@dataclass(frozen=True, slots=True)
class NamedRow:
    """A row that others name, before its own parents are known.

    Attributes:
        needs: Ids of the rows that it names.
    """

    position: int
    line: int | None
    cells: Mapping[str, object]
    needs: Sequence[str]


class ParentReader:
    """Finds the rows that others name, and their fingerprints.

    The table is read twice if it has such rows, and else only searched.
    """

    def __init__(
        self, layout: Layout, template: PromptTemplate | None, job: Job
    ) -> None:
        self._layout = layout
        self._job = job
        self._by_id: dict[str, Parent] = {}
        self._expanded: dict[str, list[str]] = {}
        self._id_column = layout.name_of.get("id")
        parents = Parents(
            self._by_id, self._expanded, has_ids=self._id_column is not None
        )
        self._parents = parents
        self._reader = RowReader(layout, template, job, parents)

    def may_have_parents(self) -> bool:
        """Tell from the bytes of the file whether any row may name another."""
        if not self._layout.references:
            return False
        job = self._job
        return job.expand is not None or any(map(_may_hold_rows, job.tables))

    def read(self, first: Batches, second: Batches) -> Parents:
        """Return the rows that others name.

        Args:
            first: All rows, to find the names.
            second: All rows again, to find what is named; not read if there are none.
        """
        ids = {row_id for _, batch in first for row_id in self._named_in(batch)}
        if not ids:
            return NO_PARENTS
        if self._id_column is None:
            return self._parents
        rows: dict[str, NamedRow] = {}
        for start, batch in second:
            for row_id, row in self._rows(start, batch, ids):
                # A later row with the same id is invalid.
                rows.setdefault(row_id, row)
        for row_id, problem in order_of(rows):
            self._by_id[row_id] = self._parent(rows[row_id], problem)
        return self._parents

    def _named_in(self, batch: Batch) -> Iterator[str]:
        needed = {*self._layout.references, self._id_column, SOURCE_ID}
        columns = [name for name in batch.frame.columns if name in needed]
        for cells in cells_of(batch, columns) if columns else ():
            yield from self._names(cells)

    def _names(self, cells: Mapping[str, object]) -> tuple[str, ...]:
        in_cells = (cells.get(name) for name in self._layout.references)
        if not any(_MARK in str(cell) for cell in in_cells if cell is not None):
            return ()
        return self._reader.named_rows(cells)

    def _rows(
        self, start: int, batch: Batch, ids: set[str]
    ) -> Iterator[tuple[str, NamedRow]]:
        column = self._id_column or ""
        for offset, cells in enumerate(cells_of(batch, self._reader.columns)):
            row_id, source_id = _text(cells[column]), _text(cells.get(SOURCE_ID))
            is_named = bool(source_id) and source_id in ids
            if is_named:
                self._expanded.setdefault(source_id, []).append(row_id)
            if is_named or row_id in ids:
                line = None if batch.lines is None else batch.lines[offset]
                needs = self._names(cells)
                yield row_id, NamedRow(start + offset, line, cells, needs)

    def _parent(self, named: NamedRow, problem: str | None) -> Parent:
        if problem is not None:
            return Parent(named.position, None, problem)
        row = self._reader.read(named.position, named.line, named.cells)
        if row.fingerprint is not None:
            return Parent(named.position, row.fingerprint)
        place = "" if named.line is None else f" (line {named.line})"
        reason = row.problem.message if row.problem else "it cannot be read"
        return Parent(
            named.position, None, f"row {named.position}{place} is invalid: {reason}"
        )


def order_of(rows: Mapping[str, NamedRow]) -> Iterator[tuple[str, str | None]]:
    """Yield the ids of rows, each after those that it needs.

    Yields:
        An id, and why no image can be made if rows build on each other in a circle.
    """
    done: set[str] = set()
    for start in rows:
        path = [start] if start not in done else []
        while path:
            waits_for = next(
                (
                    need
                    for need in rows[path[-1]].needs
                    if need in rows and need not in done
                ),
                None,
            )
            if waits_for is None:
                done.add(path[-1])
                yield path.pop(), None
            elif waits_for in path:
                problem = _circle(path[path.index(waits_for) :])
                done.update(path)
                yield from ((row_id, problem) for row_id in path)
                path = []
            else:
                path.append(waits_for)


def _circle(ids: Sequence[str]) -> str:
    more = ["..."] if ids[_MAX_LISTED:] else []
    names = " -> ".join([*ids[:_MAX_LISTED], *more, ids[0]])
    return f"rows build on each other in a circle: {names}"


def _text(cell: object) -> str:
    try:
        return text_of(cell).strip()
    except ValueError:
        return ""


def _may_hold_rows(path: Path) -> bool:
    """Tell whether a file may hold `row:`; only plain text is searched."""
    if path.suffix.lower() not in _PLAIN_TEXT:
        return True
    needles = [_MARK.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be")]
    longest = max(map(len, needles))
    with path.open("rb") as file:
        tail = b""
        while block := file.read(_BLOCK_BYTES):
            searched = tail + block
            if any(needle in searched for needle in needles):
                return True
            tail = searched[-longest:]
    return False
