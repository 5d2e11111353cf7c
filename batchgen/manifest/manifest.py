"""The manifest: a table on disk that is read in slices of checked rows."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import polars as pl

from batchgen.errors import SpecError
from batchgen.manifest.columns import Layout, lay_out
from batchgen.manifest.embedded import holds_images
from batchgen.manifest.files import FileState, are_unchanged
from batchgen.manifest.gap_count import count_gaps
from batchgen.manifest.gaps import GapFinder, Gaps
from batchgen.manifest.id_column import IdCandidates
from batchgen.manifest.opening import expected_names, foreign_errors, open_source
from batchgen.manifest.prompts import PromptReader
from batchgen.manifest.row import Row, Slice
from batchgen.manifest.row_reader import RowReader, stated_model
from batchgen.manifest.table_source import Batch, Source
from batchgen.manifest.times import as_rows
from batchgen.manifest.wording import listed, shown
from batchgen.model import Job

if TYPE_CHECKING:
    from batchgen.manifest.template import PromptTemplate

_FIRST_ROWS = 1000
"""Rows whose prompts are looked at before the table is read."""

_QUICK_SLICE = 20_000


T = TypeVar("T")

_BLOCK_BYTES = 1 << 20


class Manifest:
    """A manifest whose header and template were checked; its rows come in slices."""

    def __init__(self, job: Job, source: Source, layout: Layout) -> None:
        self._job = job
        self._source = source
        self._layout = layout
        self._template = (
            None
            if job.prompt is None
            else _template(job.prompt, layout, shown(source.path))
        )
        self.path: Path = source.path
        self.states: frozenset[str] = frozenset(layout.read)
        """Known columns that it has."""
        self._refuse_unreadable()
        empty = source.empty()
        self._images = frozenset(
            name
            for name in layout.references
            if name not in source.dropped and holds_images(empty.get_column(name).dtype)
        )
        self.notices: tuple[str, ...] = (
            *source.notices,
            *layout.notices,
            *(
                f"{shown(source.path)}: the images in column `{name}` are sent as "
                "references; rename the column if that is not meant"
                for name in layout.references
                if name in self._images
            ),
            *self._notices_of_prompts(),
        )
        self.own_schema: bytes = self._own(empty)
        self.checkpoint: Callable[[], None] = lambda: None
        """Called often while the file or its images are read; it raises to end that."""
        self.id_candidate: str | None = None
        """A column that could be the id, where none is; known once all is read."""

    @classmethod
    def open(cls, job: Job) -> Manifest:
        """Open a job's manifest and check all that can be told from its header.

        Raises:
            SpecError: no such file, not a table, no rows, columns missing, or a
                template that does not parse or asks for a column that is not there.
        """
        path = job.manifest
        with foreign_errors(path):
            source = open_source(path, expected_names(job))
        layout = lay_out(
            source.names,
            job.columns,
            templated=job.prompt is not None,
            where=shown(path),
        )
        own = tuple(name for name in layout.own if name not in source.dropped)
        layout = replace(layout, own=own)
        for column in job.max_cost_by:
            if column not in source.names:
                raise SpecError(
                    f"{shown(path)}: no column `{column}`, which [budget.by] names "
                    f"(it has {listed(source.names)})"
                )
        return cls(job, source, layout)

    def _refuse_unreadable(self) -> None:
        """Refuse a table in which a column that is needed cannot be read."""
        unreadable = self._source.unreadable
        reader = RowReader(self._layout, self._template, self._job)
        for name in reader.columns:
            if name in unreadable:
                raise SpecError(unreadable[name])

    def digest(self) -> str:
        """Return a SHA-256 over the file and every setting that shapes its rows.

        Local reference images are not in it: they can change without the manifest.
        """
        job = self._job
        settings = {
            "prompt": job.prompt,
            "columns": dict(job.columns),
            "aspect_ratio": job.aspect_ratio,
            "resolution": job.resolution,
            "n": job.n,
            "model": stated_model(job),
            "folder": self._allowed_folder(),
            "budget_by": sorted(job.max_cost_by),
            **({"options": dict(job.options)} if job.options else {}),
            **({"empty": job.empty} if job.empty == "skip" else {}),
        }
        with foreign_errors(self.path), self.path.open("rb") as file:
            content = hashlib.sha256()
            while block := file.read(_BLOCK_BYTES):
                self.checkpoint()
                content.update(block)
        text = json.dumps([settings, content.hexdigest()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def has_same_files(self, states: Iterable[FileState]) -> bool:
        """Say whether local references are as an earlier reading found them."""
        if self._images and not self._job.images_at.is_dir():
            return False
        return are_unchanged(self._job.manifest.parent, self._checked(states))

    def _allowed_folder(self) -> str:
        # As seen from the manifest, since both may be moved.
        start = self._job.manifest.parent
        return os.path.relpath(self._job.references.folder or start, start)

    def slices(self, size: int = 1000, first: int = 0) -> Iterator[Slice]:
        """Read all rows in order.

        Args:
            size: Most rows of a slice; it has fewer where they are very long.
            first: Position of the first; those above are passed over, not judged.

        Raises:
            SpecError: the file cannot be read on with certainty. What was yielded
                before stands.
        """
        reader = RowReader(self._layout, self._template, self._job)
        candidates = self._id_candidates()
        for position, whole in self._batches(size):
            candidates.watch(whole.frame)
            batch, start = whole, position
            if start < first:
                batch, start = whole.after(first - position), first
            if batch.frame.is_empty():
                continue
            rows = [*self._checked(_rows(reader, batch, start))]
            yield Slice(rows, self._own(batch.frame), reader.files_read())
        self.id_candidate = candidates.best()

    def rows_at(self, positions: Iterable[int]) -> Iterator[Row]:
        """Read some rows alone, as `slices` reads them.

        Args:
            positions: In order.

        Raises:
            SpecError: the file cannot be read on with certainty.
        """
        reader = RowReader(self._layout, self._template, self._job)
        wanted = iter(positions)
        next_position = next(wanted, None)
        if next_position is None:
            return
        for start, batch in self._batches(1000):
            end = start + batch.frame.height
            while next_position is not None and next_position < end:
                row = batch.after(next_position - start).first()
                yield from _rows(reader, row, next_position)
                next_position = next(wanted, None)
            if next_position is None:
                return

    def _batches(self, size: int) -> Iterator[tuple[int, Batch]]:
        """Yield the file's parts, each with the position of its first row."""
        position = 0
        with foreign_errors(self.path):
            for batch in self._checked(self._source.batches(size)):
                yield position, batch
                position += batch.frame.height

    def _checked(self, items: Iterable[T]) -> Iterator[T]:
        for item in items:
            self.checkpoint()
            yield item

    def _id_candidates(self) -> IdCandidates:
        layout = self._layout
        carried = [name for name in layout.names if name not in self._source.dropped]
        names = [] if "id" in layout.read else carried
        return IdCandidates(names, {*layout.read.values(), *layout.references})

    def id_advice(self) -> Iterator[str]:
        """Yield a sentence on a column that could be the id, all rows being read."""
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
        """What finds values that rows lack; None where no row could lack any."""
        finder = self._template.gaps if self._template else None
        return finder if finder and finder.can_find else None

    def gaps(self, end: int | None = None) -> Iterator[Gaps]:
        """Count rows that lack a value which the template uses: a reading of its own.

        Args:
            end: Only rows before this position; None for all.

        Yields:
            The count after each slice; nothing where no row could lack anything.

        Raises:
            SpecError: the file cannot be read on with certainty.
        """
        finder, count = self.gap_finder, Gaps()
        if finder is None:
            return
        with foreign_errors(self.path):
            for batch in self._source.batches(_QUICK_SLICE):
                left = batch.frame.height if end is None else end - count.rows
                count_gaps(finder, batch.frame.select(finder.columns).head(left), count)
                yield count
                if count.rows == end:
                    return

    def _notices_of_prompts(self) -> Iterator[str]:
        """Yield what looks odd in the template, or in prompts of the first rows."""
        if self._template is not None and self._template.notices:
            yield from self._template.notices
            return
        reader = PromptReader(self._layout, self._template, self._job)
        try:
            batch = next(iter(self._source.batches(_FIRST_ROWS)), None)
        except SpecError:
            return  # told when the row's turn comes
        if batch is None:
            return
        prompts = map(reader.read, _cells(batch, reader.columns))
        literals = [prompt.literal for prompt in prompts if prompt.literal]
        if literals:
            height = batch.frame.height
            rows = "row" if height == 1 else f"{height} rows"
            yield (
                f"{shown(self.path)}: of the first {rows}, "
                f"{len(literals)} {'holds' if len(literals) == 1 else 'hold'} a "
                f"placeholder such as {literals[0][:60]}, which "
                "is sent as it stands: cells are never templates. To fill in columns, "
                "give a template with --prompt"
            )

    def _own(self, frame: pl.DataFrame) -> bytes:
        stream = io.BytesIO()
        # The oldest layout, so that any Arrow reader opens it.
        # Images are in the run folder already, and would fill ledger and table.
        names = [name for name in self._layout.own if name not in self._images]
        frame.select(names).write_ipc_stream(
            stream, compression="zstd", compat_level=pl.CompatLevel.oldest()
        )
        return stream.getvalue()


def _cells(batch: Batch, columns: Sequence[str]) -> Iterable[Mapping[str, object]]:
    # A template may use no column at all, and there are rows nevertheless.
    if not columns:
        return repeat(dict[str, object](), batch.frame.height)
    return as_rows(batch.frame.select(columns))


def _rows(reader: RowReader, batch: Batch, position: int) -> Iterator[Row]:
    lines = batch.lines or repeat(None, batch.frame.height)
    cells = _cells(batch, reader.columns)
    for offset, (line, row) in enumerate(zip(lines, cells, strict=True)):
        yield reader.read(position + offset, line, row)


def _template(text: str, layout: Layout, where: str) -> PromptTemplate:
    # Only here: a prompt that is a column needs no Jinja.
    from batchgen.manifest.template import PromptTemplate

    return PromptTemplate(text, layout.names, where)
