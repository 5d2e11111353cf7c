"""Open a table by its suffix, and turn errors of the file system into ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batchgen.drives import reason_of
from batchgen.errors import SpecError
from batchgen.manifest.csv_source import CsvSource
from batchgen.manifest.file_content import hint_for_suffix
from batchgen.manifest.table_source import SUFFIXES, TableSource
from batchgen.manifest.wording import missing_file, shown
from batchgen.model import Job
from batchgen.shortage import refuse_shortage


def expected_names(job: Job) -> frozenset[str]:
    """Return the names that the header of a job's table must have."""
    if job.prompt is None:
        return frozenset({job.columns.get("prompt", "prompt")})
    # Imported here: a prompt from a column does not need Jinja.
    from batchgen.manifest.template import needed_names

    return needed_names(job.prompt)


def open_source(path: Path, expected: frozenset[str]) -> TableSource:
    """Open a table and read its header.

    Args:
        path: Of the table.
        expected: Names that its header must have.

    Raises:
        SpecError: the file is no table, or has no rows.
    """
    if path.is_dir():
        raise SpecError(f"{shown(path)} is a folder, not a CSV or Parquet file")
    if path.exists() and not path.is_file():
        # Opening a pipe waits for its writer, and a pipe can be read only once.
        raise SpecError(
            f"{shown(path)} is no regular file: save the table as a file, since it is "
            "read again to carry on"
        )
    path.open("rb").close()  # reports a file without permission as such
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise SpecError(
            f"{shown(path)}: a manifest is a CSV (.csv) or Parquet (.parquet, .pq) "
            f"file{hint_for_suffix(path)}"
        )
    if suffix == ".csv":
        return CsvSource(path, expected)
    # Imported here: a CSV does not need pyarrow.
    from batchgen.manifest.parquet_source import ParquetSource

    return ParquetSource(path)


@contextmanager
def foreign_errors(path: Path) -> Iterator[None]:
    """Turn errors of the file system into ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise SpecError(missing_file(path)) from error
    except OSError as error:
        refuse_shortage(error)
        raise SpecError(f"{shown(path)}: {reason_of(error)}") from error
