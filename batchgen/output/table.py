"""Write the result table: one Parquet file, one line for each manifest row."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate
from operator import attrgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from batchgen.errors import DiskFull, StorageError
from batchgen.model import FileRecord, ResultRow

# A row group is what a reader fetches at once: enough rows to compress well, few
# enough bytes that long prompts do not fill the memory.
_GROUP_ROWS = 16_384
_GROUP_BYTES = 32 * 2**20

# Large, because a slice of long cells can pass the 2 GiB that plain strings hold; in
# the Parquet file, and to its readers, both are the same strings.
_TEXT = pa.large_string()
_USD = pa.decimal128(18, 9)
_MOMENT = pa.timestamp("us", tz="UTC")

_FILE = pa.struct(
    {
        "name": _TEXT,
        "archive": _TEXT,
        "image": pa.int32(),
        "media_type": _TEXT,
        "width_px": pa.int32(),
        "height_px": pa.int32(),
        "size_bytes": pa.int64(),
        "sha256": _TEXT,
    }
)

_OURS = pa.schema(
    {
        "row": pa.int64(),
        "id": _TEXT,
        "status": _TEXT,
        "prompt": _TEXT,
        "provider": _TEXT,
        "model": _TEXT,
        "aspect_ratio": _TEXT,
        "resolution": _TEXT,
        "files": pa.list_(_FILE),
        "attempts": pa.int32(),
        "cost_usd": _USD,
        "cost_basis": _TEXT,
        "at_risk_usd": _USD,
        "at_risk_attempts": pa.int32(),
        "estimated_usd": _USD,
        "error": _TEXT,
        "message": _TEXT,
        "warning": _TEXT,
        "request_id": _TEXT,
        "started_at": _MOMENT,
        "finished_at": _MOMENT,
        "latency_s": pa.float64(),
    }
)
_SHARED = pa.field("shared_with", _TEXT)
"""Only in the table of a run in which rows share purchases."""


def write_table(
    path: Path,
    slices: Iterable[tuple[Sequence[ResultRow], bytes | None]],
    own_schema: bytes | None,
    *,
    is_shared: bool = False,
) -> None:
    """Write the table whole, or leave the old one untouched.

    Memory holds one row group, however many rows there are.

    Args:
        path: Replaced in one step once everything is on disk.
        slices: Rows in manifest order, each slice with the manifest's own columns of
            exactly these rows as Arrow IPC (stream or file); None where they are not
            known, which leaves them null.
        own_schema: The same columns without rows. They alone decide what stands in
            the table; None for a manifest that has none.
        is_shared: Whether rows share purchases; then `shared_with` says with whom.

    Raises:
        DiskFull: the file system or the quota is full.
        StorageError: it cannot be written, or own columns do not belong to their rows.
    """
    own = _without_rows(own_schema)
    ours = _OURS.append(_SHARED) if is_shared else _OURS
    partial = path.with_name(f"{path.name}.partial")
    try:
        with _storage_errors(path):
            schema = _layout(ours, own)
            _write_durably(partial, _tables(slices, ours, own, schema), schema)
            partial.replace(path)
            _sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def _write_durably(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> None:
    with path.open("wb") as file:
        with pq.ParquetWriter(
            file, schema, compression="zstd", store_decimal_as_integer=True
        ) as writer:
            for group in _row_groups(tables):
                writer.write_table(group, row_group_size=group.num_rows)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # The rename itself is on disk only when the folder is.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"no space left to write {path}; free some and run the same command"
                " again"
            ) from error
        reason = error.strerror or error
        raise StorageError(f"cannot write {path}: {reason}") from error


def _row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    rows = size_bytes = 0
    for table in tables:
        waiting.append(table)
        rows += table.num_rows
        size_bytes += table.nbytes
        if rows >= _GROUP_ROWS or size_bytes >= _GROUP_BYTES:
            yield pa.concat_tables(waiting)
            waiting, rows, size_bytes = [], 0, 0
    if rows:
        yield pa.concat_tables(waiting)


def _tables(
    slices: Iterable[tuple[Sequence[ResultRow], bytes | None]],
    ours: pa.Schema,
    own: pa.Schema,
    schema: pa.Schema,
) -> Iterator[pa.Table]:
    for rows, data in slices:
        columns = [_column(field, rows) for field in ours]
        columns += _own_columns(data, own, rows)
        yield pa.Table.from_arrays(columns, schema=schema)


def _column(field: pa.Field, rows: Sequence[ResultRow]) -> pa.Array:
    if field.name == "files":
        return _files(rows)
    return pa.array(list(map(attrgetter(field.name), rows)), field.type)


def _files(rows: Sequence[ResultRow]) -> pa.Array:
    # Flat columns and offsets: a dictionary for every image would cost far more.
    files: list[FileRecord] = [file for row in rows for file in row.files]
    offsets = accumulate((len(row.files) for row in rows), initial=0)
    columns = [
        pa.array(list(map(attrgetter(field.name), files)), field.type)
        for field in _FILE
    ]
    structs = pa.StructArray.from_arrays(columns, fields=list(_FILE))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs)


def _own_columns(
    data: bytes | None, own: pa.Schema, rows: Sequence[ResultRow]
) -> list[pa.Array]:
    if data is None:
        return [pa.nulls(len(rows), field.type) for field in own]
    table = _read(data)
    if table.num_rows != len(rows) and own.names:
        raise StorageError(
            f"own columns of {table.num_rows} rows came for {len(rows)} rows,"
            f" {_span(rows)}"
        )
    try:
        return [_own_column(table, field) for field in own]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise StorageError(
            f"own columns of {_span(rows)} are of another type: {error}"
        ) from error


def _own_column(table: pa.Table, field: pa.Field) -> pa.Array:
    if field.name not in table.column_names:
        return pa.nulls(table.num_rows, field.type)
    column = table.column(field.name)
    if pa.types.is_dictionary(column.type):
        column = pa.chunked_array(
            [_decoded(chunk) for chunk in column.chunks], _plain(column.type)
        )
    return column.cast(field.type)


def _decoded(array: pa.DictionaryArray) -> pa.Array:
    # Arrow cannot take from a dictionary of views, and polars writes just that.
    values = array.dictionary.cast(_plain(array.dictionary.type))
    return pa.DictionaryArray.from_arrays(array.indices, values).dictionary_decode()


def _span(rows: Sequence[ResultRow]) -> str:
    return f"rows {rows[0].row} to {rows[-1].row}" if rows else "no row"


def _without_rows(data: bytes | None) -> pa.Schema:
    """Return the schema of own columns, in types that every Parquet reader knows."""
    if data is None:
        return pa.schema([])
    return pa.schema([(field.name, _plain(field.type)) for field in _read(data).schema])


def _read(data: bytes) -> pa.Table:
    is_file = data.startswith(b"ARROW1")
    try:
        opened = pa.ipc.open_file(data) if is_file else pa.ipc.open_stream(data)
        return opened.read_all()
    # A record cut in its middle is an OSError to Arrow.
    except (pa.ArrowInvalid, OSError) as error:
        raise StorageError(f"own columns cannot be read: {error}") from error


def _plain(kind: pa.DataType) -> pa.DataType:
    # Types that exist in memory alone: views, dictionaries, and nothing but nulls.
    types = pa.types
    if types.is_dictionary(kind):
        return _plain(kind.value_type)
    if types.is_null(kind) or types.is_string(kind) or types.is_string_view(kind):
        return _TEXT
    if types.is_binary(kind) or types.is_binary_view(kind):
        return pa.large_binary()
    return _plain_inside(kind) if types.is_nested(kind) else kind


def _plain_inside(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _plain(field.type)) for field in kind])
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_plain(kind.value_type), kind.list_size)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.large_list(_plain(kind.value_type))
    return kind


def _layout(ours: pa.Schema, own: pa.Schema) -> pa.Schema:
    """Return all columns; a name of ours that the manifest has, too, gets a prefix."""
    taken = {*ours.names, *own.names}
    fields = list(ours)
    for field in own:
        name = field.name
        if name in ours.names:
            while name in taken:
                name = f"manifest_{name}"
            taken.add(name)
        fields.append(field.with_name(name))
    return pa.schema(fields)
