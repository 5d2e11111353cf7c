"""Each kind of table is read as its program writes it, with real row and line."""

from __future__ import annotations

import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, time
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import xlsxwriter
from backports import zstd
from pyarrow import ipc

import batchgen
from batchgen.errors import SpecError
from batchgen.job import load_job
from batchgen.manifest import text_elements, text_encoding
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.row import Row
from batchgen.model import Job
from tests.manifest.conftest import MakeJob

TITLE = "a {{ title }}"
ODS_HEAD = (
    '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:'
    'office:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0">'
    "<office:body><office:spreadsheet>"
)


def rows_of(job: Job) -> list[Row]:
    manifest = Manifest.open(job)
    return [row for part in manifest.slices(2) for row in part.rows]


def places(rows: Sequence[Row]) -> list[tuple[int, int | None, str | None]]:
    return [(row.position, row.line, row.prompt) for row in rows]


def user_columns(job: Job) -> pl.DataFrame:
    parts = list(Manifest.open(job).slices(2))
    return pl.concat(
        pl.read_ipc_stream(io.BytesIO(part.user_columns)) for part in parts
    )


def workbook(
    fill: Callable[[xlsxwriter.Workbook], None],
) -> bytes:
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True})
    fill(book)
    book.close()
    return stream.getvalue()


def sheet(rows: Sequence[Sequence[Any]], name: str = "Products") -> bytes:
    def fill(book: xlsxwriter.Workbook) -> None:
        page = book.add_worksheet(name)
        for number, row in enumerate(rows):
            page.write_row(number, 0, row)

    return workbook(fill)


