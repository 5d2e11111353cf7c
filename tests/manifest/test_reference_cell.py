"""Several references in one cell, as people and spreadsheets write them."""

from __future__ import annotations

import base64
import textwrap
from pathlib import Path

import pytest

from batchgen.manifest import Row
from batchgen.manifest.reference_cell import split_references
from tests.manifest.conftest import MakeJob, ReadRows

A, B = "https://a.example/1.png", "http://b.example/2,3;4.png"
URI = "data:image/png;base64,iVBORw0KGgo="
PLAIN_URI = "data:text/plain,a, https://a.example;b"
FILES = frozenset({"a.png", "b.png", "c, d.png", "[1].png", '"x".png', "e;f.png"})
FILES |= {"'q'", "two\nlines.png"}


def is_file(path: str) -> bool:
    return path in FILES


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        pytest.param("", (), id="empty"),
        pytest.param(" \n | , ;|", (), id="nothing-but-separators"),
        pytest.param(A, (A,), id="one"),
        pytest.param(B, (B,), id="comma-and-semicolon-within"),
        pytest.param(f"{A}|{B}", (A, B), id="bar"),
        pytest.param(f" | {A} || {B} |", (A, B), id="bars-with-nothing-between"),
        pytest.param(f"{A}\n{B}", (A, B), id="line-break"),
        pytest.param(f"{A}\r\n\r\n  {B}\r\n", (A, B), id="lines-of-windows"),
        pytest.param(f"{A}\r{B}", (A, B), id="return-alone"),
        pytest.param(f"{A}, {B}", (A, B), id="comma"),
        pytest.param(f"{A},{B}", (A, B), id="comma-without-a-space"),
        pytest.param(f"{A};{B}", (A, B), id="semicolon"),
        pytest.param(f"{A} ;  {B}", (A, B), id="semicolon-with-spaces"),
        pytest.param(f"{A},\n{B},", (A, B), id="comma-and-line-break"),
        pytest.param(f"{A}, {A.upper()}", (A, A.upper()), id="capitals"),
        pytest.param(f"{B}, {A} | a.png", (B, A, "a.png"), id="mixed"),
        pytest.param("a.png|b.png", ("a.png", "b.png"), id="files"),
        pytest.param("a.png\nb.png", ("a.png", "b.png"), id="files-on-lines"),
        pytest.param("c, d.png", ("c, d.png",), id="comma-in-a-file-name"),
        pytest.param("e;f.png|c, d.png", ("e;f.png", "c, d.png"), id="odd-file-names"),
        pytest.param("gone, b.png", ("gone, b.png",), id="comma-without-a-url"),
        pytest.param("two\nlines.png", ("two\nlines.png",), id="line-in-a-file-name"),
        pytest.param(f'["{A}", "b.png"]', (A, "b.png"), id="json"),
        pytest.param(f'["{A}|{B}", null, " "]', (f"{A}|{B}",), id="json-is-exact"),
        pytest.param(r'["https:\/\/a.example\/1.png"]', (A,), id="json-escapes"),
        pytest.param("[]", (), id="json-of-none"),
        pytest.param(f"['{A}', 'b.png']", (A, "b.png"), id="python-list"),
        pytest.param(f"[{A}, {B}]", (A, B), id="brackets"),
        pytest.param("[1].png", ("[1].png",), id="brackets-in-a-file-name"),
        pytest.param("[1].png | [2]", ("[1].png", "2"), id="file-first"),
        pytest.param(f'"{A}"', (A,), id="quotes"),
        pytest.param(f'"{A}", "{B}"', (A, B), id="each-in-quotes"),
        pytest.param(f"'{A}';'b.png'", (A, "b.png"), id="single-quotes"),
        pytest.param(f'"{A}"\n"a.png"', (A, "a.png"), id="quotes-on-lines"),
        pytest.param(f'"{A}" | "a.png"', (A, "a.png"), id="quotes-and-bars"),
        pytest.param(f'"{A}, {B}"', (A, B), id="quotes-around-all"),
        pytest.param('""a.png""', ("a.png",), id="doubled-quotes"),
        pytest.param("“a.png”", ("a.png",), id="typographic-quotes"),
        pytest.param(f"<{A}>", (A,), id="angle-brackets"),
        pytest.param('"x".png', ('"x".png',), id="quotes-in-a-file-name"),
        pytest.param("'q'", ("'q'",), id="quotes-around-a-file-name"),
        pytest.param(f"{URI}|{URI}", (URI, URI), id="data-uris"),
        pytest.param(f"{URI}\n{A}\n{URI}", (URI, A, URI), id="data-uris-on-lines"),
        pytest.param(f"{URI}\na.png", (URI, "a.png"), id="file-behind-a-data-uri"),
        pytest.param(f"{A}, {URI}, {B}", (A, URI, B), id="data-uri-behind-a-comma"),
        pytest.param(PLAIN_URI, (PLAIN_URI,), id="text-in-a-data-uri"),
        pytest.param(f"{PLAIN_URI}\n{A}", (PLAIN_URI, A), id="text-and-a-line"),
        pytest.param(f"{URI}\t{A}", (f"{URI}\t{A}",), id="tab-parts-nothing"),
    ],
)
def test_references_are_parted_as_people_write_them(
    cell: str, parts: tuple[str, ...]
) -> None:
    assert split_references(cell, is_file) == parts


