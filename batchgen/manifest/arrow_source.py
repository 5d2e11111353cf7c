"""Read Arrow files and streams (Feather, `datasets`) in batches of typed columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from polars.exceptions import PolarsError
from pyarrow import ipc

from batchgen.errors import SpecError
from batchgen.manifest.arrow_columns import ArrowColumns
from batchgen.manifest.table_source import SLICE_BYTES, Batch
from batchgen.manifest.wording import shown

_FILE_MAGIC = b"ARROW1"


class ArrowSource(ArrowColumns):
    """An Arrow file whose schema was read; columns keep their types."""

    def __init__(self, path: Path) -> None:
        self.path = path
        batch = next((batch for batch in self._read() if batch.num_rows), None)
        if batch is None:
            raise SpecError(f"{shown(path)}: no rows in the table")
        super().__init__(path, batch.schema)

    def batches(self, size: int) -> Iterator[Batch]:
        for batch in self._read():
            if batch.schema != self._schema:
                raise SpecError(f"{shown(self.path)}: changed while it was read")
            # Not `nbytes`, which older versions of Arrow lack for some types.
            size_bytes = max(1, batch.get_total_buffer_size())
            fitting = max(1, SLICE_BYTES * batch.num_rows // size_bytes)
            step = min(size, fitting)
            for start in range(0, batch.num_rows, step):
                part = batch.slice(start, step)
                part.validate(full=True)  # refuses text that is not UTF-8
                yield Batch(self._frame(part), None)

    def _read(self) -> Iterator[pa.RecordBatch]:
        try:
            # Mapped: one batch of other programs may be the whole table.
            with pa.memory_map(str(self.path)) as mapped:
                if mapped.read_buffer(len(_FILE_MAGIC)).to_pybytes() == _FILE_MAGIC:
                    reader = ipc.open_file(mapped)
                    for index in range(reader.num_record_batches):
                        yield reader.get_batch(index)
                else:
                    mapped.seek(0)
                    yield from ipc.open_stream(mapped)
        except (pa.ArrowException, PolarsError, OSError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise SpecError(
                f"{shown(self.path)}: not a whole Arrow file, write it anew: {reason}"
            ) from error