def ods(rows: Sequence[Sequence[str]], name: str = "Tabelle1") -> bytes:
    """Return what LibreOffice writes: a cell has a type and its text."""
    lines = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p>'
            "</table:table-cell>"
            for cell in row
        )
        + "</table:table-row>"
        for row in rows
    )
    content = (
        f'{ODS_HEAD}<table:table table:name="{name}">{lines}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("content.xml", content)
    return stream.getvalue()


# -- text tables


@pytest.mark.parametrize(
    ("name", "content", "settings"),
    [
        pytest.param("m.tsv", "id\ttitle\n1\tcup\n2\tmug\n", {}, id="tsv"),
        pytest.param("m.tab", "id\ttitle\n1\tcup\n2\tmug\n", {}, id="tab"),
        pytest.param("m.psv", "id|title\n1|cup\n2|mug\n", {}, id="bars"),
        pytest.param(
            "m.csv", "id^title\n1^cup\n2^mug\n", {"delimiter": "^"}, id="delimiter"
        ),
        pytest.param(
            "m.csv", "id;title\n1;cup\n2;mug\n", {"delimiter": ";"}, id="semicolon"
        ),
        pytest.param("m.txt", "id\ttitle\n1\tcup\n2\tmug\n", {}, id="table-in-txt"),
        pytest.param(
            "m.txt", "id,title\n1,cup\n2,mug\n", {"delimiter": ","}, id="txt-delimiter"
        ),
        pytest.param(
            "m.csv.gz", gzip.compress(b"id,title\n1,cup\n2,mug\n"), {}, id="gzip"
        ),
        pytest.param(
            "m.tsv.zst", zstd.compress(b"id\ttitle\n1\tcup\n2\tmug\n"), {}, id="zstd"
        ),
        pytest.param(
            "m.csv", gzip.compress(b"id,title\n1,cup\n2,mug\n"), {}, id="gzip-unnamed"
        ),
    ],
)
def test_a_text_table_is_read_with_its_lines(
    make_job: MakeJob, name: str, content: str | bytes, settings: dict[str, str]
) -> None:
    rows = rows_of(make_job(content, name, prompt=TITLE, **settings))

    assert places(rows) == [(0, 2, "a cup"), (1, 3, "a mug")]


def test_raw_quotes_of_a_tab_separated_table_stay(make_job: MakeJob) -> None:
    content = 'id\tprompt\n1\t"Hello" she said\n2\t5" frame\n3\t"neon"\n'
    job = make_job(content, "m.tsv")

    assert [row.prompt for row in rows_of(job)] == [
        '"Hello" she said',
        '5" frame',
        '"neon"',
    ]
    assert any("each quote stands for itself" in line for line in notices(job))


def test_quoted_cells_of_a_tab_separated_table_are_read_as_excel_writes_them(
    make_job: MakeJob,
) -> None:
    content = 'id\tprompt\n1\t"two\nlines, a\ttab"\n2\t"a ""b"""\n'

    rows = rows_of(make_job(content, "m.tsv"))

    assert [(row.line, row.prompt) for row in rows] == [
        (2, "two\nlines, a\ttab"),
        (4, 'a "b"'),
    ]


def test_a_damaged_compressed_table_is_refused(make_job: MakeJob) -> None:
    content = "id,prompt\n" + "".join(f"{n},{random.random()}\n" for n in range(50_000))
    whole = gzip.compress(content.encode())

    with pytest.raises(SpecError, match=r"m\.csv\.gz: the compressed file is damaged"):
        rows_of(make_job(whole[:-40], "m.csv.gz"))


# -- encodings


def notices(job: Job) -> tuple[str, ...]:
    return Manifest.open(job).notices


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        pytest.param("groß, weiß", "cp1252", "Windows-1252", id="german"),
        pytest.param("théière élégante à 4 €", "cp1252", "Windows-1252", id="french"),
        pytest.param("botella pequeña, ¿qué?", "cp1252", "Windows-1252", id="spanish"),
        pytest.param("caffè più buono", "cp1252", "Windows-1252", id="italian"),
        pytest.param("grön älgtröja", "cp1252", "Windows-1252", id="swedish"),
        pytest.param("красная чашка", "cp1251", "Windows-1251", id="russian"),
        pytest.param("rot é", "utf-16", "UTF-16", id="utf-16"),
        pytest.param("rot é, blau", "utf-16-be", "UTF-16-BE", id="utf-16-unmarked"),
        pytest.param("rot é", "utf-32", "UTF-32", id="utf-32"),
    ],
)
def test_a_certain_encoding_is_taken_and_said(
    make_job: MakeJob, text: str, encoding: str, name: str
) -> None:
    job = make_job(f'id,prompt\n1,cup\n2,"{text}"\n'.encode(encoding))

    assert [row.prompt for row in rows_of(job)] == ["cup", text]
    assert any(f"m.csv: read as {name}" in line for line in notices(job))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        pytest.param("żółta łódź", "cp1250", id="polish"),
        pytest.param("fűzős cipő", "cp1250", id="hungarian"),
        pytest.param("yeşil ağaç, ılık", "cp1254", id="turkish"),  # noqa: RUF001
        pytest.param("grün, groß", "mac-roman", id="old-mac"),
    ],
)
def test_an_encoding_that_is_not_certain_is_asked_for(
    make_job: MakeJob, text: str, encoding: str
) -> None:
    content = f'id,prompt\n1,cup\n2,"{text}"\n'.encode(encoding)

    with pytest.raises(SpecError, match=r"^m\.csv, line 3: not UTF-8.*say --encoding"):
        rows_of(make_job(content))

    rows = rows_of(make_job(content, encoding=encoding))
    assert [row.prompt for row in rows] == ["cup", text]


def test_an_encoding_far_below_is_found(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_encoding, "_BLOCK_BYTES", 512)
    lines = [f"{number},cup\n" for number in range(1000)]
    job = make_job("".join(["id,prompt\n", *lines, "x,grün\n"]).encode("cp1252"))

    assert rows_of(job)[-1].prompt == "grün"
    assert any("line 1002: `grün`" in line for line in notices(job))


