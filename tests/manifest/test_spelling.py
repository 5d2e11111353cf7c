"""Columns that are written as no template can have them: the right spelling is said."""

from __future__ import annotations

import pytest

from batchgen.errors import SpecError
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.spelling import ColumnNames
from batchgen.manifest.template import PromptTemplate
from tests.manifest.conftest import MakeJob, ReadRows

COLUMNS = (
    *("Title", "Option1 Value", "product-name", "body.html", "3D", "Größe", "not"),
    *("Price / USD", "none", "items"),
)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("{{ Option1 Value }}", '{{ row["Option1 Value"] }}', id="blank"),
        pytest.param(
            "{{ option1 value }}", '{{ row["Option1 Value"] }}', id="blank-and-case"
        ),
        pytest.param("{{ product-name }}", '{{ row["product-name"] }}', id="hyphen"),
        pytest.param("{{ body.html }}", '{{ row["body.html"] }}', id="dot"),
        pytest.param("{{ 3D }}", '{{ row["3D"] }}', id="leading-digit"),
        pytest.param("{{ not }}", '{{ row["not"] }}', id="reserved"),
        pytest.param("{{ Price / USD }}", '{{ row["Price / USD"] }}', id="slash"),
        pytest.param("{{ title }}", "{{ Title }}", id="case"),
        pytest.param("{{ größe }}", "{{ Größe }}", id="case-of-an-umlaut"),
        pytest.param(
            "{{ row[Option1 Value] }}", '{{ row["Option1 Value"] }}', id="no-quotes"
        ),
        pytest.param(
            "{{ row.Option1 Value }}", '{{ row["Option1 Value"] }}', id="of-the-row"
        ),
        pytest.param("{{ Title }", "{{ Title }}", id="one-brace-less"),
        pytest.param("{{{ Title }}}", "{{ Title }}", id="one-brace-more"),
        pytest.param("{% Title %}", "{{ Title }}", id="braces-of-a-statement"),
        pytest.param("{{ $Title }}", "{{ Title }}", id="dollar"),
        pytest.param("{{ product.title }}", "{{ Title }}", id="as-in-liquid"),
        pytest.param(
            "a {{ Title }}\nb {{ Option1 Value | upper }}",
            '{{ row["Option1 Value"] }}',
            id="second-line-with-a-filter",
        ),
    ],
)
def test_a_template_that_misspells_a_column_is_refused_with_the_right_spelling(
    text: str, written: str
) -> None:
    with pytest.raises(SpecError) as caught:
        PromptTemplate(text, COLUMNS, "m.csv")

    assert f"write {written}" in str(caught.value)
    fixed = PromptTemplate(written, COLUMNS, "m.csv")
    assert fixed.render(dict.fromkeys(COLUMNS, "x")) == "x"


@pytest.mark.parametrize(
    "text", ["{{ row.Titel }}", '{{ row["Titel"] }}', '{{ row.get("Titel") }}']
)
def test_a_missing_column_of_the_row_is_refused_before_any_row(text: str) -> None:
    with pytest.raises(SpecError, match="no column `Titel`: did you mean `Title`"):
        PromptTemplate(text, COLUMNS, "m.csv")


def test_a_missing_column_is_refused_with_the_columns_that_there_are() -> None:
    many = [f"c{number}" for number in range(25)]

    with pytest.raises(SpecError) as few:
        PromptTemplate("{{ size }}", ("Title", "Colour"), "m.csv")
    with pytest.raises(SpecError) as cut:
        PromptTemplate("{{ size }}", many, "m.csv")

    assert "`size` (the columns are Title, Colour)" in str(few.value)
    assert "c19 and 5 more)" in str(cut.value)
    assert "c20" not in str(cut.value)


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        pytest.param("Photo of {Title}", "{Title}", id="braces"),
        pytest.param("Photo of { title }", "{ title }", id="braces-and-blanks"),
        pytest.param("Photo of {{ 'Title' }}", "{{ 'Title' }}", id="quoted"),
        pytest.param('Photo of {{ "title" }}', '{{ "title" }}', id="double-quoted"),
        pytest.param("Photo of {{ none }}", "{{ none }}", id="a-word-of-the-template"),
        pytest.param("Photo of %(title)s", "%(title)s", id="percent"),
        pytest.param("Photo of $Title!", "$Title", id="dollar"),
        pytest.param("Photo of ${Title}", "${Title}", id="dollar-and-braces"),
        pytest.param("Photo of <Title>", "<Title>", id="angle-brackets"),
        pytest.param("Photo of [Option1 Value]", "[Option1 Value]", id="brackets"),
        pytest.param("Photo of <%= Title %>", "<%= Title %>", id="as-in-ruby"),
        pytest.param("Photo of %Title%", "%Title%", id="percent-signs"),
    ],
)
def test_what_only_looks_like_a_column_is_told(
    make_job: MakeJob, text: str, sign: str
) -> None:
    header = ",".join(COLUMNS)
    cells = ",".join("x" * len(COLUMNS))

    notices = Manifest.open(make_job(f"{header}\n{cells}\n", prompt=text)).notices

    (notice,) = [notice for notice in notices if "prompt template" in notice]
    assert f"says {sign}, which is not the value of the column" in notice
    assert "write {{ " in notice


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{{ Title }} for $5, 100% cotton and 50% wool", id="price"),
        pytest.param("{{ Title }} {with braces} [a] <b> $x %(y)s", id="others"),
        pytest.param('{"subject": {{ Title | tojson }}}', id="json"),
        pytest.param("Title", id="a-word"),
    ],
)
def test_a_template_without_such_signs_is_not_told_of(
    make_job: MakeJob, text: str
) -> None:
    assert not Manifest.open(make_job("Title,5\nx,y\n", prompt=text)).notices


