"""A table each of whose rows becomes several: all combinations of some values.

To everything above this is a table like any other: the new columns stand beside those
of the file, and positions count the new rows. Their origin stands in columns, too.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product
from pathlib import Path
from typing import Any

import polars as pl

from batchgen.errors import SpecError
from batchgen.manifest.cell_values import text_of
from batchgen.manifest.expanded_columns import SOURCE_ID, SOURCE_ROW
from batchgen.manifest.frame_rows import as_rows
from batchgen.manifest.opening import foreign_errors, open_source
from batchgen.manifest.slug import id_part
from batchgen.manifest.table_source import SLICE_BYTES, Batch, TableSource
from batchgen.manifest.wording import did_you_mean, listed, shown
from batchgen.model import Expansion, Job

MAX_TABLE_ROWS = 10_000
_BATCH_ROWS = 1000
_IMAGE_EXTENSION = re.compile(r"\.(png|jpe?g|webp|gif|avif)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Combination:
    """What one new row has beside the cells of its origin.

    Attributes:
        suffix: What its id and file name end with.
    """

    cells: tuple[str | None, ...]
    suffix: str


def expand(job: Job, source: TableSource) -> TableSource:
    """Return the table of a job with the rows that `[expand]` makes of it.

    Raises:
        SpecError: a column has the name of another one, a column that lists values
            is missing, or the second table cannot be read or does not name its rows.
    """
    expansion = job.expand
    if expansion is None:
        return source
    views = None
    if expansion.table is not None:
        with foreign_errors(expansion.table):
            table, _ = open_source(expansion.table, frozenset())
            views = Views(table)
    expanded = ExpandedSource(source, expansion, views, name_columns(job, source))
    for name in expanded.new_names:
        if (other := job.columns.get(name, name)) != name:
            raise SpecError(
                f"{shown(job.source)}: [expand] makes the column `{name}`, and "
                f"[columns] reads `{other}` in its place: name `{other}` under [expand]"
            )
    return expanded


def name_columns(job: Job, source: TableSource) -> Mapping[str, str]:
    """Return the table's columns that name rows, by their standard names."""
    columns = {name: job.columns.get(name, name) for name in ("id", "filename")}
    return {name: own for name, own in columns.items() if own in source.names}


