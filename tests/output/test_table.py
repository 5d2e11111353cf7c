from __future__ import annotations

import io
import os
import resource
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchgen.errors import DiskFull, StorageError
from batchgen.model import Basis, FileRecord, ResultRow, Status
from batchgen.output.result_table import write_table
from tests.small_disk import eat, small_disk

MOMENT = datetime(2026, 11, 20, 21, 59, 59, 123456, tzinfo=UTC)

PENDING = ResultRow(
    row=0,
    id="0",
    status=Status.PENDING,
    prompt=None,
    provider=None,
    model=None,
    aspect_ratio=None,
    resolution=None,
    files=(),
    attempts=0,
    cost_usd=Decimal(0),
    cost_basis=Basis.NONE,
    at_risk_usd=Decimal(0),
    at_risk_attempts=0,
    estimated_usd=None,
    error=None,
    message=None,
    warning=None,
    request_id=None,
    started_at=None,
    finished_at=None,
    latency_s=None,
)

PICTURE = FileRecord(
    name="schuh/größe-42.png",
    archive="images.zip",
    image=1,
    media_type="image/png",
    width_px=1376,
    height_px=768,
    size_bytes=5_000_000_000,
    sha256="ab" * 32,
)

DONE = ResultRow(
    row=0,
    id="00123",
    status=Status.SUCCEEDED,
    prompt='A "small" cup,\n緑茶',
    provider="aimlapi",
    model="google/nano-banana-2",
    aspect_ratio="16:9",
    resolution="1K",
    files=(PICTURE, PICTURE._replace(name="schuh/größe-42-2.png", image=2)),
    attempts=2,
    cost_usd=Decimal("0.089487501"),
    cost_basis=Basis.REPORTED,
    at_risk_usd=Decimal("0.000000001"),
    at_risk_attempts=1,
    estimated_usd=Decimal("123456789.123456789"),
    error=None,
    message="ok",
    warning="delivered 1376x768",
    request_id="call-1",
    started_at=MOMENT,
    finished_at=MOMENT,
    latency_s=12.25,
)

UNPRICED = replace(PENDING, row=1, id="1", cost_usd=None, at_risk_usd=None)

OURS = {
    "row": pl.Int64(),
    "id": pl.String(),
    "status": pl.String(),
    "prompt": pl.String(),
    "provider": pl.String(),
    "model": pl.String(),
    "aspect_ratio": pl.String(),
    "resolution": pl.String(),
    "files": pl.List(
        pl.Struct(
            {
                "name": pl.String(),
                "archive": pl.String(),
                "image": pl.Int32(),
                "media_type": pl.String(),
                "width_px": pl.Int32(),
                "height_px": pl.Int32(),
                "size_bytes": pl.Int64(),
                "sha256": pl.String(),
            }
        )
    ),
    "attempts": pl.Int32(),
    "cost_usd": pl.Decimal(18, 9),
    "cost_basis": pl.String(),
    "at_risk_usd": pl.Decimal(18, 9),
    "at_risk_attempts": pl.Int32(),
    "estimated_usd": pl.Decimal(18, 9),
    "error": pl.String(),
    "message": pl.String(),
    "warning": pl.String(),
    "request_id": pl.String(),
    "started_at": pl.Datetime("us", "UTC"),
    "finished_at": pl.Datetime("us", "UTC"),
    "latency_s": pl.Float64(),
}


def stream(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer, compression="lz4")
    return buffer.getvalue()


