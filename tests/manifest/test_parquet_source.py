from __future__ import annotations

import io
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchgen.errors import SpecError
from batchgen.manifest import Row, parquet_source
from batchgen.manifest.manifest import Manifest
from tests.manifest.conftest import MakeJob


def content_of(frame: pl.DataFrame, rows_per_group: int = 1000) -> bytes:
    stream = io.BytesIO()
    frame.write_parquet(stream, row_group_size=rows_per_group)
    return stream.getvalue()


def rows_of(manifest: Manifest) -> list[Row]:
    return [row for each in manifest.slices(2) for row in each.rows]


def test_numbers_and_dates_are_text_where_text_is_expected(make_job: MakeJob) -> None:
    frame = pl.DataFrame(
        {
            "id": [7, 8, 9],
            "prompt": ["a", "b", "c"],
            "n": [2.0, None, 3.0],
            "filename": [date(2026, 1, 2), None, None],
            "web_search": [True, False, None],
            "temperature": [Decimal("0.50"), None, Decimal("1")],
        }
    )

    rows = rows_of(Manifest.open(make_job(content_of(frame), "m.parquet")))

    assert [row.id for row in rows] == ["7", "8", "9"]
    assert [row.line for row in rows] == [None] * 3
    assert [row.request.n for row in rows if row.request] == [2, 1, 3]
    assert rows[0].filename == "2026-01-02"
    assert [row.request.options for row in rows if row.request] == [
        {"web_search": True, "temperature": 0.5},
        {"web_search": False},
        {"temperature": 1.0},
    ]


def test_a_list_holds_references_and_bars_in_it_part_nothing(
    make_job: MakeJob,
) -> None:
    given = [["https://a.example/x|y.png", " https://b.example/ "], [], None]
    frame = pl.DataFrame({"prompt": ["a", "b", "c"], "image_urls": given})

    rows = rows_of(Manifest.open(make_job(content_of(frame), "m.parquet")))

    assert [row.request.references for row in rows if row.request] == [
        ("https://a.example/x|y.png", "https://b.example/"),
        (),
        (),
    ]


def test_a_structure_where_text_is_expected_makes_its_row_invalid(
    make_job: MakeJob,
) -> None:
    frame = pl.DataFrame({"prompt": ["a", "b"], "filename": [{"x": 1}, None]})

    first, second = rows_of(Manifest.open(make_job(content_of(frame), "m.pq")))

    assert first.problem is not None
    assert first.problem.column == "filename"
    assert second.request is not None


def test_own_columns_keep_their_types(make_job: MakeJob) -> None:
    frame = pl.DataFrame(
        {
            "prompt": ["a", "b", "c"],
            # Said in full: older versions of polars leave the precision open.
            "price": pl.Series(
                [Decimal("1.25"), None, Decimal("3.00")], dtype=pl.Decimal(38, 2)
            ),
            "tags": [["x"], [], None],
            "kind": pl.Series(["u", "v", "u"], dtype=pl.Categorical),
        }
    )
    manifest = Manifest.open(make_job(content_of(frame), "m.parquet"))

    read = [pl.read_ipc_stream(each.own) for each in manifest.slices(2)]

    wanted = frame.drop("prompt").cast({"kind": pl.String})
    assert pl.concat(read).equals(wanted)
    assert pl.read_ipc_stream(manifest.own_schema).schema == wanted.schema


def test_long_rows_make_short_slices(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_source, "SLICE_BYTES", 20_000)
    texts = [f"{number:05d}" * 1000 for number in range(10)]
    job = make_job(content_of(pl.DataFrame({"prompt": texts})), "m.parquet")

    sizes = [len(each.rows) for each in Manifest.open(job).slices()]

    assert sum(sizes) == 10
    assert max(sizes) < 10


@pytest.mark.parametrize("kept", [0, 3, 50, 400])
def test_a_broken_file_is_refused_by_name(make_job: MakeJob, kept: int) -> None:
    whole = content_of(pl.DataFrame({"prompt": ["a"] * 100}))

    with pytest.raises(SpecError, match=r"^m\.parquet: not a whole Parquet file"):
        Manifest.open(make_job(whole[:kept], "m.parquet"))


def test_a_file_with_damaged_pages_is_refused_by_name(make_job: MakeJob) -> None:
    texts = [f"prompt {number}" for number in range(5000)]
    whole = bytearray(content_of(pl.DataFrame({"prompt": texts})))
    whole[100:2000] = b"\xff" * 1900

    with pytest.raises(SpecError, match=r"^m\.parquet: not a whole Parquet file"):
        rows_of(Manifest.open(make_job(bytes(whole), "m.parquet")))


def test_text_that_is_not_utf8_is_refused(make_job: MakeJob, tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(
        pa.string(),
        1,
        [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")],
    )
    pq.write_table(pa.table({"prompt": broken}), tmp_path / "x.parquet")
    job = make_job((tmp_path / "x.parquet").read_bytes(), "m.parquet")

    with pytest.raises(SpecError, match=r"^m\.parquet: .*UTF8"):
        rows_of(Manifest.open(job))


def test_metadata_that_is_not_text_does_no_harm(
    make_job: MakeJob, tmp_path: Path
) -> None:
    field = pa.field("prompt", pa.string(), metadata={b"\xff": b"\xfe"})
    schema = pa.schema([field], metadata={b"\xfe": b"\xff"})
    pq.write_table(pa.table({"prompt": ["a"]}, schema), tmp_path / "x.parquet")
    job = make_job((tmp_path / "x.parquet").read_bytes(), "m.parquet")

    (row,) = rows_of(Manifest.open(job))

    assert row.prompt == "a"


def test_gaps_in_a_column_of_numbers_are_empty_cells(make_job: MakeJob) -> None:
    frame = pl.DataFrame({"prompt": ["a", "b"], "n": [float("nan"), 2.0]})

    rows = rows_of(Manifest.open(make_job(content_of(frame), "m.parquet")))

    assert [row.request.n for row in rows if row.request] == [1, 2]


def test_a_table_without_rows_is_refused(make_job: MakeJob) -> None:
    empty = content_of(pl.DataFrame(schema={"prompt": pl.String}))

    with pytest.raises(SpecError, match=r"^m\.parquet: no rows in the table"):
        Manifest.open(make_job(empty, "m.parquet"))


def test_a_type_that_cannot_be_carried_is_refused_with_its_column(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(content_of(pl.DataFrame({"prompt": ["a"]})), "m.parquet")
    schema = pa.schema([("prompt", pa.string()), ("gap", pa.month_day_nano_interval())])
    source = parquet_source.ParquetSource(job.manifest)
    monkeypatch.setattr(source, "_schema", schema)

    with pytest.raises(SpecError, match=r"^m\.parquet, column `gap`: its type"):
        source.empty()


def test_a_file_whose_columns_change_while_it_is_read_is_refused(
    make_job: MakeJob,
) -> None:
    one, other = pl.DataFrame({"prompt": ["a"]}), pl.DataFrame({"prompt": [1]})
    manifest = Manifest.open(make_job(content_of(one), "m.parquet"))
    make_job(content_of(other), "m.parquet")

    with pytest.raises(SpecError, match=r"^m\.parquet: changed while it was read"):
        next(manifest.slices())
