"""Read a sheet of a workbook: Excel or OpenDocument.

Their libraries hold a whole sheet in memory. So a child process reads it and writes
its cells as text into a temporary Arrow file, which is read in batches here.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl
from pyarrow import ipc

from batchgen.errors import SpecError
from batchgen.manifest.table_source import SLICE_BYTES, Batch
from batchgen.manifest.wording import shown
from batchgen.manifest.workbook_cells import LINE

_PACKAGES = Path(__file__).parents[2]


class WorkbookSource:
    """A sheet whose header was found; each cell is text, or null if it is empty."""

    unreadable: Mapping[str, str] = MappingProxyType({})
    dropped: frozenset[str] = frozenset()

    def __init__(
        self, path: Path, expected: Collection[str] = (), sheet: str | None = None
    ) -> None:
        """Read the sheet.

        Args:
            path: Of the workbook.
            expected: Names that the header must have: they identify its row.
            sheet: Name of the sheet; None for the first with cells.

        Raises:
            SpecError: the file is broken, or has no such sheet or no rows.
        """
        self.path = path
        request = {"path": str(path), "expected": sorted(expected), "sheet": sheet}
        status = path.stat()
        state = status.st_mtime_ns, status.st_size, status.st_ino
        self._file = _converted(path, json.dumps(request), state)
        with ipc.open_stream(self._file.reader()) as stream:
            self._columns = stream.schema.names[1:]
            document = json.loads(stream.schema.metadata[b"table"])
        self.names = tuple(document["names"])
        self.notices = tuple(f"{shown(path)}{each}" for each in document["notices"])

    def empty(self) -> pl.DataFrame:
        return pl.DataFrame(schema=dict.fromkeys(self.names, pl.String))

    def batches(self, size: int) -> Iterator[Batch]:
        with ipc.open_stream(self._file.reader()) as stream:
            for batch in stream:
                fitting = max(1, SLICE_BYTES * batch.num_rows // max(1, batch.nbytes))
                step = min(size, fitting)
                for start in range(0, batch.num_rows, step):
                    yield self._batch(pl.DataFrame(batch.slice(start, step)))

    def _batch(self, frame: pl.DataFrame) -> Batch:
        cells = frame.drop(LINE)
        cells.columns = [*self.names]
        return Batch(cells, frame.get_column(LINE).to_list())


class _NamelessFile:
    """A temporary file that vanishes with this object, and however the process ends."""

    def __init__(self) -> None:
        self.descriptor, name = tempfile.mkstemp(prefix="batchgen-sheet-")
        Path(name).unlink()
        weakref.finalize(self, os.close, self.descriptor)

    def reader(self) -> _Reader:
        """Return a reader with an offset of its own: several may read at a time."""
        return _Reader(self)


class _Reader(io.RawIOBase):
    def __init__(self, file: _NamelessFile) -> None:
        self._file = file
        self._offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = os.pread(self._file.descriptor, len(view), self._offset)
        self._offset += len(data)
        view[: len(data)] = data
        return len(data)


# A run opens its table twice, and a large sheet takes long to convert.
@lru_cache(maxsize=2)
def _converted(path: Path, request: str, _: tuple[int, ...]) -> _NamelessFile:
    """Return a file that has the sheet as an Arrow stream.

    Args:
        path: Of the workbook.
        request: What the child process is asked for.
        _: State of the workbook; after a change it is converted again.
    """
    file = _NamelessFile()
    command = (sys.executable, "-P", "-m", "batchgen.manifest.workbook_converter")
    done = subprocess.run(  # noqa: S603 - ourselves
        [*command, request],
        stdin=subprocess.DEVNULL,
        stdout=file.descriptor,
        stderr=subprocess.PIPE,
        env=_environment(),
        start_new_session=True,  # so that the terminal's Ctrl-C never reaches it
        check=False,
    )
    if done.returncode:
        raise SpecError(f"{shown(path)}{_problem(done.stderr)}")
    return file


def _environment() -> dict[str, str]:
    """Return the environment without the user's keys, and with batchgen's package."""
    environment = {
        name: value for name, value in os.environ.items() if not name.endswith("_KEY")
    }
    paths = [str(_PACKAGES), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return environment


def _problem(stderr: bytes) -> str:
    last = stderr.decode(errors="replace").strip().rpartition("\n")[2]
    try:
        return str(json.loads(last)["problem"])
    except (ValueError, KeyError, TypeError):
        return f": the workbook cannot be read; save it as .xlsx or CSV ({last[:200]})"
