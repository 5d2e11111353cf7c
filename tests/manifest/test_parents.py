from __future__ import annotations

from collections.abc import Sequence

import pytest

from batchgen.manifest import Row
from batchgen.manifest.manifest import Manifest
from batchgen.manifest.parent_reading import NamedRow, order_of
from batchgen.model import Expansion
from tests.manifest.conftest import MakeJob, ReadRows

TABLE = "id,prompt,references\nstory,s,row:banner\nbanner,b,row:hero\nhero,h,\n"


def problem_of(row: Row) -> str:
    assert row.problem is not None
    return row.problem.message


def test_a_row_may_build_on_a_row_below_it(read_rows: ReadRows) -> None:
    story, banner, hero = read_rows(TABLE)

    assert [row.parents for row in (story, banner, hero)] == [(1,), (2,), ()]
    assert hero.fingerprint is not None
    assert banner.request is not None
    assert banner.request.references == (f"row:{hero.fingerprint.hex()}:hero",)


def test_a_fingerprint_holds_the_request_of_the_parent_and_not_its_id(
    read_rows: ReadRows,
) -> None:
    _, first, _ = read_rows(TABLE)
    _, renamed, _ = read_rows(TABLE.replace("hero", "champion"))
    _, changed, _ = read_rows(TABLE.replace("hero,h", "hero,x"))
    story, _, _ = read_rows(TABLE)
    story_of_changed, _, _ = read_rows(TABLE.replace("hero,h", "hero,x"))

    assert renamed.fingerprint == first.fingerprint
    assert changed.fingerprint != first.fingerprint
    assert story_of_changed.fingerprint != story.fingerprint


def test_one_row_may_build_on_several_and_on_other_images(read_rows: ReadRows) -> None:
    row, *_ = read_rows(
        "id,prompt,references\na,x,row:b|https://a.example/1|row:c\nb,y,\nc,z,\n"
    )

    assert row.parents == (1, 2)
    assert row.request is not None
    assert row.request.references[1] == "https://a.example/1"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("padding", [0, (1 << 20) - 40, (1 << 20) + 7])
def test_rows_are_found_wherever_they_stand_in_the_file(
    read_rows: ReadRows, encoding: str, padding: int
) -> None:
    content = f"id,prompt,references\nz,{'z' * padding},\nb,b,row:hero\nhero,h,\n"

    _, banner, _ = read_rows(content.encode(encoding))

    assert banner.parents == (2,)


@pytest.mark.parametrize(
    ("references", "message"),
    [
        ("row:heroo", "row:heroo: no row has the id 'heroo': did you mean row:hero?"),
        ("row:bad", "row:bad: row 2 (line 4) is invalid: "),
        ("row:", "row:: no row has the id ''"),
        ("row:self", "rows build on each other in a circle: self -> self"),
    ],
)
def test_what_no_row_can_build_on_is_said(
    read_rows: ReadRows, references: str, message: str
) -> None:
    row, *_ = read_rows(
        "id,prompt,references,aspect_ratio\n"
        f"self,x,{references}|row:hero,\nhero,h,,\nbad,b,,5/7\n"
    )

    assert row.fingerprint is None
    assert message in problem_of(row)


def test_all_rows_of_a_circle_are_invalid(read_rows: ReadRows) -> None:
    rows = read_rows("id,prompt,references\na,x,row:b\nb,y,row:c\nc,z,row:a\n")

    assert all("in a circle: a -> b -> c -> a" in problem_of(row) for row in rows)


def test_rows_without_ids_cannot_be_named(read_rows: ReadRows) -> None:
    row, _ = read_rows("prompt,references\nx,row:hero\ny,\n")

    assert "say which one by --id" in problem_of(row)


def test_the_later_of_two_rows_with_one_id_is_no_parent(read_rows: ReadRows) -> None:
    row, first, _ = read_rows(
        "id,prompt,references\na,x,row:hero\nhero,first,\nhero,second,\n"
    )

    assert row.parents == (1,)
    assert row.request is not None
    assert first.fingerprint is not None
    assert first.fingerprint.hex() in row.request.references[0]


def test_only_the_rows_of_a_slice_are_asked_for(make_job: MakeJob) -> None:
    manifest = Manifest.open(make_job(TABLE))

    (late,) = [row for part in manifest.slices(1, 2) for row in part.rows]
    (story,) = manifest.rows_at([0])

    assert late.id == "hero"
    assert story.parents == (1,)


# -- with [expand]

EXPANDED = "id,name,references\nhero,a,\nbanner,b,row:hero\n"


def test_an_expanded_row_builds_on_the_row_of_the_same_values(
    read_rows: ReadRows,
) -> None:
    rows = read_rows(
        EXPANDED,
        prompt="{{ name }} on {{ scene }}",
        expand=Expansion(values={"scene": ("white", "oak")}),
    )

    assert [row.id for row in rows[2:]] == ["banner-white", "banner-oak"]
    assert [row.parents for row in rows] == [(), (), (0,), (1,)]


def test_an_expanded_row_builds_on_the_only_row_of_another(
    read_rows: ReadRows,
) -> None:
    rows = read_rows(
        "id,name,references,sizes\nhero,a,,1:1\nbanner,b,row:hero,21:9|16:9\n",
        prompt="{{ name }}",
        expand=Expansion(list_columns={"aspect_ratio": "sizes"}),
    )

    assert [row.parents for row in rows] == [(), (0,), (0,)]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("row:hero", "makes 2 rows of 'hero', none of them with the values of this"),
        ("row:hero-1x1", None),
    ],
)
def test_an_expanded_row_names_one_of_several(
    read_rows: ReadRows, reference: str, message: str | None
) -> None:
    *_, banner = read_rows(
        f"id,name,references,sizes\nhero,a,,1:1|4:5\nbanner,b,{reference},21:9\n",
        prompt="{{ name }}",
        expand=Expansion(list_columns={"aspect_ratio": "sizes"}),
    )

    if message is None:
        assert banner.parents == (0,)
    else:
        assert message in problem_of(banner)


# -- the order


def order(**needs: Sequence[str]) -> list[tuple[str, bool]]:
    rows = {
        row_id: NamedRow(position, None, {}, each)
        for position, (row_id, each) in enumerate(needs.items())
    }
    return [(row_id, problem is None) for row_id, problem in order_of(rows)]


def test_each_row_comes_after_those_that_it_needs() -> None:
    assert order(a="bc", b="c", c="", d="a") == [
        ("c", True),
        ("b", True),
        ("a", True),
        ("d", True),
    ]


def test_a_row_that_needs_a_circle_has_its_problem_and_others_do_not() -> None:
    assert order(a="b", b="c", c="b", d="", e="d") == [
        ("a", False),
        ("b", False),
        ("c", False),
        ("d", True),
        ("e", True),
    ]


def test_long_chains_need_no_stack() -> None:
    ids = [str(number) for number in range(5000)]
    needs = dict(zip(ids, ([each] for each in ids[1:]), strict=False)) | {ids[-1]: []}

    assert [row_id for row_id, _ in order(**needs)] == ids[::-1]
