from __future__ import annotations

import io
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

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
    return [row for slice_ in manifest.slices(2) for row in slice_.rows]


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
    references = [["https://a.example/x|y.png", " https://b.example/ "], [], None]
    frame = pl.DataFrame({"prompt": ["a", "b", "c"], "image_urls": references})

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

    read = [pl.read_ipc_stream(each.user_columns) for each in manifest.slices(2)]

    expected = frame.drop("prompt").cast({"kind": pl.String})
    assert pl.concat(read).equals(expected)
    assert pl.read_ipc_stream(manifest.user_schema).schema == expected.schema


def test_long_rows_make_short_slices(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_source, "SLICE_BYTES", 20_000)
    texts = [f"{number:05d}" * 1000 for number in range(10)]
    job = make_job(content_of(pl.DataFrame({"prompt": texts})), "m.parquet")

    sizes = [len(each.rows) for each in Manifest.open(job).slices()]

    assert sum(sizes) == 10
    assert max(sizes) < 10


@pytest.mark.parametrize("length", [0, 3, 50, 400])
def test_a_broken_file_is_refused_by_name(make_job: MakeJob, length: int) -> None:
    whole = content_of(pl.DataFrame({"prompt": ["a"] * 100}))

    with pytest.raises(SpecError, match=r"^m\.parquet: not a whole Parquet file"):
        Manifest.open(make_job(whole[:length], "m.parquet"))


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


# -- types that polars cannot hold

WIDE = pa.array([Decimal("1.5")], pa.decimal256(50, 2))
ODD = {
    "wide-decimal": (WIDE, "decimal256(50, 2)", "String"),
    "offset": (pa.array([1], pa.timestamp("us", "+05:30")), "+05:30", "Datetime"),
    "unknown-zone": (
        pa.array([1], pa.timestamp("us", "Mars/Base")),
        "Mars",
        "Datetime",
    ),
    "wide-in-a-list": (pa.array([[1]], pa.list_(pa.decimal256(50, 2))), "256", "List"),
    "zone-in-a-struct": (
        pa.array([{"x": 1}], pa.struct([("x", pa.timestamp("us", "Mars/Base"))])),
        "Mars/Base",
        "Struct",
    ),
    "wide-in-a-map": (
        pa.array([[("x", 1)]], pa.map_(pa.string(), pa.decimal256(50, 2))),
        "decimal256(50, 2)",
        None,
    ),
}
ODD |= {
    "zone-that-is-none": (pa.array([1], pa.timestamp("s", "Factory")), "Fact", "Datet"),
    "fields-of-one-name": (
        pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["x", "x"]),
        "struct<x: int64, x: int64>",
        None,
    ),
}
PLAIN = {
    "half-float": pa.Array.from_buffers(
        pa.float16(), 1, [None, pa.py_buffer(b"\x00\x3e")]
    ),
    "largest-integer": pa.array([2**64 - 1], pa.uint64()),
    "nulls": pa.nulls(1),
    "bytes": pa.array([b"x"]),
    "bytes-of-one-size": pa.array([b"xx"], pa.binary(2)),
    "seconds-of-a-day": pa.array([1], pa.time32("s")),
    "duration": pa.array([1], pa.duration("s")),
    "longest-duration": pa.array([2**62], pa.duration("ms")),
    "furthest-date": pa.array([2**31 - 1], pa.date32()),
    "furthest-time": pa.array([2**62], pa.timestamp("us")),
    "furthest-time-in-a-zone": pa.array([2**62], pa.timestamp("us", "Asia/Tokyo")),
    "furthest-date-in-a-list": pa.array([[2**31 - 1]], pa.list_(pa.date32())),
    "furthest-time-in-a-struct": pa.array(
        [{"x": 2**62}], pa.struct([("x", pa.timestamp("us"))])
    ),
    "map": pa.array([[("x", 1)]], pa.map_(pa.string(), pa.int64())),
    "struct": pa.array([{"x": 1}]),
    "array": pa.array([[1, 2]], pa.list_(pa.int64(), 2)),
    "numbers-as-categories": pa.DictionaryArray.from_arrays(pa.array([0]), [5]),
    "uuid": pa.array([b"x" * 16], pa.binary(16)),
}


