"""The manifest: a table on disk, read in slices of checked rows."""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from batchgen.errors import SpecError
from batchgen.manifest.columns import Layout, interpret_columns
from batchgen.manifest.damaged_values import DamagedValues
from batchgen.manifest.embedded import holds_images
from batchgen.manifest.expanded_source import expand
from batchgen.manifest.files import FileState, are_unchanged
from batchgen.manifest.first_rows import notices_of_prompts
from batchgen.manifest.frame_rows import cells_of
from batchgen.manifest.gap_count import count_gaps
from batchgen.manifest.gaps import GapFinder, Gaps
from batchgen.manifest.id_column import IdCandidates
from batchgen.manifest.opening import expected_names, foreign_errors, open_table
from batchgen.manifest.parent_reading import ParentReader
from batchgen.manifest.parents import NO_PARENTS, Parents
from batchgen.manifest.prompts import PromptReader
from batchgen.manifest.row import Row, Slice
from batchgen.manifest.row_reader import RowReader
from batchgen.manifest.table_digest import table_digest
from batchgen.manifest.table_source import Batch, TableSource
from batchgen.manifest.wording import did_you_mean, files_shown, listed, shown
from batchgen.model import Job
from batchgen.model.row_scope import RowScope

if TYPE_CHECKING:
    from batchgen.manifest.file_name_template import FileNameTemplate
    from batchgen.manifest.template import PromptTemplate

_COUNTING_SLICE = 20_000
_CHOOSING_SLICE = 10_000


T = TypeVar("T")

_BLOCK_BYTES = 1 << 20


