"""Open a table of any kind, and turn errors of the file system into ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from batchgen.drives import reason_of
from batchgen.errors import SpecError
from batchgen.manifest.csv_dialect import has_header, is_single_column, single_name
from batchgen.manifest.csv_source import CsvSource
from batchgen.manifest.line_source import LineSource
from batchgen.manifest.reading_options import DEFAULT_READING, ReadingOptions
from batchgen.manifest.table_kind import TEXTS, TableKind, find_kind
from batchgen.manifest.table_source import TableSource
from batchgen.manifest.text_encoding import find_encoding, with_byte_order
from batchgen.manifest.text_file import TextFile
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


def open_table(
    job: Job, expected: frozenset[str]
) -> tuple[TableSource, tuple[str, ...]]:
    """Open the table of a job, of one file or of several.

    Args:
        job: Names the files, and how they are written.
        expected: Names that the header must have.

    Returns:
        The table, and notices about how its files are read.

    Raises:
        SpecError: a file is no table, or has no rows.
    """
    reading = ReadingOptions.of(job)
    sources: list[TableSource] = []
    notices: list[str] = []
    for path in job.tables:
        with foreign_errors(path):
            source, remarks = open_source(path, expected, reading)
        sources.append(source)
        notices += remarks
    if len(sources) == 1:
        return sources[0], tuple(notices)
    # Imported here: most tables are one file.
    from batchgen.manifest.united_source import UnitedSource

    return UnitedSource(sources), tuple(notices)


def open_source(
    path: Path, expected: frozenset[str], reading: ReadingOptions = DEFAULT_READING
) -> tuple[TableSource, Sequence[str]]:
    """Open a table and read its header.

    Args:
        path: Of the table.
        expected: Names that its header must have.
        reading: What the user says about how it is written.

    Returns:
        The table, and notices about what kind of file it is.

    Raises:
        SpecError: the file is no table, or has no rows.
    """
    if path.is_dir():
        raise SpecError(f"{shown(path)} is a folder, not a table")
    if path.exists() and not path.is_file():
        # Opening a pipe waits for its writer, and a pipe can be read only once.
        raise SpecError(
            f"{shown(path)} is no regular file: save the table as a file, since it is "
            "read again to carry on"
        )
    file_kind = find_kind(path)
    reading.refuse_unused(path, file_kind.kind)
    notices = [file_kind.notice]
    if file_kind.kind not in TEXTS:
        source = _binary_source(path, file_kind.kind, expected, reading)
    else:
        text = TextFile(path, file_kind.compression)
        encoding, notice = _encoding(text, reading)
        notices.append(notice)
        text = replace(text, encoding=encoding)
        source = _text_source(text, file_kind.kind, expected, reading)
    return source, [notice for notice in notices if notice]


def _encoding(text: TextFile, reading: ReadingOptions) -> tuple[str, str | None]:
    if reading.encoding is None:
        return find_encoding(text)
    return with_byte_order(text, reading.encoding), None


def _text_source(
    text: TextFile, kind: TableKind, expected: frozenset[str], reading: ReadingOptions
) -> TableSource:
    if kind in (TableKind.JSON, TableKind.JSON_LINES):
        # Imported here: a CSV does not need msgspec.
        from batchgen.manifest.json_source import JsonSource

        return JsonSource(text, expected, has_lines=kind is TableKind.JSON_LINES)
    is_list = kind is TableKind.LINES and reading.delimiter is None
    if is_list and not has_header(text, expected):
        header = single_name(text, expected)
        if header is None or not is_single_column(text):
            return LineSource(text, header)
    return CsvSource(text, expected, reading.delimiter)


def _binary_source(
    path: Path, kind: TableKind, expected: frozenset[str], reading: ReadingOptions
) -> TableSource:
    # Imported here: a CSV does not need pyarrow.
    if kind is TableKind.WORKBOOK:
        from batchgen.manifest.workbook_source import WorkbookSource

        return WorkbookSource(path, expected, reading.sheet)
    if kind is TableKind.ARROW:
        from batchgen.manifest.arrow_source import ArrowSource

        return ArrowSource(path)
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