def parquet_of(odd: pa.Array) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table({"prompt": ["a cup"], "odd": odd}), stream)
    return stream.getvalue()


@pytest.mark.parametrize("name", ODD)
def test_a_column_that_nobody_needs_is_carried_as_it_can_be_with_a_notice(
    make_job: MakeJob, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    column, words, carried = ODD[name]
    manifest = Manifest.open(make_job(parquet_of(column), "m.parquet"))

    (part,) = manifest.slices()

    schema = pl.read_ipc_stream(part.user_columns).schema
    assert [row.prompt for row in part.rows] == ["a cup"]
    assert pl.read_ipc_stream(manifest.user_schema).schema == schema
    assert str(schema.get("odd")).startswith(str(carried))
    (notice,) = manifest.notices
    assert notice.startswith("m.parquet, column `odd`: its type ")
    assert words in notice
    assert capfd.readouterr().err == ""  # Rust writes there when it panics


@pytest.mark.parametrize("name", ODD)
def test_a_column_that_is_needed_and_cannot_be_read_is_refused_with_its_type(
    make_job: MakeJob, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    column, words, _ = ODD[name]
    job = make_job(parquet_of(column), "m.parquet", prompt="a {{ odd }} cup")

    with pytest.raises(
        SpecError, match=r"^m\.parquet, column `odd`: its type"
    ) as caught:
        Manifest.open(job)

    assert words in str(caught.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("use", ["carried", "in-the-template", "as-a-known-column"])
@pytest.mark.parametrize("name", PLAIN)
def test_any_other_type_is_read_or_makes_its_row_invalid(
    make_job: MakeJob, capfd: pytest.CaptureFixture[str], name: str, use: str
) -> None:
    uses: dict[str, dict[str, Any]] = {
        "carried": {},
        "in-the-template": {"prompt": "a {{ odd }} cup"},
        "as-a-known-column": {"columns": {"filename": "odd"}},
    }
    job = make_job(parquet_of(PLAIN[name]), "m.parquet", **uses[use])

    (row,) = rows_of(Manifest.open(job))

    assert row.prompt is not None or row.problem is not None
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("column", "words"),
    [
        pytest.param(pa.array([b"x"]), "bytes", id="bytes"),
        pytest.param(pa.array([["x"]]), "a whole list", id="list"),
        pytest.param(pa.array([{"x": 1}]), "a whole structure", id="structure"),
    ],
)
def test_what_is_no_text_is_never_put_into_a_prompt(
    make_job: MakeJob, column: pa.Array, words: str
) -> None:
    job = make_job(parquet_of(column), "m.parquet", prompt="a {{ odd }} cup")

    (row,) = rows_of(Manifest.open(job))

    assert row.problem is not None
    assert words in row.problem.message
    assert row.problem.spares_started


def test_parts_of_a_list_and_of_a_structure_are_texts(make_job: MakeJob) -> None:
    column = pa.array([{"tags": ["red", "new"]}])
    prompt = "a {{ odd.tags | join(' and ') }} cup"

    (row,) = rows_of(
        Manifest.open(make_job(parquet_of(column), "m.parquet", prompt=prompt))
    )

    assert row.prompt == "a red and new cup"
    assert row.problem is None


def test_a_table_of_which_no_column_can_be_carried_is_refused(
    make_job: MakeJob,
) -> None:
    stream = io.BytesIO()
    pq.write_table(pa.table({"odd": ODD["wide-in-a-map"][0]}), stream)

    with pytest.raises(SpecError, match="column `odd`: its type map"):
        Manifest.open(make_job(stream.getvalue(), "m.parquet", prompt="a cup"))


def test_a_file_whose_columns_change_while_it_is_read_is_refused(
    make_job: MakeJob,
) -> None:
    one, other = pl.DataFrame({"prompt": ["a"]}), pl.DataFrame({"prompt": [1]})
    manifest = Manifest.open(make_job(content_of(one), "m.parquet"))
    make_job(content_of(other), "m.parquet")

    with pytest.raises(SpecError, match=r"^m\.parquet: changed while it was read"):
        next(manifest.slices())
