"""Choose rows of a result table that have images, by a condition in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from batchgen.errors import SpecError, StorageError

_ROWS_AT_ONCE = 2048
_ALWAYS = ("row", "id", "files", "finished_at")


@dataclass(frozen=True)
class Selection:
    """Which rows are chosen, and the columns by which they are grouped.

    Attributes:
        table: A result table.
        by: Columns whose values are needed.
        where: A condition on the columns, in SQL; None for all rows.
    """

    table: Path
    by: Sequence[str] = ()
    where: str | None = None

    def existing_columns(self) -> list[str]:
        """Return the columns of the table.

        Raises:
            StorageError: it cannot be read.
        """
        with self._reading():
            return list(pq.read_schema(self.table).names)

    def used_columns(self) -> list[str]:
        """Return the columns that the selection names, whether or not they exist.

        Raises:
            SpecError: `where` is no condition.
        """
        names = () if self._condition is None else self._condition.meta.root_names()
        return [*self.by, *names]

    def check(self) -> None:
        """Refuse what is no condition on the table's columns.

        Raises:
            SpecError: it is not.
        """
        self._chosen(pl.DataFrame(pq.read_schema(self.table).empty_table()))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows that are chosen and have images.

        Raises:
            StorageError: the table cannot be read.
        """
        columns = {*_ALWAYS, *self.used_columns()}
        with self._reading(), pq.ParquetFile(self.table) as file:
            names = [name for name in file.schema_arrow.names if name in columns]
            if not file.num_row_groups:  # older versions of Arrow fail without any
                return
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=names):
                chosen = self._chosen(pl.DataFrame(batch))
                with_files = chosen.filter(pl.col("files").list.len() > 0)
                yield from with_files.iter_rows(named=True)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except pa.ArrowException as error:
            reason = str(error).partition("\n")[0]
            raise StorageError(f"{self.table} cannot be read: {reason}") from error

    def _chosen(self, frame: pl.DataFrame) -> pl.DataFrame:
        if self._condition is None:
            return frame
        try:
            return frame.filter(self._condition)
        except pl.exceptions.PolarsError as error:
            raise self._no_condition(error) from error

    @cached_property
    def _condition(self) -> pl.Expr | None:
        if self.where is None:
            return None
        try:
            return pl.sql_expr(self.where)
        except pl.exceptions.PolarsError as error:
            raise self._no_condition(error) from error

    def _no_condition(self, error: Exception) -> SpecError:
        reason = str(error).partition("\n")[0]
        return SpecError(
            f"{self.where!r} is no condition on the table's columns: {reason}. Write "
            "SQL such as \"brand = 'Brio' AND cost_usd < 0.1\""
        )
