"""File names from a template: columns and image settings, made of each row anew."""

from __future__ import annotations

import pytest

from batchgen.errors import SpecError
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.slug import slug
from tests.manifest.conftest import MakeJob, ReadRows

TEMPLATE = "{{ brand }}/{{ sku }}-{{ aspect_ratio | slug }}"


def test_a_name_holds_columns_and_the_ratio_that_is_bought(
    read_rows: ReadRows,
) -> None:
    table = "prompt,brand,sku,aspect_ratio\na,Brio,7,\nb,Brio,8,3:2\n"

    rows = read_rows(table, filename=TEMPLATE, aspect_ratio="16:9")

    assert [row.filename for row in rows] == ["Brio/7-16-9", "Brio/8-3-2"]


def test_a_name_holds_the_mapped_id_and_stands_above_the_column(
    read_rows: ReadRows,
) -> None:
    table = "SKU,prompt,filename\n7,a,x\n"

    (row,) = read_rows(table, filename="cup-{{ id }}-{{ n }}", columns={"id": "SKU"})

    assert row.filename == "cup-7-1"


def test_a_row_without_a_name_is_named_after_its_id(read_rows: ReadRows) -> None:
    rows = read_rows("id,prompt,brand\n1,a,\n2,b,Brio\n", filename=" {{ brand }} ")

    assert [row.filename for row in rows] == [None, "Brio"]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            "{{ Brand }}",
            "file name template: m.csv has no column `Brand`: did you mean `brand`?",
        ),
        ("{{ brand }", "file name template, line 1: "),
        ("{{ brand | slugg }}", "there is no filter `slugg`: did you mean `slug`?"),
    ],
)
def test_a_wrong_template_is_refused_before_anything_is_read(
    make_job: MakeJob, template: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        Manifest.open(make_job("prompt,brand\na,b\n", filename=template))

    assert message in str(caught.value)


def test_a_template_without_braces_of_its_own_is_noticed(make_job: MakeJob) -> None:
    (notice,) = Manifest.open(
        make_job("prompt,brand\na,b\n", filename="{brand}")
    ).notices

    assert notice == (
        "the file name template says {brand}, which is not the value of the column "
        "`brand`: for that write {{ brand }}"
    )


def test_a_row_whose_name_cannot_be_made_is_invalid_and_stops_no_other(
    read_rows: ReadRows,
) -> None:
    rows = read_rows("prompt,width\na,x\nb,5\n", filename="{{ 10 // (width | int) }}")

    problems = [row.problem for row in rows]
    assert problems[0] is not None
    assert problems[0].column == "filename"
    assert (rows[1].filename, problems[1]) == ("2", None)


def test_another_template_plans_anew(make_job: MakeJob) -> None:
    table = "prompt,brand\na,b\n"
    digests = {
        Manifest.open(make_job(table, filename=template)).digest()
        for template in (None, "{{ brand }}", "x")
    }

    assert len(digests) == 3


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("16:9", "16-9"),
        ("  Größe L (neu) ", "größe-l-neu"),
        ("a__b--c", "a-b-c"),
        ("../../x", "x"),
        ("杯子 1", "杯子-1"),
        ("", ""),
    ],
)
def test_slug_makes_a_part_of_a_name(text: str, part: str) -> None:
    assert slug(text) == part
