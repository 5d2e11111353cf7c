"""Turn the cells of a row into a request, or say which column must be corrected."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from batchgen.addresses import is_local, is_url
from batchgen.manifest.cell_values import (
    read_count,
    read_option,
    read_ratio,
    read_resolution,
    text_of,
)
from batchgen.manifest.columns import Layout
from batchgen.manifest.embedded import ImageStore
from batchgen.manifest.files import FileContents, FileState
from batchgen.manifest.identity import fingerprint
from batchgen.manifest.prompts import PromptReader
from batchgen.manifest.reference_locator import ReferenceLocator
from batchgen.manifest.row import Row
from batchgen.manifest.row_cells import RowCells
from batchgen.model import (
    COMMON_WORDS,
    ImageRequest,
    Job,
    OptionValue,
    type_of_option,
)

if TYPE_CHECKING:
    from batchgen.manifest.template import PromptTemplate


def stated_model(job: Job) -> str | None:
    """Return the model if the job states the same for all its providers, else None."""
    models = {job.terms_of(provider).model for provider in job.providers}
    return models.pop() if len(models) == 1 else None


class RowReader:
    """Reads the rows of one manifest; bad content of a row never raises."""

    def __init__(
        self, layout: Layout, template: PromptTemplate | None, job: Job
    ) -> None:
        self._layout = layout
        self._prompts = PromptReader(layout, template, job)
        self._job = job
        self._model = stated_model(job)
        self._contents = FileContents(job.folder)
        self._locator = ReferenceLocator(job, self._contents)
        self._store = ImageStore(job.images_folder)
        self._names: Mapping[str | None, Mapping[str, str]] = {
            column: {**layout.name_of, "references": column}
            for column in layout.references
        }
        self._options = {
            name: (layout.name_of[name], read_option(name))
            for name in type_of_option
            if name in layout.name_of
        }
        used = {*layout.name_of.values(), *layout.references, *job.max_cost_by}
        used |= set(template.columns) if template else set()
        self.columns: tuple[str, ...] = tuple(
            name for name in layout.names if name in used
        )

    def read(self, position: int, line: int | None, cells: Mapping[str, object]) -> Row:
        """Return one row.

        Args:
            position: From 0.
            line: Of the file, where the row begins; None if it has no lines.
            cells: At least those of `columns`; None is an empty cell.
        """
        row = RowCells(self._layout.name_of, cells)
        row_id = self._id(row)
        prompt = self._prompts.read(cells)
        if prompt.problem is not None:
            row.add(prompt.problem)
        request = self._request(row, prompt.text)
        return Row(
            position=position,
            line=line,
            id=row_id,
            request=request,
            filename=row.setting("filename", str),
            provider=row.setting("provider", str),
            problem=row.problem,
            prompt=prompt.text,
            fingerprint=fingerprint(request, self._contents) if request else None,
            budget_group=self._budget_group(cells),
            warning=prompt.warning,
            missing_columns=prompt.missing_columns,
            names=self._names.get(row.reference_column, self._layout.name_of),
        )

    def _request(self, row: RowCells, prompt: str | None) -> ImageRequest | None:
        """Read all columns of the request; None if a problem prevents it.

        All are read in any case, and in this order: the first problem is reported.
        """
        job = self._job
        model = row.setting("model", str) or self._model
        ratio = row.setting("aspect_ratio", read_ratio) or job.aspect_ratio
        resolution = row.setting("resolution", read_resolution) or job.resolution
        count = row.setting("n", read_count) or job.n or 1
        references = self._references(row)
        options = dict(self._stated_options(row))
        if prompt is None or row.is_unreadable:
            return None
        return ImageRequest(
            prompt=prompt,
            references=references,
            aspect_ratio=ratio,
            resolution=resolution,
            n=count,
            model=model,
            options=options,
        )

    def files_read(self) -> list[FileState]:
        """Return the local references that were read since the last call."""
        return self._contents.newly_read()

    def _budget_group(self, cells: Mapping[str, object]) -> str | None:
        columns = self._job.max_cost_by
        if not columns:
            return None
        group = {column: _label(cells[column]) for column in sorted(columns)}
        return json.dumps(group, ensure_ascii=False)

    def _id(self, row: RowCells) -> str | None:
        row_id = row.setting("id", str)
        if row_id is None and "id" in self._layout.name_of:
            row.report(self._layout.name_of["id"], "the id is empty")
        return row_id

    def _references(self, row: RowCells) -> tuple[str, ...]:
        cells = (
            (column, row.references(column, self._locator.is_file, self._store))
            for column in self._layout.references
        )
        filled = [cell for cell in cells if cell[1]]
        if not filled:
            return ()
        column, references = filled[0]
        row.reference_column = column
        if len(filled) > 1:
            other = filled[1][0]
            row.report(other, f"`{column}` has references in this row, too: use one")
        problem = self._problem_of(references)
        if problem is None:
            return references
        # Earlier versions split at `|` alone: what they bought must not be lost.
        earlier = row.references_by_bars(column) or references
        was_accepted = all(map(self._was_accepted, earlier))
        if remedy := _remedy(row.stripped_text(column), references, earlier):
            problem = f"{problem}; {remedy}"
        row.report(column, problem, spares_started=was_accepted)
        return earlier

    def _problem_of(self, references: Sequence[str]) -> str | None:
        """Return the first problem of the references."""
        first = None
        for reference in references:
            if (problem := self._locator.problem(reference)) is not None:
                first = first or problem
                if is_local(reference):
                    self._contents.record_unread(reference)
        return first

    def _was_accepted(self, reference: str) -> bool:
        """Tell whether earlier versions accepted this reference."""
        if self._locator.problem(reference) is None:
            return True
        return self._locator.was_accepted(reference)

    def _stated_options(self, row: RowCells) -> Iterator[tuple[str, OptionValue]]:
        """Yield the options of the job, then those of the row, which override them."""
        yield from self._job.options.items()
        for name, (column, reader) in self._options.items():
            if self._is_user_column(name, row):
                continue
            value = row.value(column, reader)
            if value is not None:
                yield name, value

    def _is_user_column(self, name: str, row: RowCells) -> bool:
        """Tell whether a column only has the name of an option: see `COMMON_WORDS`."""
        if name not in COMMON_WORDS or name in self._job.columns:
            return False
        word = row.stripped_text(name).lower().removesuffix(".0")
        return word not in COMMON_WORDS[name]


def _remedy(cell: str, references: Sequence[str], earlier: Sequence[str]) -> str | None:
    """Return what to do if a cell was split that may be one reference."""
    if len(references) > len(earlier) and len(cell.splitlines()) > 1:
        return "a line break ends a reference; delete one that stands in a URL"
    pairs = pairwise(references)
    if "|" in cell and any(is_url(left) and is_local(right) for left, right in pairs):
        return "| parts references; write %7C for one that belongs to a URL"
    return None


def _label(cell: object) -> str:
    """Return a cell of any type as text."""
    try:
        return text_of(cell).strip()
    except ValueError:
        return str(cell)