def test_a_wrong_byte_among_utf8_is_no_other_encoding(make_job: MakeJob) -> None:
    content = "id,prompt\n1,grün\n".encode() + b"2,gr\xfcn\n"

    with pytest.raises(SpecError, match=r"row 1, line 3: not UTF-8: byte 5"):
        rows_of(make_job(content))


def test_a_byte_that_the_stated_encoding_lacks_is_told_by_its_line(
    make_job: MakeJob,
) -> None:
    content = b"id,prompt\n" + b"1,cup\n" * 5 + b"2,\x81\n3,mug\n"

    with pytest.raises(SpecError, match=r"^m\.csv, row 5, line 7: not cp1252"):
        rows_of(make_job(content, encoding="cp1252"))


# -- JSON


@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        pytest.param(
            "m.jsonl", '\ufeff{"title":"cup"}\n\n{"title":"mug"}', [1, 3], id="lines"
        ),
        pytest.param(
            "m.ndjson", '{"title":"cup"}\r\n{"title":"mug"}\r\n', [1, 2], id="ndjson"
        ),
        pytest.param(
            "m.json", '[\n{"title":"cup"},\n\n{"title":\n"mug"}]', [2, 4], id="list"
        ),
        pytest.param(
            "m.json", '{"title":"cup"}\n{"title":"mug"}\n', [1, 2], id="lines-as-json"
        ),
        pytest.param(
            "m.json", '{\n"title":"cup"}\n{\n"title":"mug"}', [1, 3], id="documents"
        ),
        pytest.param(
            "m.jsonl.gz",
            gzip.compress(b'{"title":"cup"}\n{"title":"mug"}\n'),
            [1, 2],
            id="gzip",
        ),
    ],
)
def test_json_is_read_with_its_lines(
    make_job: MakeJob, name: str, content: str | bytes, lines: list[int]
) -> None:
    rows = rows_of(make_job(content, name, prompt=TITLE))

    assert [(row.line, row.prompt) for row in rows] == [
        (lines[0], "a cup"),
        (lines[1], "a mug"),
    ]


def test_values_of_json_are_text_as_they_are_written(make_job: MakeJob) -> None:
    values = '"a":5.0,"b":1e3,"c":true,"d":null,"e":"","f":{"x": [1]},"g":"\\u00e9"'
    job = make_job(
        '{"prompt":"x",' + values + '}\n{"h":"late","prompt":"y"}', "m.jsonl"
    )

    assert user_columns(job).rows(named=True) == [
        {
            **{"a": "5.0", "b": "1e3", "c": "true", "d": None},
            **{"e": None, "f": '{"x": [1]}', "g": "é", "h": None},
        },
        {**dict.fromkeys("abcdefg"), "h": "late"},
    ]


def test_a_list_in_json_is_several_references(make_job: MakeJob) -> None:
    urls = ["https://a.example/1.png", "https://a.example/2.png"]
    content = json.dumps([{"prompt": "x", "references": urls}])

    (row,) = rows_of(make_job(content, "m.json"))

    assert row.request is not None
    assert list(row.request.references) == urls


