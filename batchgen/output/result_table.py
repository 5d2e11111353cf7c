"""Write the result table: one Parquet file, one line for each manifest row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from operator import attrgetter
from pathlib import Path

import pyarrow as pa

from batchgen.errors import StorageError
from batchgen.model import FileRecord, ResultRow
from batchgen.output.parquet import MOMENT, TEXT, USD, write_parquet

_FILE = pa.struct(
    {
        "name": TEXT,
        "archive": TEXT,
        "image": pa.int32(),
        "media_type": TEXT,
        "width_px": pa.int32(),
        "height_px": pa.int32(),
        "size_bytes": pa.int64(),
        "sha256": TEXT,
    }
)

SCHEMA = pa.schema(
    {
        "row": pa.int64(),
        "id": TEXT,
        "status": TEXT,
        "prompt": TEXT,
        "provider": TEXT,
        "model": TEXT,
        "aspect_ratio": TEXT,
        "resolution": TEXT,
        "files": pa.list_(_FILE),
        "attempts": pa.int32(),
        "cost_usd": USD,
        "cost_basis": TEXT,
        "at_risk_usd": USD,
        "at_risk_attempts": pa.int32(),
        "estimated_usd": USD,
        "error": TEXT,
        "message": TEXT,
        "warning": TEXT,
        "request_id": TEXT,
        "started_at": MOMENT,
        "finished_at": MOMENT,
        "latency_s": pa.float64(),
    }
)
_SHARED = pa.field("shared_with", TEXT)
"""Only in the table of a run in which rows share purchases."""

_Slice = tuple[Sequence[ResultRow], bytes | None]

_HELD_ROWS = 2048
_HELD_CHARACTERS = 2**20

# Reading a slice takes less time than starting work in other threads.
_IN_THIS_THREAD = pa.ipc.IpcReadOptions(use_threads=False)


def write_table(
    path: Path,
    slices: Iterable[_Slice],
    user_schema: bytes | None,
    *,
    is_shared: bool = False,
    mode: str | None = None,
) -> None:
    """Write the table whole, or leave the old one untouched.

    Memory holds one row group, however many rows there are.

    Args:
        path: Replaced in one step once everything is on disk.
        slices: Rows in manifest order, each slice with the user's columns of exactly
            these rows as Arrow IPC (stream or file); None if these are unknown, which
            makes them null.
        user_schema: The same columns without rows. Only these are in the table; None
            for a manifest without columns of its own.
        is_shared: Whether rows share purchases; then the table has `shared_with`.
        mode: The kind of run; see `write_parquet`.

    Raises:
        DiskFull: the file system or the quota is full.
        StorageError: it cannot be written, or own columns do not belong to their rows.
    """
    user_fields = _without_rows(user_schema)
    batchgen_schema = SCHEMA.append(_SHARED) if is_shared else SCHEMA
    schema = _layout(batchgen_schema, user_fields)
    write_parquet(
        path, _tables(slices, batchgen_schema, user_fields, schema), schema, mode
    )


def _tables(
    slices: Iterable[_Slice],
    batchgen_schema: pa.Schema,
    user_fields: pa.Schema,
    schema: pa.Schema,
) -> Iterator[pa.Table]:
    for part in _together(slices):
        rows = [row for of_slice, _ in part for row in of_slice]
        columns = [_column(field, rows) for field in batchgen_schema]
        user_tables = [
            pa.Table.from_arrays(
                _user_columns(data, user_fields, of_slice), schema=user_fields
            )
            for of_slice, data in part
        ]
        columns += pa.concat_tables(user_tables).columns
        yield pa.Table.from_arrays(columns, schema=schema)


def _together(slices: Iterable[_Slice]) -> Iterator[list[_Slice]]:
    # Starting a column costs as much as a hundred of its values.
    held: list[_Slice] = []
    rows = characters = 0
    for part in slices:
        held.append(part)
        rows += len(part[0])
        characters += sum([len(row.prompt or "") for row in part[0]])
        if rows >= _HELD_ROWS or characters >= _HELD_CHARACTERS:
            yield held
            held, rows, characters = [], 0, 0
    if held:
        yield held


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


def _user_columns(
    data: bytes | None, user_fields: pa.Schema, rows: Sequence[ResultRow]
) -> list[pa.Array]:
    if data is None:
        return [pa.nulls(len(rows), field.type) for field in user_fields]
    table = _read(data)
    if table.num_rows != len(rows) and user_fields.names:
        raise StorageError(
            f"own columns of {table.num_rows} rows came for {len(rows)} rows,"
            f" {_span(rows)}"
        )
    try:
        return [_user_column(table, field) for field in user_fields]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise StorageError(
            f"own columns of {_span(rows)} are of another type: {error}"
        ) from error


def _user_column(table: pa.Table, field: pa.Field) -> pa.Array:
    if field.name not in table.column_names:
        return pa.nulls(table.num_rows, field.type)
    column = table.column(field.name)
    if pa.types.is_dictionary(column.type):
        column = pa.chunked_array(
            [_decoded(chunk) for chunk in column.chunks], _plain(column.type)
        )
    return column.cast(field.type)


def _decoded(array: pa.DictionaryArray) -> pa.Array:
    # Arrow cannot decode a dictionary of views, and polars writes just that.
    values = array.dictionary.cast(_plain(array.dictionary.type))
    return pa.DictionaryArray.from_arrays(array.indices, values).dictionary_decode()


def user_values(data: bytes | None) -> dict[str, list[object]]:
    """Return a slice's user columns that have one value a row, by the user's names.

    Raises:
        StorageError: they cannot be read.
    """
    if data is None:
        return {}
    table = _read(data)
    plain = pa.schema([(field.name, _plain(field.type)) for field in table.schema])
    return {
        field.name: _user_column(table, field).to_pylist()
        for field in plain
        if not pa.types.is_nested(field.type)
        and not pa.types.is_large_binary(field.type)
    }


def _span(rows: Sequence[ResultRow]) -> str:
    return f"rows {rows[0].row} to {rows[-1].row}" if rows else "no row"


def _without_rows(data: bytes | None) -> pa.Schema:
    """Return the schema of user columns, in types that every Parquet reader knows."""
    if data is None:
        return pa.schema([])
    return pa.schema([(field.name, _plain(field.type)) for field in _read(data).schema])


def _read(data: bytes) -> pa.Table:
    is_file = data.startswith(b"ARROW1")
    try:
        opening = pa.ipc.open_file if is_file else pa.ipc.open_stream
        return opening(data, options=_IN_THIS_THREAD).read_all()
    # Arrow raises an OSError for a truncated record.
    except (pa.ArrowInvalid, OSError) as error:
        raise StorageError(f"own columns cannot be read: {error}") from error


def _plain(kind: pa.DataType) -> pa.DataType:
    # Replaced are types that exist only in memory: views, dictionaries, and null.
    types = pa.types
    if types.is_dictionary(kind):
        return _plain(kind.value_type)
    if types.is_null(kind) or types.is_string(kind) or types.is_string_view(kind):
        return TEXT
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


def _layout(batchgen_schema: pa.Schema, user_fields: pa.Schema) -> pa.Schema:
    """Return all columns; a user's column with a name of batchgen's gets a prefix."""
    used_names = {*batchgen_schema.names, *user_fields.names}
    fields = list(batchgen_schema)
    for field in user_fields:
        name = field.name
        if name in batchgen_schema.names:
            while name in used_names:
                name = f"manifest_{name}"
            used_names.add(name)
        fields.append(field.with_name(name))
    return pa.schema(fields)
