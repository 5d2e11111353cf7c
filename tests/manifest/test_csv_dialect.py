"""Tables as spreadsheets leave them: delimiters, titles, headers, encodings."""

from __future__ import annotations

import pytest

from batchgen.errors import SpecError
from batchgen.manifest.manifest import Manifest
from tests.manifest.conftest import MakeJob, ReadRows

TITLE = "a {{ Titel }}"


@pytest.mark.parametrize(
    ("content", "prompt", "notice"),
    [
        pytest.param(
            "Titel;Preis;Text\nTasse;4,50;rot, matt\n", "a Tasse", "semicolons", id="de"
        ),
        pytest.param(
            "Titel;Preis, EUR\nTasse;4,50\nKrug;5,00\n",
            "a Tasse",
            "semicolons",
            id="a-comma-in-the-header",
        ),
        pytest.param("Titel\tPreis\nTasse\t4,50\n", "a Tasse", "tabs", id="tabs"),
        pytest.param("Titel|Preis\nTasse|4,50\n", "a Tasse", "bars (|)", id="bars"),
        pytest.param(
            '"Titel";"Preis"\n"Tasse; rot";"4,50"\n',
            "a Tasse; rot",
            "semicolons",
            id="quoted",
        ),
        pytest.param(
            "sep=;\r\nTitel;Preis\r\nTasse;4,50\r\n",
            "a Tasse",
            "its first line says that semicolons",
            id="sep",
        ),
        pytest.param(
            "\ufeffSEP=;\nTitel;Preis\nTasse;4,50\n",
            "a Tasse",
            "its first line says that semicolons",
            id="sep-below-a-byte-order-mark",
        ),
        pytest.param(
            '"sep=\t"\nTitel\tPreis\nTasse\t4,50\n',
            "a Tasse",
            "its first line says that tabs",
            id="sep-is-a-quoted-tab",
        ),
        pytest.param(
            "sep=,\nTitel,Preis\nTasse,4\n",
            "a Tasse",
            "says that commas",
            id="sep-comma",
        ),
    ],
)
def test_the_delimiter_is_found_and_said(
    make_job: MakeJob, content: str, prompt: str, notice: str
) -> None:
    manifest = Manifest.open(make_job(content, prompt=TITLE))

    row = next(manifest.slices()).rows[0]

    assert row.prompt == prompt
    assert any(notice in line for line in manifest.notices)
    assert row.line == (3 if "sep" in content.lower() else 2)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param('prompt,x\n"a;b",1\nc;d,2\n', id="semicolons-in-cells"),
        pytest.param("prompt\na cup; red\n", id="one-column"),
        pytest.param("prompt,image\na,x|y\n", id="bars-between-references"),
        pytest.param("prompt,price;old\na,1\nb,2\n", id="semicolon-in-the-header"),
    ],
)
def test_commas_are_taken_without_a_word(make_job: MakeJob, content: str) -> None:
    manifest = Manifest.open(make_job(content))

    assert next(iter(manifest.slices())).rows[0].prompt
    assert not any("between the cells" in line for line in manifest.notices)


def test_a_sep_line_counts_as_a_line_in_messages(read_rows: ReadRows) -> None:
    with pytest.raises(SpecError, match="row 1, line 4: it has 1 cell"):
        read_rows("sep=;\nid;prompt\n1;a\n2\n")


# -- columns without a name


def test_empty_columns_behind_the_last_name_are_left_out(make_job: MakeJob) -> None:
    manifest = Manifest.open(make_job("id,prompt,,\n1,a,,\n2,b\n3,c, ,\n"))

    (part,) = manifest.slices()

    assert [(row.id, row.prompt) for row in part.rows] == [
        ("1", "a"),
        ("2", "b"),
        ("3", "c"),
    ]


def test_a_value_below_no_name_is_refused_with_its_place(read_rows: ReadRows) -> None:
    with pytest.raises(SpecError) as caught:
        read_rows("id,prompt,,\n1,a,,\n2,a red cup, with a handle,\n")

    assert str(caught.value).startswith(
        "m.csv, row 1, line 3: cell 3 holds 'with a handle', but the header has no name"
    )


def test_all_columns_that_stand_there_twice_are_named(make_job: MakeJob) -> None:
    with pytest.raises(SpecError) as caught:
        Manifest.open(make_job("prompt,x,y,x,y,x\na,1,2,3,4,5\n"))

    assert "column `x` stands there 3 times (so do y)" in str(caught.value)