def test_elements_are_found_wherever_a_block_ends(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"prompt": f'{n} "quoted" \\ {{[é]}},'} for n in range(40)]
    for size in (1, 7, 64):
        monkeypatch.setattr(text_elements, "_BLOCK_BYTES", size)
        content = json.dumps(rows, indent=2, ensure_ascii=False)

        read = rows_of(make_job(content, "m.json"))

        assert [row.prompt for row in read] == [row["prompt"] for row in rows]
        assert [row.line for row in read] == [2 + 3 * n for n in range(40)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param(
            "m.jsonl",
            '{"prompt":"a"}\n{"prompt":b}\n',
            "m.jsonl, row 1, line 2: no valid JSON",
            id="broken-line",
        ),
        pytest.param(
            "m.jsonl",
            '{"prompt":"a"}\n["b"]\n',
            "m.jsonl, row 1, line 2: an object is needed",
            id="no-object",
        ),
        pytest.param(
            "m.json", '[{"prompt":"a"},\n{"prompt": b}]', "m.json, line 2: no", id="bad"
        ),
        pytest.param(
            "m.json",
            '[{"prompt":"a"},\n{"prompt":"b"}',
            "m.json, line 2: the list is",
            id="cut",
        ),
        pytest.param(
            "m.json", '[\n"a", "b"]', "m.json, line 2: a list of objects", id="texts"
        ),
        pytest.param("m.json", "[]", "m.json: it holds no rows", id="empty"),
    ],
)
def test_broken_json_is_refused_with_its_place(
    make_job: MakeJob, name: str, content: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        rows_of(make_job(content, name))

    assert str(caught.value).startswith(message)


# -- lists of prompts


def test_each_line_of_a_text_is_a_prompt(make_job: MakeJob) -> None:
    job = make_job("a cup, red\n\n- a mug: blue\n  a bowl  \n", "m.txt")

    assert places(rows_of(job)) == [
        (0, 1, "a cup, red"),
        (1, 3, "- a mug: blue"),
        (2, 4, "a bowl"),
    ]


# -- workbooks


@pytest.mark.slow
def test_cells_of_a_sheet_are_the_text_that_a_person_sees(make_job: MakeJob) -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        page = book.add_worksheet()
        page.write_row(0, 0, ["prompt", "a", "b", "c", "d", "e", "f", "g"])
        page.write_row(1, 0, ["x", 5, 4.5, 0.1 + 0.2, True, "00123"])
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        page.write_datetime(1, 6, date(2026, 3, 1), day)
        page.write_formula(1, 7, "=A1/0", None, "#DIV/0!")
        page.write_row(3, 0, ["y", 1e22])
        clock = book.add_format({"num_format": "hh:mm"})
        page.write_datetime(3, 5, time(12, 30), clock)
        page.write_number(3, 6, 46082 + (8 * 60 + 5) / 1440, day)

    job = make_job(workbook(fill), "m.xlsx")

    assert user_columns(job).rows() == [
        ("5", "4.5", "0.3", "true", "00123", "2026-03-01", "#DIV/0!"),
        (f"{10**22}", None, None, None, "12:30:00", "2026-03-01 08:05:00", None),
    ]
    assert [row.line for row in rows_of(job)] == [2, 4]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("above", "prompt"),
    [
        pytest.param([["Product list"], [], ["of", "2026"]], TITLE, id="by-name"),
        pytest.param([["Product list"]], "a {{ row['Title'] }}", id="exact-name"),
        pytest.param(
            [["Products"]], "{% for n in row %}{{ n }}{% endfor %}", id="width"
        ),
    ],
)
def test_titles_above_the_header_of_a_sheet_are_left_out_and_said(
    make_job: MakeJob, above: list[list[str]], prompt: str
) -> None:
    header = ["id", "Title" if "Title" in prompt else "title", "x"]
    job = make_job(sheet([*above, header, ["1", "cup", "y"]]), "m.xlsx", prompt=prompt)

    rows = rows_of(job)

    assert [(row.id, row.line) for row in rows] == [("1", len(above) + 2)]
    assert any(f"row {len(above) + 1} is read as the header" in n for n in notices(job))


@pytest.mark.slow
def test_a_sheet_is_chosen_by_name_and_else_the_first_with_cells(
    make_job: MakeJob,
) -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        book.add_worksheet("Empty")
        hidden = book.add_worksheet("Hidden")
        hidden.write_column(0, 0, ["prompt", "hidden"])
        hidden.hide()
        for name in ("Cups", "Mugs"):
            book.add_worksheet(name).write_column(0, 0, ["prompt", name])

    content = workbook(fill)

    first = make_job(content, "m.xlsx")
    assert [row.prompt for row in rows_of(first)] == ["Cups"]
    assert any("sheet `Cups` is read" in n and "(Mugs)" in n for n in notices(first))
    named = make_job(content, "m.xlsx", sheet="mugs")
    assert [row.prompt for row in rows_of(named)] == ["Mugs"]
    with pytest.raises(SpecError, match=r"no sheet `Mug` .*did you mean Mugs"):
        rows_of(make_job(content, "m.xlsx", sheet="Mug"))