class Manifest:
    """A manifest whose header and template were checked; rows are read in slices."""

    def __init__(
        self,
        job: Job,
        source: TableSource,
        layout: Layout,
        notices: Sequence[str] = (),
    ) -> None:
        self._job = job
        self._source = source
        self._layout = layout
        self._template = (
            None
            if job.prompt is None
            else _template(job.prompt, layout, files_shown(job.tables))
        )
        self._file_names = _file_names(job, layout, files_shown(job.tables))
        self.path: Path = source.path
        self.states: frozenset[str] = frozenset(layout.name_of)
        """Columns of the manifest that batchgen reads."""
        self._refuse_unreadable()
        empty = source.empty()
        self._images = frozenset(
            name
            for name in layout.references
            if name not in source.dropped and holds_images(empty.get_column(name).dtype)
        )
        self._damage: Sequence[str] = ()
        self._starts: dict[Path, int] = {}
        self.notices: tuple[str, ...] = (
            *notices,
            *source.notices,
            *layout.notices,
            *(
                f"{shown(source.path)}: the images in column `{name}` are sent as "
                "references; rename the column if that is not meant"
                for name in layout.references
                if name in self._images
            ),
            *(self._file_names.notices if self._file_names else ()),
            *self._prompt_notices(),
        )
        self.user_schema: bytes = self._to_ipc(empty)
        self.checkpoint: Callable[[], None] = lambda: None
        """Called often during reading; it may raise to stop it."""
        self.id_candidate: str | None = None
        """A column that could be the id, if there is none; set after the last slice."""

    @classmethod
    def open(cls, job: Job) -> Manifest:
        """Open a job's manifest and check what its header tells.

        Raises:
            SpecError: there is no such file, it is no table, has no rows or lacks
                columns; or the template cannot be parsed or uses an unknown column.
        """
        table, notices = open_table(job, expected_names(job))
        source = expand(job, table)
        where = files_shown(job.tables)
        layout = interpret_columns(
            source.names, job.columns, templated=job.prompt is not None, where=where
        )
        user_columns = tuple(
            name for name in layout.user_columns if name not in source.dropped
        )
        layout = replace(layout, user_columns=user_columns)
        for column in job.max_cost_by:
            if column not in source.names:
                raise SpecError(
                    f"{where}: no column `{column}`, which [budget.by] names"
                    f"{did_you_mean(column, source.names)} (it has "
                    f"{listed(source.names)})"
                )
        if job.has_choice:
            # Imported here: most jobs choose no rows.
            from batchgen.manifest.row_choice import check_choice

            check_choice(job, layout)
        return cls(job, source, layout, notices)

    def _refuse_unreadable(self) -> None:
        """Refuse a table if a column that is needed cannot be read."""
        unreadable = self._source.unreadable
        reader = RowReader(
            self._layout, self._template, self._job, file_names=self._file_names
        )
        for name in reader.columns:
            if name in unreadable:
                raise SpecError(unreadable[name])

    def digest(self) -> str:
        """Return a SHA-256 of the files and of every setting that affects their rows.

        Local reference images are not included: see `has_same_files`.
        """
        return table_digest(self._job, self.checkpoint)

    def has_same_files(self, states: Iterable[FileState]) -> bool:
        """Tell whether local references have not changed since an earlier reading."""
        if self._images and not self._job.images_folder.is_dir():
            return False
        return are_unchanged(self._job.folder, self._checked(states))

    def slices(self, size: int = 1000, first: int = 0) -> Iterator[Slice]:
        """Read all rows in order.

        Args:
            size: Maximum rows of a slice; very long rows make it smaller.
            first: Position of the first row; earlier rows are skipped unchecked.

        Raises:
            SpecError: the rest of the file cannot be read reliably. Slices that were
                yielded before remain valid.
        """
        reader = self._row_reader()
        candidates = self._id_candidates()
        damage = DamagedValues(self._layout.name_of.get("id"))
        for position, full_batch in self._batches(size):
            candidates.watch(full_batch.frame)
            damage.watch(position, full_batch)
            batch, start = full_batch, position
            if start < first:
                batch, start = full_batch.after(first - position), first
            if batch.frame.is_empty():
                continue
            rows = [*self._checked(_rows(reader, batch, start))]
            yield Slice(rows, self._to_ipc(batch.frame), reader.files_read())
        self.id_candidate = candidates.best()
        self._damage = [*damage.notices()]

    def columns(self) -> dict[str, pl.DataType]:
        """Return the columns that can be read, with their types."""
        hidden = self._source.dropped | self._source.unreadable.keys()
        schema = self._source.empty().schema
        return {name: kind for name, kind in schema.items() if name not in hidden}

    def frames(self, size: int) -> Iterator[pl.DataFrame]:
        """Read all rows in order, as they stand in the table.

        Args:
            size: Maximum rows of a frame.

        Raises:
            SpecError: the rest of the file cannot be read reliably.
        """
        for _, batch in self._batches(size):
            yield batch.frame

    def rows_at(self, positions: Iterable[int]) -> Iterator[Row]:
        """Read only some rows, in the way of `slices`.

        Args:
            positions: Ascending.

        Raises:
            SpecError: the rest of the file cannot be read reliably.
        """
        reader = self._row_reader()
        remaining = iter(positions)
        next_position = next(remaining, None)
        if next_position is None:
            return
        for start, batch in self._batches(1000):
            end = start + batch.frame.height
            while next_position is not None and next_position < end:
                row = batch.after(next_position - start).first()
                yield from _rows(reader, row, next_position)
                next_position = next(remaining, None)
            if next_position is None:
                return

    def _row_reader(self) -> RowReader:
        return RowReader(
            self._layout, self._template, self._job, self._parents, self._file_names
        )

    @cached_property
    def _parents(self) -> Parents:
        """The rows on whose images others build."""
        with foreign_errors(self.path):
            reader = ParentReader(self._layout, self._template, self._job)
            if not reader.may_have_parents():
                return NO_PARENTS
        return reader.read(self._batches(1000), self._batches(1000))

    @property
    def starts(self) -> Sequence[int]:
        """Position of the first row of each file, as far as files were read."""
        return [*self._starts.values()]

    def _batches(self, size: int) -> Iterator[tuple[int, Batch]]:
        """Yield the batches of the file, each with the position of its first row."""
        position = 0
        with foreign_errors(self.path):
            for batch in self._checked(self._source.batches(size)):
                if batch.path is not None:
                    self._starts.setdefault(batch.path, position)
                yield position, batch
                position += batch.frame.height

    def _checked(self, items: Iterable[T]) -> Iterator[T]:
        for item in items:
            self.checkpoint()
            yield item

    def _id_candidates(self) -> IdCandidates:
        layout = self._layout
        names_in_result = [
            name for name in layout.names if name not in self._source.dropped
        ]
        names = [] if "id" in layout.name_of else names_in_result
        return IdCandidates(names, {*layout.name_of.values(), *layout.references})

    def advice(self) -> Iterator[str]:
        """Yield what makes the table safer or better; call it after the last slice."""
        where = files_shown(self._job.tables)
        yield from (f"{where}, {damage}" for damage in self._damage)
        yield from self._id_advice()

    def _id_advice(self) -> Iterator[str]:
        if self.id_candidate is not None:
            name = self.id_candidate
            quoted = json.dumps(name, ensure_ascii=False)
            yield (
                f"{shown(self.path)}: no column is the id, and `{name}` could be: with "
                f"--id {shlex.quote(name)}, or id = {quoted} under [columns], rows "
                "keep their images when the table or the template is edited"
            )

    @property
    def gap_finder(self) -> GapFinder | None:
        """Finds missing values in rows; None if no row could lack a value."""
        finder = self._template.gaps if self._template else None
        return finder if finder and finder.can_find else None

    def gaps(self, scope: RowScope | None = None) -> Iterator[Gaps]:
        """Count rows without values that the template uses, in a separate reading.

        Args:
            scope: The rows to count; None for all.

        Yields:
            The count after each batch; nothing if no row could lack a value.

        Raises:
            SpecError: the rest of the file cannot be read reliably.
        """
        finder, count, position = self.gap_finder, Gaps(), 0
        scope = RowScope() if scope is None else scope
        if finder is None:
            return
        with foreign_errors(self.path):
            for batch in self._source.batches(_COUNTING_SLICE):
                frame = _within(scope, position, batch.frame.select(finder.columns))
                count_gaps(finder, frame, count)
                position += batch.frame.height
                yield count
                if position >= scope:
                    return

    def in_scope(self) -> RowScope:
        """Read the table if need be, and return the rows that the job is about.

        Raises:
            SpecError: a choice cannot be applied to this table.
        """
        job = self._job
        if not job.has_choice:
            return job.rows_in_scope
        # Imported here: most jobs choose no rows.
        from batchgen.manifest.row_choice import choose_rows

        with foreign_errors(self.path):
            return choose_rows(
                job,
                self._layout,
                lambda: self._checked(self._source.batches(_CHOOSING_SLICE)),
            )

    def _prompt_notices(self) -> Iterator[str]:
        """Yield what looks odd in the template, or in prompts of the first rows."""
        if self._template is not None and self._template.notices:
            yield from self._template.notices
            return
        reader = PromptReader(self._layout, self._template, self._job)
        yield from notices_of_prompts(reader, self._source)

    def _to_ipc(self, frame: pl.DataFrame) -> bytes:
        """Return the user columns of a frame as an Arrow IPC stream."""
        stream = io.BytesIO()
        # Images are in the run folder already; they would bloat the ledger.
        names = [name for name in self._layout.user_columns if name not in self._images]
        # The oldest layout, so that any Arrow reader can read it.
        frame.select(names).write_ipc_stream(
            stream, compression="zstd", compat_level=pl.CompatLevel.oldest()
        )
        return stream.getvalue()


def _rows(reader: RowReader, batch: Batch, position: int) -> Iterator[Row]:
    lines = batch.lines or repeat(None, batch.frame.height)
    cells = cells_of(batch, reader.columns)
    for offset, (line, row) in enumerate(zip(lines, cells, strict=True)):
        yield reader.read(position + offset, line, row)


def _file_names(job: Job, layout: Layout, where: str) -> FileNameTemplate | None:
    if job.filename is None:
        return None
    from batchgen.manifest.file_name_template import FileNameTemplate

    return FileNameTemplate(job.filename, layout.names, where)


def _within(scope: RowScope, position: int, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows in scope of a frame that begins at a position."""
    if scope.flags is None:
        return frame.head(max(0, scope - position))
    flags = scope.flags[position : position + frame.height]
    padded = flags.ljust(frame.height, b"\0")
    return frame.filter(pl.Series(list(padded), dtype=pl.UInt8).cast(pl.Boolean))


def _template(text: str, layout: Layout, where: str) -> PromptTemplate:
    # Imported here: a prompt from a column does not need Jinja.
    from batchgen.manifest.template import PromptTemplate

    return PromptTemplate(text, layout.names, where)
