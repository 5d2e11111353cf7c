"""Which rows a job is about: by condition, positions, ids, first of each, sample."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from batchgen.errors import SpecError
from batchgen.manifest.columns import Layout
from batchgen.manifest.condition import Condition
from batchgen.manifest.opening import foreign_errors, open_source
from batchgen.manifest.table_source import Batch
from batchgen.manifest.wording import did_you_mean, files_shown, listed, shown
from batchgen.model import Job
from batchgen.model.row_scope import RowScope

Batches = Callable[[], Iterable[Batch]]
"""Reads the table again from its start."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The choices of a job, checked against the columns of its table.

    Attributes:
        ids: The ids to choose, and the column that has them; None for any id.
    """

    job: Job
    condition: Condition | None
    ids: tuple[list[str], str] | None

    def judge(self, frame: pl.DataFrame, position: int) -> pl.Series:
        """Return which rows of a frame fulfil condition, positions and ids."""
        mask = pl.repeat(True, frame.height, eager=True)  # noqa: FBT003
        if self.condition is not None:
            mask &= self.condition.judge(frame, position)
        if self.job.rows:
            mask &= _at_positions(self.job.rows, position, frame.height)
        if self.ids is not None:
            ids, column = self.ids
            is_listed = _texts(frame.get_column(column)).is_in(ids)
            mask &= is_listed.fill_null(value=False)
        return mask


def check_choice(job: Job, layout: Layout) -> Choice:
    """Return the choices of a job, as far as the header tells that they are possible.

    Raises:
        SpecError: a choice names a column that the table lacks, or cannot be read.
    """
    if job.dedupe:
        raise SpecError(
            "`dedupe` and a choice of rows do not go together, since a chosen row may "
            "share the image of one that is left out: leave one of them out"
        )
    condition = None
    if job.where is not None:
        condition = Condition(job.where, layout.names, files_shown(job.tables))
    if job.first_by is not None:
        _check_column(job.first_by, layout, "first-by", job)
    ids = None if job.ids is None else (_read_ids(job.ids), _id_column(job, layout))
    return Choice(job, condition, ids)


def choose_rows(job: Job, layout: Layout, batches: Batches) -> RowScope:
    """Return the rows that a job chooses.

    Each choice narrows what the ones before it left: condition, positions and ids, then
    the first of each value, then the sample, then the limit.

    Raises:
        SpecError: a choice cannot be applied to the table.
    """
    choice = check_choice(job, layout)
    if choice.condition is not None:
        choice.condition.prepare(batches())
    masks: list[pl.Series] = []
    values: list[pl.Series] = []
    position = 0
    for batch in batches():
        masks.append(choice.judge(batch.frame, position))
        if job.first_by is not None:
            values.append(_texts(batch.frame.get_column(job.first_by)).hash())
        position += batch.frame.height
    mask = pl.concat(masks) if masks else pl.Series(dtype=pl.Boolean)
    if values:
        mask = _first_of_each(mask, pl.concat(values))
    return _sampled(job, mask)


def _at_positions(ranges: Iterable[range], start: int, height: int) -> pl.Series:
    positions = pl.Series(range(start, start + height), dtype=pl.Int64)
    mask = pl.repeat(False, height, eager=True)  # noqa: FBT003
    for each in ranges:
        mask |= positions.is_between(each.start, each.stop - 1)
    return mask


def _texts(column: pl.Series) -> pl.Series:
    """Return cells as text without blanks around it."""
    if column.dtype.is_nested():
        return pl.Series([json.dumps(cell, default=str) for cell in column.to_list()])
    return column.cast(pl.String, strict=False).str.strip_chars()


def _first_of_each(mask: pl.Series, values: pl.Series) -> pl.Series:
    """Keep of the chosen rows the first with each value."""
    frame = pl.DataFrame({"is_chosen": mask, "value": values}).with_row_index()
    firsts = frame.filter("is_chosen").unique("value", keep="first")
    return frame.get_column("index").is_in(firsts.get_column("index").implode())


def _sampled(job: Job, mask: pl.Series) -> RowScope:
    positions = mask.arg_true()
    if job.sample is not None and job.sample < positions.len():
        picks = random.Random(job.sample_seed).sample(
            range(positions.len()), job.sample
        )
        positions = positions.gather(sorted(picks))
    if job.limit is not None:
        positions = positions.head(job.limit)
    bits = bytearray(mask.len())
    for position in positions:
        bits[position] = 1
    return RowScope.of_flags(bytes(bits))


def _read_ids(path: Path) -> list[str]:
    """Return the ids of a file: one a line, or the column `id` of a table."""
    with foreign_errors(path):
        source, _ = open_source(path, frozenset({"id"}))
        name = "id" if "id" in source.names else source.names[0]
        if name != "id" and len(source.names) > 1:
            raise SpecError(
                f"{shown(path)}: no column `id` (it has {listed(source.names)}): a "
                "file of ids has one a line, or a column `id`"
            )
        parts = [_texts(batch.frame.get_column(name)) for batch in source.batches(1000)]
    return pl.concat(parts).drop_nulls().unique().to_list()


def _id_column(job: Job, layout: Layout) -> str:
    if (name := layout.name_of.get("id")) is not None:
        return name
    raise SpecError(
        f"{files_shown(job.tables)}: no column is the id, which --ids needs: say "
        f"which, with --id COLUMN (it has {listed(layout.names)})"
    )


def _check_column(name: str, layout: Layout, option: str, job: Job) -> None:
    if name not in layout.names:
        raise SpecError(
            f"{files_shown(job.tables)}: no column `{name}`, which --{option} names"
            f"{did_you_mean(name, layout.names)} (it has {listed(layout.names)})"
        )