class ExpandedSource:
    """A table whose rows are combined with the values of new columns.

    Attributes:
        names: Of all columns: of the file, then the new ones, then the origin.
        new_names: Of the columns that the values make.
    """

    def __init__(
        self,
        source: TableSource,
        expansion: Expansion,
        views: Views | None,
        name_columns: Mapping[str, str],
    ) -> None:
        """Combine a table with values.

        Args:
            source: The table.
            expansion: The values.
            views: The second table; None if there is none.
            name_columns: The table's columns `id` and `filename`, if it has them.

        Raises:
            SpecError: a column has the name of another one, or a column that lists
                values is missing.
        """
        self._source = source
        self._values = dict(expansion.values)
        self._list_columns = dict(expansion.list_columns)
        self._views = views
        self._id_column = name_columns.get("id")
        self._named_columns = tuple(name_columns.values())
        self.new_names: tuple[str, ...] = (
            *self._values,
            *(views.names if views else ()),
            *self._list_columns,
        )
        self.path = source.path
        origin = (SOURCE_ROW,) if self._id_column is None else (SOURCE_ROW, SOURCE_ID)
        added = (*self.new_names, *origin)
        _check_names(source, added, self._list_columns)
        kept = [name for name in source.names if name not in self.new_names]
        self.names: tuple[str, ...] = (*kept, *added)
        self._static = self._static_combinations()

    @property
    def notices(self) -> tuple[str, ...]:
        return (*self._source.notices, self._count_notice())

    @property
    def unreadable(self) -> Mapping[str, str]:
        return self._source.unreadable

    @property
    def dropped(self) -> frozenset[str]:
        return self._source.dropped

    def empty(self) -> pl.DataFrame:
        return self._assembled(self._source.empty(), [], [], 0)

    def batches(self, size: int) -> Iterator[Batch]:
        position = 0
        for batch in self._source.batches(max(1, size // len(self._static))):
            yield from self._expanded(batch, position, size)
            position += batch.frame.height

    # -- rows

    def _expanded(self, batch: Batch, position: int, size: int) -> Iterator[Batch]:
        """Yield the new rows of a batch, at most `size` at a time."""
        frame = batch.frame
        origins: list[int] = []
        combinations: list[Combination] = []
        for index, of_row in enumerate(self._combinations(frame)):
            origins += [index] * len(of_row)
            combinations += of_row
        row_bytes = int(frame.estimated_size()) // max(1, frame.height) + 1
        step = max(1, min(size, SLICE_BYTES // row_bytes))
        for start in range(0, len(origins), step):
            part = origins[start : start + step]
            rows = self._assembled(
                frame, part, combinations[start : start + step], position
            )
            lines = None if batch.lines is None else [batch.lines[i] for i in part]
            yield Batch(rows, lines, batch.path)

    def _assembled(
        self,
        frame: pl.DataFrame,
        origins: Sequence[int],
        combinations: Sequence[Combination],
        position: int,
    ) -> pl.DataFrame:
        """Return the columns of new rows.

        Args:
            frame: Rows of the table.
            origins: Index in `frame` of the row that each new row comes from.
            combinations: Of each new row.
            position: Of the first row of `frame` in the table.
        """
        rows = frame[list(origins)] if origins else frame.clear()
        cells = zip(*(each.cells for each in combinations), strict=True)
        columns = list(cells) or [()] * len(self.new_names)
        added = [
            *map(_text_series, self.new_names, columns),
            pl.Series(SOURCE_ROW, [position + i for i in origins], dtype=pl.Int64),
        ]
        for column in self._named_columns:
            names = _texts(rows, column)
            if column == self._id_column:
                added.append(_text_series(SOURCE_ID, names))
            suffixes = (each.suffix for each in combinations)
            added.append(_text_series(column, map(_with_suffix, names, suffixes)))
        present = [name for name in self.names if name not in self.dropped]
        return rows.with_columns(added).select(present)

    def _combinations(self, frame: pl.DataFrame) -> Iterator[Sequence[Combination]]:
        """Yield the combinations of each row."""
        if not self._list_columns:
            yield from (self._static for _ in range(frame.height))
            return
        for row in as_rows(frame.select(list(set(self._list_columns.values())))):
            lists = [
                _alternatives(cell)
                for cell in map(row.get, self._list_columns.values())
            ]
            yield [_joined(parts) for parts in product(self._static, *lists)]

    def _static_combinations(self) -> list[Combination]:
        """Return the combinations of everything that is the same for all rows."""
        axes = [
            list(
                map(Combination, zip(values), _suffixes(values, f"[expand], `{name}`"))
            )
            for name, values in self._values.items()
        ]
        if self._views is not None:
            axes.append(self._views.combinations())
        return [_joined(parts) for parts in product(*axes)]

    # -- what is said

    def _count_notice(self) -> str:
        parts = [
            f"{len(values)} {name} ({listed(values, 6)})"
            for name, values in self._values.items()
        ]
        if self._views is not None:
            parts.append(f"{len(self._views.rows)} rows of {shown(self._views.path)}")
        parts += [
            f"the values in `{column}`"
            for column in dict.fromkeys(self._list_columns.values())
        ]
        count = "" if self._list_columns else f" {len(self._static)} rows"
        return f"{shown(self.path)}: each row becomes{count}: {' x '.join(parts)}"


class Views:
    """The second table, each of whose rows is combined with each row."""

    def __init__(self, source: TableSource) -> None:
        self.path: Path = source.path
        self.names = source.names
        self.rows: list[tuple[str | None, ...]] = []
        for batch in source.batches(_BATCH_ROWS):
            self.rows += [
                tuple(map(_cell_text, row.values())) for row in as_rows(batch.frame)
            ]
            if len(self.rows) > MAX_TABLE_ROWS:
                raise SpecError(
                    f"{shown(self.path)}: more than {MAX_TABLE_ROWS:,} rows, each of "
                    "which would be combined with each row of the table"
                )

    def combinations(self) -> list[Combination]:
        """Return one combination for each row, named by its first column."""
        labels = [row[0] or "" for row in self.rows]
        first, times = Counter(labels).most_common(1)[0]
        if times > 1 or "" in labels:
            fault = "has an empty cell" if "" in labels else f"holds {first!r} twice"
            raise SpecError(
                f"{shown(self.path)}: its first column, `{self.names[0]}`, names the "
                f"new rows and {fault}: give each row a value of its own there"
            )
        place = f"{shown(self.path)}, column `{self.names[0]}`"
        return list(map(Combination, self.rows, _suffixes(labels, place)))


def _check_names(
    source: TableSource, new_names: Sequence[str], list_columns: Mapping[str, str]
) -> None:
    where = shown(source.path)
    for name, column in list_columns.items():
        if column not in source.names:
            raise SpecError(
                f"{where}: no column `{column}`, which [expand] names for `{name}`"
                f"{did_you_mean(column, source.names)} (the columns are "
                f"{listed(source.names)})"
            )
        if column in source.unreadable:
            raise SpecError(source.unreadable[column])
    replaced = {name for name, column in list_columns.items() if name == column}
    taken = {*source.names} - replaced
    for name, times in Counter(new_names).items():
        if name in taken:
            raise SpecError(
                f"{where}: column `{name}` stands in the table and would be made by "
                "[expand], too: rename one of them"
            )
        if times > 1:
            raise SpecError(
                f"{where}: [expand] would make column `{name}` twice: rename one of "
                "them"
            )


def _joined(parts: Sequence[Combination]) -> Combination:
    cells = tuple(chain.from_iterable(part.cells for part in parts))
    return Combination(cells, "-".join(part.suffix for part in parts if part.suffix))


def _suffixes(values: Sequence[str], place: str) -> list[str]:
    """Return what each value adds to ids.

    Raises:
        SpecError: two values would add the same.
    """
    value_of: dict[str, str] = {}
    for value in values:
        other = value_of.setdefault(id_part(value), value)
        if other != value:
            raise SpecError(
                f"{place}: {other!r} and {value!r} would give the same id, ending with "
                f"`{id_part(value)}`: make them differ in letters or digits"
            )
    return list(value_of)


def _alternatives(cell: object) -> list[Combination]:
    """Return a combination for each value that a cell lists; one for an empty cell."""
    values = [Combination((value,), id_part(value)) for value in _listed_values(cell)]
    return values or [Combination((None,), "")]


def _listed_values(cell: object) -> list[str]:
    """Return the values of a cell that lists them: a list, or text parted by `|`."""
    if isinstance(cell, list | tuple):
        texts = [_cell_text(value) or "" for value in cell]
    else:
        text = _cell_text(cell) or ""
        texts = _json_list(text) or text.split("|")
    return list(dict.fromkeys(text.strip() for text in texts if text.strip()))


def _json_list(text: str) -> list[str]:
    if not text.lstrip().startswith("["):
        return []
    try:
        values = json.loads(text)
    except ValueError:
        return []
    return [_cell_text(value) or "" for value in values]


def _cell_text(cell: object) -> str | None:
    """Return a cell as text; None for an empty one."""
    try:
        return text_of(cell) or None
    except ValueError:
        return str(cell)


def _texts(rows: pl.DataFrame, column: str) -> list[str | None]:
    return [_cell_text(row[column]) for row in as_rows(rows.select(column))]


def _with_suffix(name: str | None, suffix: str) -> str | None:
    """Add a suffix to a name, before its extension; an empty name stays empty."""
    if name is None or not name.strip() or not suffix:
        return name
    extension = _IMAGE_EXTENSION.search(name)
    end = extension.start() if extension else len(name.rstrip())
    return f"{name[:end]}-{suffix}{name[end:].rstrip()}"


def _text_series(name: str, cells: Any) -> pl.Series:
    return pl.Series(name, list(cells), dtype=pl.String)
