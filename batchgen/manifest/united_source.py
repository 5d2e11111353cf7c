"""Several files as one table: their columns are united by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl
from polars.exceptions import PolarsError

from batchgen.errors import SpecError
from batchgen.manifest.table_source import Batch, TableSource
from batchgen.manifest.wording import shown


class UnitedSource:
    """The rows of several tables, one table after another.

    A column that a table lacks is empty in its rows.
    """

    def __init__(self, sources: Sequence[TableSource]) -> None:
        """Unite tables.

        Raises:
            SpecError: a column has types that do not go together.
        """
        self._sources = sources
        self.path = sources[0].path
        self.names = tuple(
            dict.fromkeys(name for source in sources for name in source.names)
        )
        self.notices = tuple(notice for source in sources for notice in source.notices)
        self._empty = _united(sources).drop(self.dropped, strict=False)

    @property
    def unreadable(self) -> Mapping[str, str]:
        return {
            name: reason
            for source in self._sources
            for name, reason in source.unreadable.items()
        }

    @property
    def dropped(self) -> frozenset[str]:
        return frozenset().union(*(source.dropped for source in self._sources))

    def empty(self) -> pl.DataFrame:
        return self._empty

    def batches(self, size: int) -> Iterator[Batch]:
        for source in self._sources:
            for batch in source.batches(size):
                yield Batch(self._aligned(batch.frame), batch.lines, source.path)

    def _aligned(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select(
            (pl.col(name) if name in frame.columns else pl.lit(None))
            .cast(kind)
            .alias(name)
            for name, kind in self._empty.schema.items()
        )


def _united(sources: Sequence[TableSource]) -> pl.DataFrame:
    """Return all columns without rows."""
    empty = sources[0].empty()
    for source in sources[1:]:
        other = source.empty()
        try:
            empty = pl.concat([empty, other], how="diagonal_relaxed")
        except PolarsError as error:
            names = [
                name
                for name, kind in other.schema.items()
                if name in empty.schema and empty.schema[name] != kind
            ]
            name = names[0] if names else ""
            raise SpecError(
                f"{shown(source.path)}, column `{name}`: its type "
                f"{other.schema.get(name)} does not go with {empty.schema.get(name)} "
                "in an earlier file: write the column in all files alike"
            ) from error
    return empty
