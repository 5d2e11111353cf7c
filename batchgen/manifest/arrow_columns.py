"""The columns of an Arrow table: which of them can be read, and as what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
import polars.selectors as cs
import pyarrow as pa
from polars.exceptions import PanicException

from batchgen.errors import SpecError
from batchgen.manifest.parquet_types import changes_meaning, supported_type
from batchgen.manifest.wording import shown


class ArrowColumns:
    """The columns of a table with types; its readers extend this class.

    A column that polars does not support is converted to a type with the same meaning,
    or else left out.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        """Judge the types.

        Raises:
            SpecError: no column can be read.
        """
        self.path = path
        self.names: tuple[str, ...] = tuple(schema.names)
        self._schema = schema
        self._targets = {field.name: _target(field) for field in schema}
        if len(self.dropped) == len(self._targets):
            raise SpecError(next(iter(self.unreadable.values()), "no columns"))

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Columns whose type cannot be read, each with what to do about it."""
        return {
            field.name: (
                f"{shown(self.path)}, column `{field.name}`: its type {field.type} "
                "cannot be read; write the column as text, or drop it"
            )
            for field in self._converted_fields()
        }

    @property
    def dropped(self) -> frozenset[str]:
        """Columns that cannot be copied into the result table."""
        return frozenset(name for name, kind in self._targets.items() if kind is None)

    @property
    def notices(self) -> tuple[str, ...]:
        """What happens to columns whose type is not supported."""
        return tuple(self._notice(field) for field in self._converted_fields())

    def _converted_fields(self) -> Iterator[pa.Field]:
        for field in self._schema:
            if self._targets[field.name] is None or changes_meaning(field.type):
                yield field

    def _notice(self, field: pa.Field) -> str:
        target = self._targets[field.name]
        fate = "left out of" if target is None else f"carried as {target} to"
        return (
            f"{shown(self.path)}, column `{field.name}`: its type {field.type} cannot "
            f"be read, so the column is {fate} the result table"
        )

    def empty(self) -> pl.DataFrame:
        """Return the supported columns without rows."""
        fields = [(name, kind) for name, kind in self._targets.items() if kind]
        return _to_frame(pl.from_arrow(pa.schema(fields).empty_table()))

    def _frame(self, batch: pa.RecordBatch) -> pl.DataFrame:
        """Return the supported columns of a batch."""
        columns = {
            name: column.cast(target)
            for name, column in zip(self.names, batch.columns, strict=True)
            if (target := self._targets[name]) is not None
        }
        # Without the schema's metadata: polars panics if it is not UTF-8.
        table = pa.Table.from_arrays(list(columns.values()), names=list(columns))
        try:
            return _to_frame(pl.from_arrow(table))
        except PanicException as error:
            kinds = ", ".join(
                f"`{field.name}` ({field.type})" for field in self._schema
            )
            raise SpecError(
                f"{shown(self.path)}: some column cannot be read, write it as text or "
                f"drop it: {kinds}: {error}"
            ) from error


def _target(field: pa.Field) -> pa.DataType | None:
    """Return the type to convert a column to; None if it is not supported."""
    target = supported_type(field.type)
    try:
        empty = pa.schema([field.remove_metadata()]).empty_table().column(0)
        return target if target is None else empty.cast(target).type
    except pa.ArrowException:
        return None


def _to_frame(read: pl.DataFrame | pl.Series) -> pl.DataFrame:
    """Return the frame of a table; by its signature polars might return a series."""
    frame = read if isinstance(read, pl.DataFrame) else read.to_frame()
    # The categories differ from batch to batch, which one table does not allow.
    return frame.cast({cs.categorical(): pl.String, cs.enum(): pl.String})
