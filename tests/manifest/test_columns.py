from __future__ import annotations

import pytest

from batchgen.errors import SpecError
from batchgen.manifest.columns import interpret_columns, split_names
from batchgen.manifest.manifest import Manifest
from tests.manifest.conftest import MakeJob, ReadRows


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        pytest.param(
            "id,Prompt",
            {},
            "m.csv: no column `prompt` (it has id, Prompt): name the column "
            "that holds it by --columns prompt=Prompt, or",
            id="other-case",
        ),
        pytest.param(
            "id,promt",
            {},
            "m.csv: no column `prompt` (it has id, promt): name the column "
            "that holds it by --columns prompt=promt, or",
            id="mistyped",
        ),
        pytest.param(
            "a,b",
            {},
            "m.csv: no column `prompt` (it has a, b): name the column that holds it "
            "by --columns prompt=COLUMN, or give a template by --prompt",
            id="none",
        ),
        pytest.param(
            "prompt,x,x", {}, "m.csv, header: column `x` stands there twice", id="twice"
        ),
        pytest.param(
            "prompt,,x", {}, "m.csv, header: column 2 has no name", id="blank"
        ),
        pytest.param(
            "Description,x",
            {"prompt": "Descripton"},
            "m.csv: no column `Descripton`, which --columns or [columns] names for "
            "`prompt`: did you mean `Description`?",
            id="mapped-column-missing",
        ),
    ],
)
def test_a_header_that_cannot_be_is_refused_with_the_way_out(
    make_job: MakeJob, header: str, columns: dict[str, str], message: str
) -> None:
    cells = ",".join("a" * len(header.split(",")))

    with pytest.raises(SpecError) as caught:
        Manifest.open(make_job(f"{header}\n{cells}\n", columns=columns))

    assert str(caught.value).startswith(message)


def test_a_mapped_column_is_read_and_carried(read_rows: ReadRows) -> None:
    columns = {"prompt": "Description", "id": "SKU"}

    (row,) = read_rows("SKU,Description\n007, a mug \n", columns=columns)

    assert (row.id, row.prompt) == ("007", " a mug ")


@pytest.mark.parametrize(
    ("names", "mapping", "templated", "own"),
    [
        pytest.param(
            "id prompt provider model aspect_ratio resolution n image brand",
            {},
            False,
            "n image brand",
            id="what-the-table-holds-is-left-out",
        ),
        pytest.param(
            "id prompt brand", {}, True, "prompt brand", id="prompt-below-a-template"
        ),
        pytest.param(
            "id Text Ratio aspect_ratio",
            {"prompt": "Text", "aspect_ratio": "Ratio"},
            False,
            "Text Ratio aspect_ratio",
            id="mapped-names-are-the-users-own",
        ),
    ],
)
def test_own_columns_are_those_that_the_table_does_not_hold_yet(
    names: str,
    mapping: dict[str, str],
    templated: bool,  # noqa: FBT001 - a case, not a flag
    own: str,
) -> None:
    layout = interpret_columns(
        names.split(), mapping, templated=templated, where="m.csv"
    )

    assert layout.user_columns == tuple(own.split())


def test_a_column_that_looks_like_a_known_one_is_told(make_job: MakeJob) -> None:
    manifest = Manifest.open(make_job("prompt,Aspect Ratio,brand\na,1:1,b\n"))

    (notice,) = manifest.notices

    assert notice == (
        "m.csv: `Aspect Ratio` is not used as `aspect_ratio`: names are taken letter "
        "for letter. To use it: --columns aspect_ratio='Aspect Ratio', or [columns] "
        'aspect_ratio = "Aspect Ratio" in a job file'
    )


def test_a_column_that_may_be_the_id_is_told_with_the_option_unless_it_is_mapped(
    make_job: MakeJob,
) -> None:
    table = "prompt,ID,SKU\na,1,x\nb,2,y\n"

    notices = Manifest.open(make_job(table)).notices
    mapped = Manifest.open(make_job(table, columns={"id": "SKU"})).notices

    assert notices == (
        "m.csv: `ID` is not used as `id`: names are case-sensitive. To use it: "
        '--id ID, or [columns] id = "ID" in a job file',
    )
    assert mapped == ()


def test_a_column_that_only_has_the_name_of_an_option_stays_the_users_own(
    make_job: MakeJob, read_rows: ReadRows
) -> None:
    text = "prompt,background,quality\na cup,white marble,premium\na mug,opaque,high\n"

    options = [row.request.options for row in read_rows(text) if row.request]

    assert options == [{}, {"background": "opaque", "quality": "high"}]
    notices = Manifest.open(make_job(text)).notices
    assert sum("is read as the option" in notice for notice in notices) == 2


def test_a_mapped_column_is_the_option_whatever_it_holds(read_rows: ReadRows) -> None:
    text = "prompt,look\na cup,premium\n"

    (row,) = read_rows(text, columns={"quality": "look"})

    assert row.request is not None
    assert row.request.options == {"quality": "premium"}


def test_a_row_sends_the_images_of_all_columns_that_are_named(
    read_rows: ReadRows,
) -> None:
    table = (
        "prompt,IMAGE1,IMAGE2,IMAGE3\n"
        "a,https://x.test/1.png,,https://x.test/3.png\n"
        "b,https://x.test/1.png,https://x.test/1.png,https://x.test/2.png\n"
    )

    rows = read_rows(table, columns={"references": "IMAGE1, IMAGE2,IMAGE3"})

    assert [[*row.request.references] for row in rows if row.request] == [
        ["https://x.test/1.png", "https://x.test/3.png"],
        ["https://x.test/1.png", "https://x.test/2.png"],
    ]


def test_a_bad_image_in_one_of_several_columns_names_that_column(
    read_rows: ReadRows,
) -> None:
    table = "prompt,A,B\na,https://x.test/1.png,nowhere.png\n"

    (row,) = read_rows(table, columns={"references": "A,B"})

    assert row.problem is not None
    assert row.problem.column == "B"


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("Image, main", ["Image, main"]),
        ("Image, main,Photo", ["Image, main", "Photo"]),
        ("Photo,Image, main", ["Photo", "Image, main"]),
        ("photo,x", ["photo", "x"]),
    ],
)
def test_a_list_of_columns_may_hold_names_with_commas(
    text: str, columns: list[str]
) -> None:
    assert split_names(text, ["Image, main", "Photo"]) == columns


def test_a_mistyped_column_of_several_is_named_with_the_nearest(
    make_job: MakeJob,
) -> None:
    job = make_job("prompt,IMAGE1\na,b\n", columns={"references": "IMAGE1,image 2"})

    with pytest.raises(SpecError) as caught:
        Manifest.open(job)

    assert str(caught.value).startswith(
        "m.csv: no column `image 2`, which --references or [columns] names for "
        "`references`: did you mean `IMAGE1`?"
    )
