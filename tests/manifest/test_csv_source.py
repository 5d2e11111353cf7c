from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.errors import SpecError
from batchgen.manifest import csv_records, csv_source, table_source
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.text_file import TextFile
from batchgen.model import Job
from tests.manifest.conftest import MakeJob, ReadRows


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "m.csv: the file is empty", id="empty"),
        pytest.param("\n\n", "m.csv: the file is empty", id="blank-lines-alone"),
        pytest.param("id,prompt\n", "m.csv: no rows below the header", id="header"),
        pytest.param(
            "id,prompt\na,b\nc,d,e\n",
            "m.csv, row 1, line 3: it has 3 cells, the header has 2",
            id="too-many-cells",
        ),
        pytest.param(
            'id,prompt\n1,"two\nlines"\n\n2\n',
            "m.csv, row 1, line 5: it has 1 cell, the header has 2",
            id="too-few-cells-below-a-cell-of-two-lines",
        ),
        pytest.param(
            'id,prompt\n1,"open\n2,b\n3,"c"\n4,d\n',
            "m.csv, row 0, line 4: ",
            id="quote-closed-by-the-next-one",
        ),
        pytest.param(
            'id,prompt\n1,a\n2,"open\n3,b\n4,c\n',
            "m.csv, row 1, line 3: column `prompt`: a quote is opened here and never",
            id="quote-never-closed",
        ),
        pytest.param(
            'a,b,prompt\n1,"x\ny","z\n2,b,c\n',
            "m.csv, row 0, line 3: column `prompt`: a quote is opened here and never",
            id="quote-never-closed-below-a-cell-of-two-lines",
        ),
        pytest.param(
            'id,"prompt\n1,a\n',
            "m.csv, the header, line 1: ",
            id="quote-never-closed-in-the-header",
        ),
        pytest.param(
            "id,prompt\n1,é\n".encode() + b"2,caf\xe9\n",
            "m.csv, row 1, line 3: not UTF-8: byte 6 of the line is 0xe9; save it",
            id="a-wrong-byte",
        ),
        pytest.param(
            b"id,prompt\n1,a\n2,b\0c\n",
            "m.csv, row 1, line 3: a NUL at byte 4 of the line",
            id="nul",
        ),
        pytest.param(
            b"id,prompt\r1,a\r2,b\r",
            "m.csv, the header, line 1: a line ends with CR alone",
            id="cr-alone",
        ),
    ],
)
def test_a_file_that_cannot_be_read_with_certainty_is_refused_with_its_line(
    read_rows: ReadRows, content: bytes | str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        read_rows(content)

    assert str(caught.value).startswith(message)


PIECES = [
    *(b"a", b",", b'"', b"\n", b"\r\n", b"\r", b" ", b";", b"\0", b"\xe9"),
    *("猫".encode(), b"\xff\xfe", b"\xef\xbb\xbf"),
]


@settings(deadline=None, max_examples=200)
@given(content=st.lists(st.sampled_from(PIECES), max_size=30))
def test_any_bytes_are_rows_or_a_message_that_names_the_file(
    content: list[bytes],
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "m.csv"
        path.write_bytes(b"prompt,x\n" + b"".join(content))
        job = Job(source=path, manifest=path, out=path, providers=("aimlapi",))
        try:
            slices = list(Manifest.open(job).slices(2))
        except SpecError as error:
            assert str(error).startswith(str(path))  # noqa: PT017 - or it is rows
        else:
            assert all(row.line for slice_ in slices for row in slice_.rows)


def test_rows_above_a_ragged_line_are_yielded_before_it_is_refused(
    make_job: MakeJob,
) -> None:
    slices = Manifest.open(make_job("prompt,x\na,1\nb,2\nc\n")).slices(1)

    assert [next(slices).rows[0].prompt, next(slices).rows[0].prompt] == ["a", "b"]
    with pytest.raises(SpecError, match="row 2, line 4"):
        next(slices)


def test_each_row_knows_the_line_where_it_begins(read_rows: ReadRows) -> None:
    rows = read_rows('\nprompt,x\r\n"two\r\nlines",1\r\n\r\n  \r\nb,2\r\n"c",\n')

    assert [(row.position, row.line) for row in rows] == [(0, 3), (1, 7), (2, 8)]
    assert rows[0].prompt == "two\r\nlines"


def test_cells_are_text_and_an_empty_one_is_null(make_job: MakeJob) -> None:
    job = make_job('prompt,ean,note\na,00123,""\nb,1.50,x\n')

    frame = next(csv_source.CsvSource(TextFile(job.manifest)).batches(10)).frame

    assert frame.rows() == [("a", "00123", None), ("b", "1.50", "x")]


def test_a_byte_order_mark_does_not_hide_the_first_column(read_rows: ReadRows) -> None:
    (row,) = read_rows(b"\xef\xbb\xbfprompt\n\xe7\x8c\xab\n")

    assert row.prompt == "猫"


@pytest.mark.parametrize(
    ("content", "prompt"),
    [
        pytest.param("id;prompt\n1;a, b\n", "a, b", id="semicolon"),
        pytest.param("id\tprompt\n1\ta, b; c\n", "a, b; c", id="tab"),
        pytest.param('id,"prompt"\n1,a;b\n', "a;b", id="comma"),
        pytest.param('"prompt"\n"a;b"\n', "a;b", id="one-column"),
    ],
)
def test_the_header_shows_the_delimiter(
    read_rows: ReadRows, content: str, prompt: str
) -> None:
    (row,) = read_rows(content)

    assert row.prompt == prompt


def test_a_cell_may_hold_a_data_uri_of_megabytes(read_rows: ReadRows) -> None:
    uri = "data:image/png;base64," + "A" * 3_000_000

    (row,) = read_rows(f'prompt,image\na,"{uri}"\n')

    assert row.request is not None
    assert row.request.references == (uri,)


def test_long_rows_make_short_slices(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_source, "SLICE_BYTES", 100)
    job = make_job("prompt\n" + f"{'x' * 60}\n" * 5)

    slices = list(Manifest.open(job).slices())

    assert [len(slice_.rows) for slice_ in slices] == [2, 2, 1]
    assert [row.position for slice_ in slices for row in slice_.rows] == [0, 1, 2, 3, 4]
    assert table_source.SLICE_BYTES == 32 * 1024 * 1024


def test_a_quote_that_swallows_the_file_ends_at_the_limit_of_a_cell(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_records, "LINE_LIMIT", 1000)
    monkeypatch.setattr(csv_source, "LINE_LIMIT", 1000)
    job = make_job('prompt,x\n"a,1\n' + "b,2\n" * 1000)

    with pytest.raises(SpecError, match=r"row 0, line 2: a quote is opened here"):
        Manifest.open(job)


def test_a_line_without_end_is_refused_before_it_fills_the_memory(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_records, "LINE_LIMIT", 1000)
    monkeypatch.setattr(csv_source, "LINE_LIMIT", 1000)

    with pytest.raises(SpecError, match=r"line 2: the line is longer than 1,000"):
        Manifest.open(make_job("prompt\n" + "x" * 5000))


def test_a_file_that_changes_its_header_while_it_is_read_is_refused(
    make_job: MakeJob,
) -> None:
    manifest = Manifest.open(make_job("prompt,x\na,1\n"))
    make_job("x,prompt\n1,a\n")

    with pytest.raises(SpecError, match=r"m\.csv: changed while it was read"):
        next(manifest.slices())
