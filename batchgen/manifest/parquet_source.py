"""Read Parquet in batches of typed columns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from polars.exceptions import PolarsError

from batchgen.errors import SpecError
from batchgen.manifest.arrow_columns import ArrowColumns
from batchgen.manifest.table_source import SLICE_BYTES, Batch
from batchgen.manifest.wording import shown

_READ_BUFFER = 1024 * 1024


class ParquetSource(ArrowColumns):
    """A Parquet file whose schema was read; columns keep their types."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._open() as file:
            schema = file.schema_arrow
            self._rows, self._bytes = file.metadata.num_rows, _cell_bytes(file.metadata)
        if self._rows == 0:
            raise SpecError(f"{shown(path)}: no rows in the table")
        super().__init__(path, schema)

    def batches(self, size: int) -> Iterator[Batch]:
        fitting = max(1, SLICE_BYTES * self._rows // max(1, self._bytes))
        done = 0
        with self._open() as file:
            if file.schema_arrow != self._schema:
                raise SpecError(f"{shown(self.path)}: changed while it was read")
            # Threads and whole column chunks would be faster, but need more memory.
            for batch in file.iter_batches(min(size, fitting), use_threads=False):
                batch.validate(full=True)  # refuses text that is not UTF-8
                done += batch.num_rows
                yield Batch(self._frame(batch), None)
        if done != self._rows:
            raise SpecError(
                f"{shown(self.path)}: broken: {done} of {self._rows} rows can be read"
            )

    @contextmanager
    def _open(self) -> Iterator[pq.ParquetFile]:
        try:
            with pq.ParquetFile(self.path, buffer_size=_READ_BUFFER) as file:
                yield file
        except (pa.ArrowException, PolarsError, OSError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise SpecError(
                f"{shown(self.path)}: not a whole Parquet file, write it anew: {reason}"
            ) from error


def _cell_bytes(metadata: pq.FileMetaData) -> int:
    groups = range(metadata.num_row_groups)
    return sum(metadata.row_group(group).total_byte_size for group in groups)