@pytest.mark.parametrize(
    ("cell", "is_told"),
    [
        pytest.param("a {{ Title }}", True, id="template"),
        pytest.param("a {% if x %}b{% endif %}", True, id="block"),
        pytest.param("a {Title}", True, id="column-in-braces"),
        pytest.param("a {red|blue} cup", False, id="other-braces"),
        pytest.param("a cup for $5", False, id="price"),
    ],
)
def test_placeholders_in_cells_are_a_warning_and_a_notice(
    make_job: MakeJob, read_rows: ReadRows, cell: str, *, is_told: bool
) -> None:
    content = f'prompt,Title\n"{cell}",cup\nplain,mug\n'

    rows = read_rows(content)
    notices = Manifest.open(make_job(content)).notices

    assert [row.warning is not None for row in rows] == [is_told, False]
    assert [row.prompt for row in rows] == [cell, "plain"]
    assert any("of the first 2 rows, 1 hold" in notice for notice in notices) is is_told


@pytest.mark.parametrize(
    ("word", "column"),
    [
        pytest.param("Body (HTML)", "Body (HTML)", id="as-it-is"),
        pytest.param(" body-(html) ", "Body (HTML)", id="otherwise"),
        pytest.param("image_src", "image_src", id="the-very-one-before-a-similar-one"),
        pytest.param("IMAGE SRC", "Image Src", id="the-first-of-similar-ones"),
        pytest.param("src", None, id="a-part"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_column_is_found_by_its_name(word: str, column: str | None) -> None:
    names = ColumnNames(["Body (HTML)", "Image Src", "image_src"])

    assert names.find(word) == column


# -- what a template puts out


def test_a_column_stands_above_what_the_row_itself_can_do() -> None:
    template = PromptTemplate("{{ row.items }}", COLUMNS, "m.csv")

    assert template.render({**dict.fromkeys(COLUMNS), "items": "3 cups"}) == "3 cups"


def test_a_function_is_never_put_out() -> None:
    template = PromptTemplate("{{ Title.upper }}", COLUMNS, "m.csv")

    with pytest.raises(ValueError, match=r"write \(\) behind it"):
        template.render({**dict.fromkeys(COLUMNS), "Title": "cup"})


@pytest.mark.parametrize(
    ("template", "words"),
    [
        pytest.param("{{ Title | map('upper') }}", "a whole list", id="lazy-list"),
        pytest.param("{{ range(3) }}", "a whole list", id="range"),
        pytest.param("{{ ('x', 'y') }} {{ Title }}", "a whole list", id="constant"),
        pytest.param("{{ none }} {{ Title }}", "`None`", id="constant-none"),
        pytest.param("{{ cycler('x') }} {{ Title }}", "neither text", id="object"),
        pytest.param("{{ self }} {{ Title }}", "neither text", id="template"),
        pytest.param("{{ Title }} {{ 1.5 }} {{ true }}", None, id="numbers"),
        pytest.param("{{ Title | e }}", None, id="escaped"),
    ],
)
def test_only_texts_and_numbers_are_put_out(
    read_rows: ReadRows, template: str, words: str | None
) -> None:
    rows = read_rows("Title\ncup\nmug\n", prompt=template)

    for row in rows:
        problem = None if row.problem is None else row.problem.message
        assert (problem is None) is (words is None)
        assert (words or "") in (problem or "")


@pytest.mark.parametrize(
    "template", ["{{ Title | no_filter }}", "{{ Title is no_test }}", "{{ Title"]
)
def test_a_template_that_is_none_is_told_in_one_line(
    make_job: MakeJob, template: str
) -> None:
    with pytest.raises(SpecError, match=r"^prompt template, line 1: "):
        Manifest.open(make_job("Title\ncup\n", prompt=template))


@pytest.mark.parametrize("cell", [None, "", "nan", " "], ids=str)
def test_a_default_stands_in_for_a_cell_without_a_value(cell: str | None) -> None:
    template = PromptTemplate("{{ Title | default('cup') }}", COLUMNS, "m.csv")

    assert template.render({**dict.fromkeys(COLUMNS), "Title": cell}) == "cup"