# -- a title above the header


@pytest.mark.parametrize(
    ("content", "line", "prompt"),
    [
        pytest.param("Products 2026\nid,prompt\n1,a\n", 2, None, id="title"),
        pytest.param("Products 2026,,\nid,prompt,x\n1,a,b\n", 2, None, id="padded"),
        pytest.param("Products\n\nid,prompt\n1,a\n", 3, None, id="blank-line-below"),
        pytest.param("Liste\nTitel;Preis\nTasse;4,50\n", 2, TITLE, id="semicolons"),
        pytest.param("sep=;\nListe\nTitel;x\nTasse;1\n", 3, TITLE, id="below-sep"),
        pytest.param("\ufeffListe\nTitel;x\nTasse;1\n", 2, TITLE, id="marked"),
        pytest.param(
            'A\n"Shop, all"\nid\tprompt\n1\t"neon" a\n', 3, None, id="raw-quotes"
        ),
    ],
)
def test_a_title_above_the_header_is_left_out_and_said(
    make_job: MakeJob, content: str, line: int, prompt: str | None
) -> None:
    manifest = Manifest.open(make_job(content, prompt=prompt))

    (part,) = manifest.slices()

    assert [row.line for row in part.rows] == [line + 1]
    assert part.rows[0].prompt in ("a", "a Tasse", '"neon" a')
    assert any(
        f"m.csv: line {line} is read as the header" in notice
        for notice in manifest.notices
    )


@pytest.mark.parametrize(
    ("content", "line"),
    [
        pytest.param("Export,2026-11-30\nshop,a\nid,prompt\n1,a\n", 3, id="as-wide"),
        pytest.param("Products,New,Now\nid,Prompt\n1,a\n", 2, id="wider"),
    ],
)
def test_a_title_that_may_be_a_header_is_told_with_the_line_of_the_header(
    make_job: MakeJob, content: str, line: int
) -> None:
    with pytest.raises(SpecError) as caught:
        Manifest.open(make_job(content))

    message = str(caught.value)
    assert "seems to be a title above the table" in message
    assert f"the header to stand in line {line} (" in message
    assert f"delete what stands above line {line}" in message


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("text,x\nprompt,1\n", id="a-cell-that-is-called-so"),
        pytest.param("prompts\na cup, red\n", id="no-header-below"),
    ],
)
def test_a_header_without_the_prompt_is_no_title(
    make_job: MakeJob, content: str
) -> None:
    columns = {"prompt": "text"} if "text" in content else {}
    job = make_job(content, columns=columns)

    try:
        Manifest.open(job)
    except SpecError as error:
        assert "title" not in str(error)  # noqa: PT017 - one of the two is refused


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param(
            "{% for name in row %}{{ row[name] }} {% endfor %}", id="all-columns"
        ),
        pytest.param(
            "{% for key, value in row.items() %}{{ key }} {{ value }} {% endfor %}",
            id="all-pairs",
        ),
        pytest.param("{{ shade | default('red') }} {{ row['Size'] }}", id="default"),
        pytest.param("{{ 'red' if row.Size == 'name' else 'key' }}", id="constants"),
        pytest.param("{% set red = row.Size %}{{ red }}", id="variable"),
    ],
)
def test_a_row_that_holds_words_of_the_template_is_no_header(
    make_job: MakeJob, prompt: str
) -> None:
    content = "Product,Size\nred,M\nname,key\nvalue,row\nset,shade\n"

    manifest = Manifest.open(make_job(content, prompt=prompt))

    (part,) = manifest.slices()
    assert [row.problem for row in part.rows] == [None] * 4


@pytest.mark.slow
@pytest.mark.parametrize("length", [60_000, 70_000, 200_000])
def test_a_header_of_any_length_is_read_to_its_end(
    read_rows: ReadRows, length: int
) -> None:
    names = [f"column_{number}" for number in range(length // 12)]
    cells = ["1"] * len(names)

    rows = read_rows(f"{','.join([*names, 'prompt'])}\n{','.join([*cells, 'a'])}\n")

    assert [row.prompt for row in rows] == ["a"]


def test_blank_lines_and_line_ends_of_windows_do_no_harm(read_rows: ReadRows) -> None:
    rows = read_rows(
        "\ufeffid;prompt\r\n1;a\r\n2;b\r\n\r\n;\r\n\r\n".replace(";\r\n\r\n", "")
    )

    assert [(row.id, row.prompt) for row in rows] == [("1", "a"), ("2", "b")]