def file(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc(buffer, compression="zstd")
    return buffer.getvalue()


def arrow_stream(frame: pl.DataFrame) -> bytes:
    table = frame.to_arrow()
    sink = pa.BufferOutputStream()
    with pa.RecordBatchStreamWriter(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def write(
    path: Path,
    rows: Sequence[ResultRow],
    own: pl.DataFrame | None = None,
) -> pl.DataFrame:
    data = None if own is None else stream(own)
    schema = None if own is None else stream(own.clear())
    write_table(path, [(rows, data)], schema)
    return pl.read_parquet(path)


def test_the_table_has_the_columns_and_types_of_the_contract(tmp_path: Path) -> None:
    frame = write(tmp_path / "results.parquet", [DONE, UNPRICED])

    assert dict(frame.schema) == OURS
    assert list(frame.columns) == list(OURS)


def test_every_field_of_a_row_has_its_column() -> None:
    assert [field.name for field in fields(ResultRow)] == [*OURS, "shared_with"]


def test_rows_that_share_a_purchase_say_with_whom(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    shared = replace(DONE, row=1, id="b", cost_usd=Decimal(0), shared_with="a")
    own = pl.DataFrame({"shared_with": ["mine", "mine"]})

    write_table(
        path, [([DONE, shared], stream(own))], stream(own.clear()), is_shared=True
    )

    frame = pl.read_parquet(path)
    assert list(frame.columns) == [*OURS, "shared_with", "manifest_shared_with"]
    assert frame["shared_with"].to_list() == [None, "a"]


def test_polars_reads_every_value_as_it_was(tmp_path: Path) -> None:
    frame = write(tmp_path / "results.parquet", [DONE, UNPRICED])

    succeeded, unpriced = frame.rows(named=True)
    assert succeeded["prompt"] == DONE.prompt
    assert succeeded["cost_usd"] == Decimal("0.089487501")
    assert succeeded["estimated_usd"] == Decimal("123456789.123456789")
    assert succeeded["finished_at"] == MOMENT
    assert succeeded["latency_s"] == 12.25
    assert [file["image"] for file in succeeded["files"]] == [1, 2]
    assert succeeded["files"][0] == PICTURE._asdict()
    assert unpriced["cost_usd"] is None
    assert unpriced["files"] == []
    assert unpriced["status"] == "pending"


def test_pandas_reads_the_same_decimals(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    write(path, [DONE, UNPRICED])

    frame = pd.read_parquet(path)

    assert frame["cost_usd"][0] == Decimal("0.089487501")
    assert isinstance(frame["cost_usd"][0], Decimal)
    assert frame["cost_usd"][1] is None
    assert frame["finished_at"][0] == MOMENT
    assert frame["files"][0][1]["name"] == "schuh/größe-42-2.png"


def test_duckdb_reads_the_same_decimals(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    write(path, [DONE, UNPRICED], pl.DataFrame({"tags": [["a", "b"], None]}))

    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT typeof(cost_usd), sum(cost_usd) OVER (), files[2].name, tags,"
            " typeof(finished_at) FROM read_parquet(?) ORDER BY row",
            [str(path)],
        ).fetchall()

    assert rows[0] == (
        "DECIMAL(18,9)",
        Decimal("0.089487501"),
        "schuh/größe-42-2.png",
        ["a", "b"],
        "TIMESTAMP WITH TIME ZONE",
    )
    assert rows[1][3] is None


def test_a_table_without_slices_has_all_columns(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    own = pl.DataFrame(schema={"brand": pl.String, "price_eur": pl.Decimal(10, 2)})

    write_table(path, [], stream(own))

    frame = pl.read_parquet(path)
    assert frame.height == 0
    assert dict(frame.schema) == OURS | {
        "brand": pl.String(),
        "price_eur": pl.Decimal(10, 2),
    }


@pytest.mark.parametrize("encode", [stream, file, arrow_stream])
def test_own_columns_keep_order_type_and_value(tmp_path: Path, encode: object) -> None:
    assert callable(encode)
    own = pl.DataFrame(
        {
            "sku": ["00123", None],
            "price_eur": pl.Series(["19.90", "5.00"]).cast(pl.Decimal(10, 2)),
            "tags": [["a", "b"], []],
            "size": [{"text": "wide", "mm": 3}, None],
            "since": [MOMENT.date(), None],
        }
    )
    path = tmp_path / "results.parquet"

    write_table(path, [([DONE, UNPRICED], encode(own))], encode(own.clear()))

    read = pl.read_parquet(path).drop(list(OURS))
    assert read.schema == own.schema
    assert read.rows() == own.rows()


def test_types_that_live_in_memory_alone_become_text(tmp_path: Path) -> None:
    own = pl.DataFrame(
        {
            "empty": [None, None],
            "kind": pl.Series(["shoe", None], dtype=pl.Categorical),
            "nothings": [[None], []],
            "pair": pl.Series([["l", "r"], None], dtype=pl.Array(pl.String, 2)),
            "raw": [b"\x00", None],
        }
    )

    read = write(tmp_path / "results.parquet", [DONE, UNPRICED], own)

    assert dict(read.drop(list(OURS)).schema) == {
        "empty": pl.String(),
        "kind": pl.String(),
        "nothings": pl.List(pl.String()),
        "pair": pl.Array(pl.String(), 2),
        "raw": pl.Binary(),
    }
    assert read["kind"].to_list() == ["shoe", None]
    assert read["pair"].to_list() == [["l", "r"], None]


def test_a_taken_name_is_prefixed_until_it_is_free(tmp_path: Path) -> None:
    own = pl.DataFrame({"status": ["new"], "manifest_status": ["old"], "row": [7]})

    read = write(tmp_path / "results.parquet", [DONE], own)

    assert read.columns[len(OURS) :] == [
        "manifest_manifest_status",
        "manifest_status",
        "manifest_row",
    ]
    assert read["status"].to_list() == ["succeeded"]
    assert read["manifest_manifest_status"].to_list() == ["new"]
    assert read["manifest_status"].to_list() == ["old"]
    assert read["manifest_row"].to_list() == [7]


def test_unknown_own_columns_are_null_between_known_ones(tmp_path: Path) -> None:
    own = pl.DataFrame({"brand": ["Fjordlys"], "stock": [3]})
    path = tmp_path / "results.parquet"

    write_table(
        path,
        [
            ([DONE], stream(own)),
            ([UNPRICED], None),
            ([replace(PENDING, row=2)], stream(own.drop("stock"))),
        ],
        stream(own.clear()),
    )

    read = pl.read_parquet(path)
    assert read["row"].to_list() == [0, 1, 2]
    assert read["brand"].to_list() == ["Fjordlys", None, "Fjordlys"]
    assert read["stock"].to_list() == [3, None, None]


def test_rows_keep_their_order_and_columns_over_many_slices(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    empty = pl.DataFrame(schema={"sku": pl.String})

    def slices() -> Iterator[tuple[list[ResultRow], bytes]]:
        for start in range(0, 40_000, 1000):
            rows = [replace(PENDING, row=start + i) for i in range(1000)]
            own = pl.DataFrame({"sku": [f"S{row.row}" for row in rows]})
            yield rows, stream(own)

    write_table(path, slices(), stream(empty))

    read = pl.read_parquet(path, columns=["row", "sku"])
    assert read["row"].to_list() == list(range(40_000))
    assert read["sku"].to_list() == [f"S{row}" for row in range(40_000)]
    assert pq.ParquetFile(path).num_row_groups == 3


def test_rows_are_written_before_the_last_one_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    on_disk: list[int] = []

    def slices() -> Iterator[tuple[list[ResultRow], None]]:
        for start in range(0, 6):
            prompt = os.urandom(12_000_000).hex()
            yield [replace(PENDING, row=start, prompt=prompt)], None
            on_disk.append(sum(part.stat().st_size for part in tmp_path.iterdir()))

    write_table(path, slices(), None)

    assert on_disk[4] > 20_000_000


class Interrupted(Exception):
    pass


def test_a_failure_in_mid_write_leaves_the_old_table(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    write(path, [DONE])

    def slices() -> Iterator[tuple[list[ResultRow], None]]:
        yield [replace(PENDING, row=row) for row in range(20_000)], None
        raise Interrupted

    with pytest.raises(Interrupted):
        write_table(path, slices(), None)

    assert pl.read_parquet(path)["id"].to_list() == ["00123"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_second_table_replaces_the_first_and_what_a_kill_left(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    write(path, [DONE])
    (tmp_path / "results.parquet.partial").write_bytes(b"torn" * 100_000)

    read = write(path, [UNPRICED])

    assert read["id"].to_list() == ["1"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_and_leaves_the_old_table(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        path = disk / "results.parquet"
        write(path, [DONE])
        eaten = eat(disk, 0)

        with pytest.raises(DiskFull, match=r"results\.parquet"):
            write_table(path, many(), None)

        assert pl.read_parquet(path)["id"].to_list() == ["00123"]
        assert {*disk.iterdir()} == {path, eaten}


def test_a_link_of_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    path, victim = tmp_path / "results.parquet", tmp_path / "victim"
    victim.write_bytes(b"of somebody else")
    (tmp_path / "results.parquet.partial").symlink_to(victim)

    write(path, [DONE])

    assert victim.read_bytes() == b"of somebody else"
    assert not path.is_symlink()


def test_a_file_that_may_not_grow_leaves_the_old_table(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    write(path, [DONE])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(StorageError, match=r"cannot write .*results\.parquet"):
            write_table(path, many(), None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert pl.read_parquet(path)["id"].to_list() == ["00123"]
    assert list(tmp_path.iterdir()) == [path]


def many() -> Iterable[tuple[Sequence[ResultRow], None]]:
    for start in range(0, 40_000, 10_000):
        yield [replace(PENDING, row=start + i) for i in range(10_000)], None


def test_a_missing_folder_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no-such-folder"):
        write_table(tmp_path / "no-such-folder" / "results.parquet", [], None)


ONE = pl.DataFrame({"brand": ["Fjordlys"]})
PAIR = pl.DataFrame({"brand": ["Fjordlys", "Nordhav"]})


@pytest.mark.parametrize(
    ("data", "match"),
    [
        pytest.param(b"", "cannot be read", id="empty"),
        pytest.param(stream(PAIR)[:-40], "cannot be read", id="cut"),
        pytest.param(stream(ONE), "1 rows came for 2 rows, rows 0 to 1", id="short"),
        pytest.param(
            stream(pl.DataFrame({"brand": [["a"], ["b"]]})),
            "rows 0 to 1 are of another type",
            id="other-type",
        ),
    ],
)
def test_own_columns_that_do_not_fit_their_rows_are_never_guessed(
    tmp_path: Path, data: bytes, match: str
) -> None:
    path = tmp_path / "results.parquet"

    with pytest.raises(StorageError, match=match):
        write_table(path, [([DONE, UNPRICED], data)], stream(PAIR.clear()))

    assert list(tmp_path.iterdir()) == []