@pytest.mark.slow
def test_a_sheet_that_begins_in_the_middle_is_read(make_job: MakeJob) -> None:
    def fill(book: xlsxwriter.Workbook) -> None:
        page = book.add_worksheet()
        page.write_row(4, 3, ["id", "prompt", "price"])
        page.write_row(5, 3, ["1", "cup", 2])
        page.write_formula(5, 5, "=1/0", None, "#DIV/0!")
        page.write(5, 8, "a note beside the table")

    job = make_job(workbook(fill), "m.xlsx")

    assert places(rows_of(job)) == [(0, 6, "cup")]
    assert user_columns(job).get_column("price").to_list() == ["#DIV/0!"]
    assert any("1 column is left out" in notice for notice in notices(job))


@pytest.mark.slow
def test_a_sheet_of_libreoffice_is_read(make_job: MakeJob) -> None:
    content = ods([["Liste"], ["id", "title"], ["1", "Tasse"], ["2", "Krug"]])

    rows = rows_of(make_job(content, "m.ods", prompt=TITLE))

    assert places(rows) == [(0, 3, "a Tasse"), (1, 4, "a Krug")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(sheet([]), "m.xlsx: the workbook is empty", id="empty"),
        pytest.param(
            sheet([["prompt", "x"]]), "m.xlsx: no rows below the", id="header"
        ),
        pytest.param(sheet([["prompt"]])[:-30], "m.xlsx is a ZIP archive", id="cut"),
    ],
)
def test_a_workbook_without_rows_is_refused(
    make_job: MakeJob, content: bytes, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        rows_of(make_job(content, "m.xlsx"))

    assert str(caught.value).startswith(message)


@pytest.mark.slow
def test_a_sheet_that_was_edited_is_read_anew(make_job: MakeJob) -> None:
    for prompt in ("cup", "mug"):
        job = make_job(sheet([["prompt"], [prompt]]), "m.xlsx")

        assert [row.prompt for row in rows_of(job)] == [prompt]


@pytest.mark.slow
def test_a_sheet_may_be_read_twice_at_the_same_time(make_job: MakeJob) -> None:
    job = make_job(sheet([["prompt"], *([f"{n}"] for n in range(50))]), "m.xlsx")
    manifest = Manifest.open(job)

    pairs = zip(manifest.slices(5), manifest.slices(5), strict=True)

    assert all(
        [row.prompt for row in left.rows] == [row.prompt for row in right.rows]
        for left, right in pairs
    )


# -- Arrow


@pytest.mark.parametrize("compression", ["uncompressed", "zstd", "lz4"])
def test_feather_is_read_with_its_types(make_job: MakeJob, compression: Any) -> None:
    frame = pl.DataFrame(
        {"prompt": ["a", "b"], "n": [1, 2], "day": [date(2026, 1, 2)] * 2}
    )
    stream = io.BytesIO()
    frame.write_ipc(stream, compression=compression)

    job = make_job(stream.getvalue(), "m.feather")

    assert user_columns(job).equals(frame.drop("prompt"))
    assert [row.request and row.request.n for row in rows_of(job)] == [1, 2]


def test_a_stream_of_arrow_is_read(make_job: MakeJob) -> None:
    table = pa.table({"prompt": ["a", "b", "c"]})
    stream = io.BytesIO()
    with ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table, 2)

    rows = rows_of(make_job(stream.getvalue(), "m.arrow"))

    assert places(rows) == [(0, None, "a"), (1, None, "b"), (2, None, "c")]


# -- several files


