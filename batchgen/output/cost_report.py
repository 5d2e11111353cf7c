"""Group result tables by any of their columns, and add up their money."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from polars.exceptions import PanicException, PolarsError

from batchgen.errors import SpecError
from batchgen.output.amounts import AMOUNTS, SUMS, Amounts, measures, with_ratios
from batchgen.output.parquet_bomb import bomb_message
from batchgen.output.spreadsheet import safe_frame

_ADVICE = "give a run folder or its results.parquet"

DAY = "day"
"""The UTC day on which a row was first sent."""

REHEARSED = "rehearsed"
"""Name of the column that says whether the amounts are a rehearsal's."""

_NEEDED: Mapping[str, type[pl.DataType]] = {
    "status": pl.String,
    "files": pl.List,
    "attempts": pl.Int32,
    "cost_usd": pl.Decimal,
    "at_risk_usd": pl.Decimal,
    "at_risk_attempts": pl.Int32,
    "estimated_usd": pl.Decimal,
    "started_at": pl.Datetime,
}


@dataclass(frozen=True, slots=True)
class Group:
    """The rows that have these values in the grouping columns."""

    values: tuple[object, ...]
    amounts: Amounts


class ResultTables:
    """Result tables of one or several runs; their user columns may differ."""

    def __init__(self, paths: Sequence[Path], rehearsed: Collection[Path] = ()) -> None:
        """Read the columns of each table, one at least.

        Args:
            paths: The tables.
            rehearsed: Those of them that are of rehearsals.

        Raises:
            SpecError: a file cannot be read, or is no result table.
        """
        self._tables = [(path, _schema(path)) for path in paths]
        self._rehearsed = frozenset(rehearsed)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that can be grouped by: those of at least one table."""
        return tuple({name: 0 for _, schema in self._tables for name in _keys(schema)})

    def costs(self, by: Sequence[str], *, rehearsed: bool = False) -> Costs:
        """Add up, one table after the other, reading only the needed columns.

        Args:
            by: Some of `columns`; null in the rows of a table that lacks one.
            rehearsed: Whether to add up the tables of rehearsals, or all others: never
                both, since the money of rehearsals is not real.

        Raises:
            SpecError: a file is damaged.
        """
        kinds = {name: self._kind(name) for name in by}
        headings = {name: _heading(name) for name in kinds}
        parts = []
        for path, schema in self._tables:
            if (path in self._rehearsed) is not rehearsed:
                continue
            keys = _keys(schema)
            key_columns = [
                (keys[name].read if name in keys else pl.lit(None))
                .cast(kind)
                .alias(headings[name])
                for name, kind in kinds.items()
            ]
            with _reading(path):
                rows = _scan(path).select(*key_columns, *measures())
                sums = _summed(rows, headings.values())
                parts.append(sums.collect(engine="streaming"))
        whole = _summed(pl.concat(parts).lazy(), headings.values()).collect()
        return Costs(whole, tuple(headings.values()), rehearsed=rehearsed)

    def _kind(self, name: str) -> pl.DataType:
        """Return the type of a column; text where tables do not agree on it."""
        kinds = {
            keys[name].kind
            for keys in (_keys(schema) for _, schema in self._tables)
            if name in keys
        }
        kinds.discard(pl.Null())
        return kinds.pop() if len(kinds) == 1 else pl.String()


class Costs:
    """Groups, the most expensive first; a column of days takes precedence.

    Attributes:
        headings: Names of the grouping columns.
        rehearsed: Whether all of it is money of rehearsals, which is not real.
        total: All groups together.
    """

    def __init__(
        self,
        sums: pl.DataFrame,
        headings: tuple[str, ...],
        *,
        rehearsed: bool = False,
    ) -> None:
        self.headings = headings
        self.rehearsed = rehearsed
        days = [name for name in headings if name == DAY]
        order = [*days, "cost_usd", *headings]
        self._sums = sums.sort(
            order, descending=[name == "cost_usd" for name in order], nulls_last=True
        )
        self.total = self.after(0)

    def __len__(self) -> int:
        return self._sums.height

    def __iter__(self) -> Iterator[Group]:
        width = len(self.headings)
        for row in self._with_ratios().iter_rows():
            yield Group(row[:width], _amounts(row[width:]))

    def after(self, first: int) -> Amounts:
        """Return the sum of all groups but the first ones."""
        total = _summed(self._sums.lazy().slice(first), ()).collect()
        return _amounts(with_ratios(total).select(AMOUNTS).row(0))

    def frame(self) -> pl.DataFrame:
        """Return a row for each group; the last column says whether it is rehearsed."""
        mark = pl.lit(self.rehearsed).alias(REHEARSED)
        return self._with_ratios().with_columns(mark)

    def _with_ratios(self) -> pl.DataFrame:
        return with_ratios(self._sums).select(*self.headings, *AMOUNTS)


def csv_of(parts: Sequence[Costs]) -> str:
    """Return a line for each group; amounts with all their decimals.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    return safe_frame(pl.concat(part.frame() for part in parts)).write_csv()


def arrow_of(parts: Sequence[Costs]) -> pa.Table:
    """Return a row for each group; amounts are decimals."""
    frame = pl.concat(part.frame() for part in parts)
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


@dataclass(frozen=True, slots=True)
class _Key:
    """How a column to group by is read, and its type."""

    read: pl.Expr
    kind: pl.DataType


def _keys(schema: pl.Schema) -> dict[str, _Key]:
    keys = {
        name: _Key(pl.col(name), kind)
        for name, kind in schema.items()
        if not kind.is_nested() and kind not in (pl.Binary, pl.Duration)
    }
    # As in the table itself: batchgen's name stays, and the manifest's gets a prefix.
    if DAY in keys:
        keys[f"manifest_{DAY}"] = keys[DAY]
    started = pl.col("started_at").dt.convert_time_zone("UTC")
    return {**keys, DAY: _Key(started.dt.date(), pl.Date())}


def _heading(name: str) -> str:
    return f"by_{name}" if name in (*AMOUNTS, *SUMS, REHEARSED) else name


def _summed(rows: pl.LazyFrame, keys: Iterable[str]) -> pl.LazyFrame:
    sums = [pl.col(name).sum() for name in SUMS]
    keys = list(keys)
    return rows.group_by(keys).agg(sums) if keys else rows.select(sums)


def _amounts(values: tuple[Any, ...]) -> Amounts:
    return Amounts(**dict(zip(AMOUNTS, values, strict=True)))


def _schema(path: Path) -> pl.Schema:
    with _reading(path):
        _refuse_bomb(path)
        schema = _scan(path).collect_schema()
    for name, kind in _NEEDED.items():
        if schema.get(name) != kind:
            state = f"is {schema[name]}" if name in schema else "is missing"
            raise SpecError(
                f"{path}: no result table: column `{name}` {state}; {_ADVICE}"
            )
    return schema


def _refuse_bomb(path: Path) -> None:
    """Refuse a file that claims to hold more than its bytes can.

    Raises:
        SpecError: it does.
    """
    if (message := bomb_message(path)) is not None:
        raise SpecError(f"{path}: no result table: {message}; {_ADVICE}")


def _scan(path: Path) -> pl.LazyFrame:
    # Brackets in a path are no pattern, and a folder named `brand=x` is no column.
    return pl.scan_parquet(path, glob=False, hive_partitioning=False)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    # A damaged file can make polars panic, too.
    except (PolarsError, PanicException, pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SpecError(
            f"{path}: not a whole Parquet file: {reason}; {_ADVICE}"
        ) from error
