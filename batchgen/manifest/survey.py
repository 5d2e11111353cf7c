"""Survey a table: what its columns hold, for proposals about a job."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from batchgen.manifest.cell_values import text_of
from batchgen.manifest.embedded import holds_images
from batchgen.manifest.frame_rows import as_rows
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.missing_values import is_missing
from batchgen.model import Job

MAX_ROWS = 50_000
"""Rows that are looked at; a check reads all of them."""
_BATCH_ROWS = 1000
_MAX_TEXTS = 200
_MAX_CHARACTERS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSurvey:
    """What a column holds.

    Attributes:
        texts: Its first values, each cut to a sensible length.
        filled: The share of rows with a value, from 0 to 1.
        distinct: The share of rows with a value that no earlier row has.
        holds_images: Whether its cells are images themselves.
    """

    name: str
    texts: tuple[str, ...]
    filled: float
    distinct: float
    holds_images: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a table holds, by its first rows."""

    path: Path
    columns: tuple[ColumnSurvey, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)


def survey_table(path: Path) -> Survey:
    """Read the first rows of a table.

    Raises:
        SpecError: the file is no table, has no rows, or cannot be read.
    """
    # What the job asks for does not matter here: only its table is read.
    job = Job(source=path, manifest=path, out=path.parent, providers=(), prompt="-")
    manifest = Manifest.open(job)
    frames = list(_first_frames(manifest))
    return Survey(
        path=path,
        columns=tuple(
            _survey_of(name, frames, images=holds_images(kind))
            for name, kind in manifest.columns().items()
        ),
    )


def _first_frames(manifest: Manifest) -> Iterator[pl.DataFrame]:
    rows = 0
    for frame in manifest.frames(_BATCH_ROWS):
        yield frame
        rows += frame.height
        if rows >= MAX_ROWS:
            return


def _survey_of(name: str, frames: list[pl.DataFrame], *, images: bool) -> ColumnSurvey:
    if images:
        return ColumnSurvey(
            name=name, texts=(), filled=1.0, distinct=0.0, holds_images=True
        )
    texts = [text for frame in frames for text in _texts(frame.select(name))]
    rows = max(1, sum(frame.height for frame in frames))
    return ColumnSurvey(
        name=name,
        texts=tuple(text[:_MAX_CHARACTERS] for text in texts[:_MAX_TEXTS]),
        filled=len(texts) / rows,
        distinct=len(set(texts)) / rows,
        holds_images=False,
    )


def _texts(column: pl.DataFrame) -> Iterator[str]:
    """Yield the values of a column as text; cells without a value are left out."""
    for (cell,) in map(dict.values, as_rows(column)):
        if is_missing(cell):
            continue
        try:
            yield text_of(cell).strip()
        except ValueError:  # a structure
            yield str(cell)