@pytest.mark.slow
def test_several_files_are_one_table_united_by_name(
    make_job: MakeJob, tmp_path: Path
) -> None:
    make_job("id,prompt\n1,cup\n2,mug\n", "a.csv")
    make_job('{"size":"XL","id":3,"prompt":"bowl"}\n', "b.jsonl")
    make_job(sheet([["prompt", "id"], ["jar", 4]]), "c.xlsx")

    job = load_job(
        tmp_path / "a.csv",
        manifest=["a.csv", "b.jsonl", "c.xlsx"],
        provider="gemini",
    )

    manifest = Manifest.open(job)
    rows = [row for part in manifest.slices(3) for row in part.rows]
    assert [(row.position, row.line, row.id, row.prompt) for row in rows] == [
        (0, 2, "1", "cup"),
        (1, 3, "2", "mug"),
        (2, 1, "3", "bowl"),
        (3, 2, "4", "jar"),
    ]
    assert manifest.starts == [0, 2, 3]
    assert user_columns(job).get_column("size").to_list() == [None, None, "XL", None]


def test_a_job_in_python_takes_several_files(make_job: MakeJob) -> None:
    make_job("id,prompt\n1,cup\n", "a.csv")
    make_job("id,prompt\n2,mug\n", "b.csv")

    job = batchgen.Job(["a.csv", "b.csv"], provider="gemini")

    assert [row.id for row in rows_of(job.spec)] == ["1", "2"]
    assert job.spec.source == Path.cwd()
    assert job.out.name == Path.cwd().name


def test_types_that_do_not_go_together_are_refused(
    make_job: MakeJob, tmp_path: Path
) -> None:
    for name, values in {"a.parquet": [[1]], "b.parquet": [{"x": 1}]}.items():
        pl.DataFrame({"prompt": ["p"], "size": values}).write_parquet(tmp_path / name)

    job = load_job(
        tmp_path / "a.parquet", manifest=["a.parquet", "b.parquet"], provider="gemini"
    )

    with pytest.raises(SpecError, match=r"b\.parquet, column `size`: its type"):
        Manifest.open(job)


def test_a_pattern_names_its_files_in_natural_order(
    make_job: MakeJob, tmp_path: Path
) -> None:
    for number in (10, 2, 1):
        make_job(f"prompt\n{number}\n", f"part-{number}.csv")

    job = load_job(tmp_path / "part-1.csv", manifest="part-*.csv", provider="gemini")

    assert [row.prompt for row in rows_of(job)] == ["1", "2", "10"]
    with pytest.raises(SpecError, match="no file matches"):
        load_job(tmp_path / "part-1.csv", manifest="none-*.csv", provider="gemini")


def test_an_edit_in_any_of_several_files_is_seen(
    make_job: MakeJob, tmp_path: Path
) -> None:
    make_job("prompt\na\n", "a.csv")
    make_job("prompt\nb\n", "b.csv")
    job = load_job(tmp_path / "a.csv", manifest=["a.csv", "b.csv"], provider="gemini")
    before = Manifest.open(job).digest()

    make_job("prompt\nc\n", "b.csv")

    assert Manifest.open(job).digest() != before


# -- options that a table has no use for


@pytest.mark.parametrize(
    ("name", "content", "settings"),
    [
        pytest.param("m.csv", b"prompt\na\n", {"sheet": "A"}, id="sheet-of-a-csv"),
        pytest.param("m.jsonl", b'{"prompt":"a"}', {"delimiter": ";"}, id="delimiter"),
        pytest.param(
            "m.xlsx", sheet([["prompt"], ["a"]]), {"encoding": "cp1252"}, id="x"
        ),
    ],
)
def test_an_option_without_a_use_is_refused(
    make_job: MakeJob, name: str, content: bytes, settings: dict[str, str]
) -> None:
    option = next(iter(settings))

    with pytest.raises(SpecError, match=f"--{option} .* leave it out"):
        rows_of(make_job(content, name, **settings))
