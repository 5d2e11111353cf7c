"""Turn one row's cells into a request, or say which column must be mended."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from batchgen.addresses import is_local, is_url
from batchgen.manifest.cells import (
    read_count,
    read_option,
    read_ratio,
    read_resolution,
    text_of,
)
from batchgen.manifest.columns import Layout
from batchgen.manifest.embedded import ImageStore, as_written, references_of
from batchgen.manifest.files import FileContents, FileState
from batchgen.manifest.identity import fingerprint
from batchgen.manifest.prompts import PromptReader
from batchgen.manifest.reference_cell import (
    IsFile,
    split_by_bars,
    split_references,
)
from batchgen.manifest.reference_locator import Whereabouts
from batchgen.manifest.row import Problem, Row
from batchgen.model import (
    COMMON_WORDS,
    ImageRequest,
    Job,
    OptionValue,
    type_of_option,
)

if TYPE_CHECKING:
    from batchgen.manifest.template import PromptTemplate

T = TypeVar("T")


def stated_model(job: Job) -> str | None:
    """Return the model that the job states for all its providers alike, else None."""
    models = {job.terms_of(provider).model for provider in job.providers}
    return models.pop() if len(models) == 1 else None


class RowReader:
    """Reads rows of one manifest; never raises for what a row holds."""

    def __init__(
        self, layout: Layout, template: PromptTemplate | None, job: Job
    ) -> None:
        self._layout = layout
        self._prompts = PromptReader(layout, template, job)
        self._job = job
        self._model = stated_model(job)
        self._contents = FileContents(job.manifest.parent)
        self._whereabouts = Whereabouts(job, self._contents)
        self._store = ImageStore(job.images_at)
        self._names: Mapping[str | None, Mapping[str, str]] = {
            column: {**layout.read, "references": column}
            for column in layout.references
        }
        self._options = {
            name: (layout.read[name], read_option(name))
            for name in type_of_option
            if name in layout.read
        }
        used = {*layout.read.values(), *layout.references, *job.max_cost_by}
        used |= set(template.columns) if template else set()
        self.columns: tuple[str, ...] = tuple(n for n in layout.names if n in used)

    def read(self, position: int, line: int | None, cells: Mapping[str, object]) -> Row:
        """Return one row.

        Args:
            position: From 0.
            line: Where it begins in the file.
            cells: At least those of `columns`; None stands for an empty cell.
        """
        reading = _Reading(self._layout.read, cells)
        row_id = self._id(reading)
        judged = self._prompts.read(cells)
        prompt = judged.prompt
        if judged.problem is not None:
            reading.note(judged.problem)
        model = reading.setting("model", str) or self._model
        ratio = reading.setting("aspect_ratio", read_ratio) or self._job.aspect_ratio
        size = reading.setting("resolution", read_resolution) or self._job.resolution
        count = reading.setting("n", read_count) or self._job.n or 1
        references = self._references(reading)
        options = dict(self._stated_options(reading))
        request = None
        if prompt is not None and not reading.is_unreadable:
            request = ImageRequest(
                prompt=prompt,
                references=references,
                aspect_ratio=ratio,
                resolution=size,
                n=count,
                model=model,
                options=options,
            )
        return Row(
            position=position,
            line=line,
            id=row_id,
            request=request,
            filename=reading.setting("filename", str),
            provider=reading.setting("provider", str),
            problem=reading.problem,
            prompt=prompt,
            fingerprint=fingerprint(request, self._contents) if request else None,
            budget_group=self._budget_group(cells),
            warning=judged.warning,
            lacks=judged.lacks,
            names=self._names.get(reading.reference_column, self._layout.read),
        )

    def files_read(self) -> list[FileState]:
        """Return the local references that were read since this was last asked."""
        return self._contents.newly_read()

    def _budget_group(self, cells: Mapping[str, object]) -> str | None:
        columns = self._job.max_cost_by
        if not columns:
            return None
        group = {column: _label(cells[column]) for column in sorted(columns)}
        return json.dumps(group, ensure_ascii=False)

    def _id(self, reading: _Reading) -> str | None:
        row_id = reading.setting("id", str)
        if row_id is None and "id" in self._layout.read:
            reading.fault(self._layout.read["id"], "the id is empty")
        return row_id

    def _references(self, reading: _Reading) -> tuple[str, ...]:
        filled = [
            (column, references)
            for column in self._layout.references
            if (
                references := reading.references(
                    column, self._whereabouts.is_file, self._store
                )
            )
        ]
        if not filled:
            return ()
        column, references = filled[0]
        reading.reference_column = column
        if len(filled) > 1:
            other = filled[1][0]
            reading.fault(other, f"`{column}` has references in this row, too: use one")
        problem = self._problem_of(references)
        if problem is None:
            return references
        former = reading.references_before(column) or references
        is_new = all(self._was_taken(reference) for reference in former)
        if way_out := _way_out(reading.plain(column), references, former):
            problem = f"{problem}; {way_out}"
        reading.fault(column, problem, spares_started=is_new)
        return former

    def _problem_of(self, references: Sequence[str]) -> str | None:
        """Return the first thing that is wrong with references."""
        first = None
        for reference in references:
            if (problem := self._whereabouts.problem(reference)) is not None:
                first = first or problem
                if is_local(reference):
                    self._contents.leave(reference)
        return first

    def _was_taken(self, reference: str) -> bool:
        """Tell whether earlier versions bought rows with this reference."""
        if self._whereabouts.problem(reference) is None:
            return True
        return self._whereabouts.was_taken(reference)

    def _stated_options(self, reading: _Reading) -> Iterator[tuple[str, OptionValue]]:
        """Yield the options of the job, then those of the row, which stand above."""
        yield from self._job.options.items()
        for name, (column, reader) in self._options.items():
            if self._is_somebody_elses(name, reading):
                continue
            value = reading.cell(column, reader)
            if value is not None:
                yield name, value

    def _is_somebody_elses(self, name: str, reading: _Reading) -> bool:
        """Say whether a column only has the name of an option: see `COMMON_WORDS`."""
        if name not in COMMON_WORDS or name in self._job.columns:
            return False
        word = reading.plain(name).lower().removesuffix(".0")
        return word not in COMMON_WORDS[name]


def _way_out(cell: str, references: Sequence[str], former: Sequence[str]) -> str | None:
    """Return what to do where a cell was parted that may not have been meant so."""
    if len(references) > len(former) and len(cell.splitlines()) > 1:
        return "a line break ends a reference; delete one that stands in a URL"
    pairs = pairwise(references)
    if "|" in cell and any(is_url(one) and is_local(other) for one, other in pairs):
        return "| parts references; write %7C for one that belongs to a URL"
    return None


def _label(cell: object) -> str:
    """Return a cell as one value among others, of whatever type it is."""
    try:
        return text_of(cell).strip()
    except ValueError:
        return str(cell)


@dataclass(slots=True)
class _Reading:
    """One row under way, and the first thing that was wrong with it."""

    names: Mapping[str, str]
    cells: Mapping[str, object]
    problem: Problem | None = None
    reference_column: str | None = None

    @property
    def is_unreadable(self) -> bool:
        """Whether no request can be made of the row."""
        return self.problem is not None and not self.problem.spares_started

    def fault(self, column: str, message: str, *, spares_started: bool = False) -> None:
        """Note what is wrong with a column; the first one stands.

        Args:
            column: As the manifest names it.
            message: What is wrong, and what to do.
            spares_started: See `Problem`; what spares no row stands above it.
        """
        self.note(
            Problem(column=column, message=message, spares_started=spares_started)
        )

    def note(self, problem: Problem) -> None:
        """Note what is wrong; the first one stands, as in `fault`."""
        if self.problem is None or not (self.is_unreadable or problem.spares_started):
            self.problem = problem

    def setting(self, known: str, reader: Callable[[str], T]) -> T | None:
        """Read a known column, None where it is absent, empty or wrong."""
        column = self.names.get(known)
        return None if column is None else self.cell(column, reader)

    def cell(self, column: str, reader: Callable[[str], T]) -> T | None:
        """Read a column, None where it is empty or wrong."""
        text = self.text(column)
        if text is None or not (text := text.strip()):
            return None
        try:
            return reader(text)
        except ValueError as error:
            self.fault(column, str(error))
            return None

    def text(self, column: str) -> str | None:
        """Return a cell as it stands, an empty one as ``, None where it is no text."""
        try:
            return text_of(self.cells[column])
        except ValueError as error:
            self.fault(column, str(error))
            return None

    def plain(self, column: str) -> str:
        """Return a cell without white space around it, empty where it is no text."""
        try:
            return text_of(self.cells[column]).strip()
        except ValueError:
            return ""

    def references(
        self, column: str, is_file: IsFile, store: ImageStore
    ) -> tuple[str, ...]:
        """Read references: text that `split_references` parts, a list, or images."""
        cell = self.cells[column]
        try:
            if isinstance(cell, list | tuple | dict | bytes):
                return references_of(cell, store)
            parts = split_references(self.text(column) or "", is_file)
            return tuple(map(as_written, parts))
        except ValueError as error:
            self.fault(column, str(error))
            return ()

    def references_before(self, column: str) -> tuple[str, ...]:
        """Return the references of a text as earlier versions read them."""
        return split_by_bars(self.plain(column))
