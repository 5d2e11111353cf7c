"""Turn the cells of a row into a request, or say which column must be corrected."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from batchgen.addresses import is_local, is_url, row_id_of
from batchgen.manifest.cell_values import (
    read_count,
    read_option,
    read_ratio,
    read_resolution,
    text_of,
)
from batchgen.manifest.columns import Layout
from batchgen.manifest.embedded import ImageStore
from batchgen.manifest.expanded_columns import SOURCE_ID
from batchgen.manifest.files import FileContents, FileState
from batchgen.manifest.identity import fingerprint
from batchgen.manifest.parents import NO_PARENTS, Parents
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
    from batchgen.manifest.file_name_template import FileNameTemplate
    from batchgen.manifest.template import PromptTemplate


def stated_model(job: Job) -> str | None:
    """Return the model if the job states the same for all its providers, else None."""
    models = {job.terms_of(provider).model for provider in job.providers}
    return models.pop() if len(models) == 1 else None


class RowReader:
    """Reads the rows of one manifest; bad content of a row never raises."""

    def __init__(
        self,
        layout: Layout,
        template: PromptTemplate | None,
        job: Job,
        parents: Parents = NO_PARENTS,
        file_names: FileNameTemplate | None = None,
    ) -> None:
        """Prepare to read.

        Args:
            layout: What the columns mean.
            template: Of the prompt; None if a column has it.
            job: The job.
            parents: The rows on whose images others build.
            file_names: Of the images; None if a column has them.
        """
        self._layout = layout
        self._parents = parents
        self._file_names = file_names
        self._prompts = PromptReader(layout, template, job)
        self._job = job
        self._model = stated_model(job)
        self._contents = FileContents(job.folder)
        self._locator = ReferenceLocator(job, self._contents, parents)
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
        used |= {SOURCE_ID} if job.expand is not None else set()
        used |= set(file_names.columns) if file_names else set()
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
            filename=self._file_name(row, request),
            provider=row.setting("provider", str),
            problem=row.problem,
            prompt=prompt.text,
            fingerprint=fingerprint(request, self._contents) if request else None,
            budget_group=self._budget_group(cells),
            warning=prompt.warning,
            missing_columns=prompt.missing_columns,
            parents=self._parents.positions(request) if request else (),
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

    def named_rows(self, cells: Mapping[str, object]) -> tuple[str, ...]:
        """Return ids of the rows on whose images a row may build.

        These are the ids that it names, with and without what `[expand]` adds to them.
        """
        row = RowCells(self._layout.name_of, cells)
        suffix = self._suffix(row)
        named = (
            row_id_of(reference)
            for _, references in self._cells_of_references(row)
            for reference in references
        )
        ids = [row_id for row_id in named if row_id is not None]
        return tuple(dict.fromkeys((*ids, *(row_id + suffix for row_id in ids))))

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

    def _cells_of_references(
        self, row: RowCells
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        for column in self._layout.references:
            cell = row.references(column, self._locator.is_file, self._store)
            yield column, cell

    def _suffix(self, row: RowCells) -> str:
        """Return what `[expand]` added to the id of a row."""
        if "id" not in self._layout.name_of or SOURCE_ID not in row.cells:
            return ""
        row_id = row.stripped_text(self._layout.name_of["id"])
        return row_id.removeprefix(row.stripped_text(SOURCE_ID))

    def _file_name(self, row: RowCells, request: ImageRequest | None) -> str | None:
        if self._file_names is None:
            return row.setting("filename", str)
        settings = {} if request is None else _image_settings(row, request)
        try:
            return self._file_names.render(row.cells, settings)
        except ValueError as error:
            row.report("filename", str(error), spares_started=True)
            return None

    def _references(self, row: RowCells) -> tuple[str, ...]:
        filled = [cell for cell in self._cells_of_references(row) if cell[1]]
        if not filled:
            return ()
        row.reference_column = column = filled[0][0]
        if self._layout.joins_references and len(filled) > 1:
            references = (self._judged(row, *cell) for cell in filled)
            return tuple(dict.fromkeys(chain.from_iterable(references)))
        if len(filled) > 1:
            other = filled[1][0]
            row.report(
                other,
                f"`{column}` has references in this row, too: use one, or name both "
                f"by --references {column},{other}",
            )
        return self._judged(row, *filled[0])

    def _judged(
        self, row: RowCells, column: str, references: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Return the references of a cell; report what is wrong with them."""
        references = self._parents.resolved(references, self._suffix(row))
        problem = self._problem_of(references)
        if problem is None:
            return self._parents.as_stored(references)
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


def _image_settings(row: RowCells, request: ImageRequest) -> dict[str, object]:
    """Return what a file name may hold beside the columns, without missing values."""
    settings = {
        "id": row.setting("id", str),
        "aspect_ratio": request.aspect_ratio,
        "resolution": request.resolution,
        "n": request.n,
        "model": request.model,
    }
    return {name: value for name, value in settings.items() if value is not None}


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