def test_base64_that_a_program_wrapped_stays_one_reference() -> None:
    text = base64.b64encode(bytes(range(256)) * 4).decode()
    uri = f"data:image/png;base64,{textwrap.fill(text, 76)}"

    assert split_references(f"{uri}\n{A}\n{uri}", is_file) == (uri, A, uri)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        pytest.param(f'[{{"url": "{A}"}}]', "must hold texts only", id="objects"),
        pytest.param("[1, 2]", "must hold texts only", id="numbers"),
        pytest.param(r'["https://a.example/\ud800"]', "half a character", id="half"),
    ],
)
def test_a_json_list_of_anything_else_is_refused(
    read_rows: ReadRows, cell: str, words: str
) -> None:
    quoted = cell.replace('"', '""')
    (row,) = read_rows(f'prompt,references\na,"{quoted}"\n')

    assert row.request is None
    assert row.problem is not None
    assert row.problem.column == "references"
    assert words in row.problem.message


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param("[" * 100_000 + "]" * 100_000, id="nested"),
        pytest.param('"' * 100_000, id="quotes"),
        pytest.param(", " * 50_000, id="commas"),
        pytest.param(f"{A}, " * 20_000, id="urls"),
        pytest.param(f"{URI}{'A' * 76}\n" * 10_000, id="data-uris"),
    ],
)
def test_long_cells_are_parted_in_good_time(cell: str) -> None:
    assert isinstance(split_references(cell, is_file), tuple)


# -- in a row


def one(read_rows: ReadRows, cell: str) -> Row:
    quoted = cell.replace('"', '""')
    (row,) = read_rows(f'prompt,references\na,"{quoted}"\n')
    return row


def test_each_part_is_judged(read_rows: ReadRows, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"image")

    good = one(read_rows, f"{A}, {B}\na.png")
    bad = one(read_rows, f"{A}, https://b.example:x/2.png")

    assert good.request is not None
    assert good.request.references == (A, B, "a.png")
    assert bad.problem is not None
    assert bad.problem.message.startswith("https://b.example:x/2.png has the port 'x'")


def test_a_line_break_inside_a_url_is_told_as_that(read_rows: ReadRows) -> None:
    row = one(read_rows, "https://a.example/front\nview.png")

    assert row.problem is not None
    assert "no such file: view.png" in row.problem.message
    assert "a line break ends a reference; delete one" in row.problem.message


BEFORE = "https://a.example/front\nview.png"


@pytest.mark.parametrize(
    ("cell", "former"),
    [
        pytest.param(BEFORE, (BEFORE,), id="line-break"),
        pytest.param("https://a.example:x/1", ("https://a.example:x/1",), id="port"),
        pytest.param("https://a.example/\t1", ("https://a.example/\t1",), id="tab"),
        pytest.param(
            f"{A}|https://me:pw@a.example/1",
            (A, "https://me:pw@a.example/1"),
            id="password",
        ),
    ],
)
def test_a_row_that_earlier_versions_bought_keeps_its_fingerprint(
    read_rows: ReadRows, cell: str, former: tuple[str, ...]
) -> None:
    row = one(read_rows, cell)

    assert row.problem is not None
    assert row.problem.spares_started
    assert row.request is not None
    assert row.request.references == former
    assert row.fingerprint is not None


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param("gone.png", id="file"),
        pytest.param("ftp://a.example/1", id="scheme"),
        pytest.param("https:///1", id="host"),
        pytest.param(f"{URI}\u200b", id="data-uri-that-nobody-decodes"),
        pytest.param("https://a.example/\t1|gone.png", id="one-of-two"),
    ],
)
def test_what_was_never_taken_spares_no_row(read_rows: ReadRows, cell: str) -> None:
    row = one(read_rows, cell)

    assert row.problem is not None
    assert not row.problem.spares_started
    assert row.request is None


def test_a_cell_that_was_right_before_has_the_fingerprint_that_it_had(
    read_rows: ReadRows, make_job: MakeJob, tmp_path: Path
) -> None:
    for name in ("c, d.png", '"x".png', "[1].png"):
        (tmp_path / name).write_bytes(b"image")
    cells = (A, B, f"{A} | {B}", "c, d.png", '"x".png|[1].png', f"{URI}|{A}")
    # As computed by the version before cells were parted in more ways.
    golden = (
        "2a1b30ceede80339d258c9a82dac0770",
        "6541e7cb448cace756730e0fc96667c5",
        "c974297fb07f312d4f9f843dedbb7b10",
        "aa03962f377cc7290d46c053554fdf5b",
        "aeae648073b04ecd93e6e9c2d7a068e8",
        "9fee8e2d4863f7cebcbaddb08747451f",
    )

    prints = tuple(
        row.fingerprint.hex()
        for cell in cells
        if (row := one(read_rows, cell)).fingerprint is not None
    )

    assert prints == golden
