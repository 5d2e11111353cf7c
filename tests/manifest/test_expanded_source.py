from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from batchgen.errors import SpecError
from batchgen.manifest import Row
from batchgen.manifest.manifest import Manifest
from batchgen.model import Expansion
from tests.manifest.conftest import MakeJob, ReadRows

TEMPLATE = "{{ name }} on {{ background }}"


def expansion(**values: list[str]) -> Expansion:
    return Expansion(values={name: tuple(texts) for name, texts in values.items()})


def user_columns(manifest: Manifest, size: int = 3) -> pl.DataFrame:
    parts = [pl.read_ipc_stream(part.user_columns) for part in manifest.slices(size)]
    return pl.concat(parts)


def test_each_row_becomes_all_combinations(read_rows: ReadRows) -> None:
    rows = read_rows(
        "id,name\nm1,mug\nm2,vase\n",
        prompt=TEMPLATE,
        expand=expansion(
            aspect_ratio=["1:1", "16:9"], background=["white", "Oak table"]
        ),
    )

    assert [row.id for row in rows[:4]] == [
        "m1-1x1-white",
        "m1-1x1-oak-table",
        "m1-16x9-white",
        "m1-16x9-oak-table",
    ]
    assert [row.prompt for row in rows[4:6]] == ["vase on white", "vase on Oak table"]
    assert [_ratio(row) for row in rows] == ["1:1", "1:1", "16:9", "16:9"] * 2
    assert [row.position for row in rows] == list(range(8))
    assert [row.line for row in rows] == [2] * 4 + [3] * 4


def test_the_origin_of_a_row_stands_in_its_columns(make_job: MakeJob) -> None:
    job = make_job(
        "id,name\nm1,mug\nm2,vase\n",
        prompt=TEMPLATE,
        expand=expansion(background=["white", "oak"]),
    )

    table = user_columns(Manifest.open(job))

    assert table.columns == ["name", "background", "source_row", "source_id"]
    assert table["source_row"].to_list() == [0, 0, 1, 1]
    assert table["source_id"].to_list() == ["m1", "m1", "m2", "m2"]
    assert table["background"].to_list() == ["white", "oak"] * 2


def test_a_table_without_ids_has_rows_of_its_own(make_job: MakeJob) -> None:
    job = make_job(
        "name\nmug\n", prompt=TEMPLATE, expand=expansion(background=["white", "oak"])
    )
    manifest = Manifest.open(job)

    rows = [row for part in manifest.slices() for row in part.rows]

    assert [row.id for row in rows] == [None, None]
    assert rows[0].fingerprint != rows[1].fingerprint
    assert "source_id" not in user_columns(manifest).columns


def test_a_file_name_tells_the_combination(read_rows: ReadRows) -> None:
    rows = read_rows(
        "id,name,filename\nm1,mug,a/mug.png\nm2,vase,\n",
        prompt=TEMPLATE,
        expand=expansion(background=["white", "oak"]),
    )

    assert [row.filename for row in rows] == [
        "a/mug-white.png",
        "a/mug-oak.png",
        None,
        None,
    ]


def test_ids_and_requests_stay_when_a_value_is_added(read_rows: ReadRows) -> None:
    table = "id,name\nm1,mug\nm2,vase\n"

    few = read_rows(table, prompt=TEMPLATE, expand=expansion(background=["white"]))
    many = read_rows(
        table, prompt=TEMPLATE, expand=expansion(background=["oak", "white"])
    )

    by_id = {row.id: row.fingerprint for row in many}
    assert [by_id[row.id] for row in few] == [row.fingerprint for row in few]


@pytest.mark.parametrize(
    ("cell", "ratios"),
    [
        ("1:1|16:9", ["1:1", "16:9"]),
        ("1:1 | 1:1", ["1:1"]),
        ('"[""4:5"", ""1:1""]"', ["4:5", "1:1"]),
        ("", [None]),
    ],
)
def test_a_cell_may_list_the_values(
    read_rows: ReadRows, cell: str, ratios: list[str | None]
) -> None:
    rows = read_rows(
        f"id,prompt,sizes\nm1,mug,{cell}\n",
        expand=Expansion(list_columns={"aspect_ratio": "sizes"}),
    )

    assert [_ratio(row) for row in rows] == ratios
    suffixes = [f"-{ratio.replace(':', 'x')}" if ratio else "" for ratio in ratios]
    assert [row.id for row in rows] == [f"m1{suffix}" for suffix in suffixes]


def test_a_list_of_parquet_is_expanded_in_its_own_column(
    make_job: MakeJob, tmp_path: Path
) -> None:
    job = make_job(
        "",
        "m.parquet",
        prompt=TEMPLATE,
        expand=Expansion(list_columns={"background": "background"}),
    )
    pl.DataFrame(
        {"id": [1, 2], "name": ["mug", "vase"], "background": [["white", "oak"], []]}
    ).write_parquet(job.manifest)

    rows = [row for part in Manifest.open(job).slices() for row in part.rows]

    assert [row.id for row in rows] == ["1-white", "1-oak", "2"]
    assert [row.prompt for row in rows] == ["mug on white", "mug on oak", "vase on "]


def test_a_second_table_brings_views(make_job: MakeJob, tmp_path: Path) -> None:
    views = tmp_path / "views.csv"
    views.write_text("view,aspect_ratio,scene\nhero,1:1,on white\nbanner,21:9,\n")
    job = make_job(
        "id,name\nm1,mug\nm2,vase\n",
        prompt="{{ name }} {{ scene }}",
        expand=Expansion(table=views),
    )

    rows = [row for part in Manifest.open(job).slices() for row in part.rows]

    assert [row.id for row in rows] == [
        "m1-hero",
        "m1-banner",
        "m2-hero",
        "m2-banner",
    ]
    assert [_ratio(row) for row in rows] == ["1:1", "21:9"] * 2
    assert rows[2].prompt == "vase on white"


def test_the_plan_depends_on_the_second_table(
    make_job: MakeJob, tmp_path: Path
) -> None:
    views = tmp_path / "views.csv"
    views.write_text("view\nhero\n")
    job = make_job("id,prompt\nm1,mug\n", expand=Expansion(table=views))
    first = Manifest.open(job).digest()

    views.write_text("view\nbanner\n")

    assert Manifest.open(job).digest() != first


def test_slices_keep_to_their_size(make_job: MakeJob) -> None:
    job = make_job(
        "id,name\n" + "".join(f"m{i},mug\n" for i in range(10)),
        prompt=TEMPLATE,
        expand=expansion(background=["a", "b", "c"], view=["x", "y"]),
    )
    manifest = Manifest.open(job)

    sizes = [len(part.rows) for part in manifest.slices(4)]
    late = [row.position for part in manifest.slices(4, 31) for row in part.rows]

    assert max(sizes) <= 4
    assert sum(sizes) == 60
    assert late == list(range(31, 60))
    assert [row.position for row in manifest.rows_at([7, 59])] == [7, 59]


def test_the_count_is_told(make_job: MakeJob) -> None:
    job = make_job(
        "id,name\nm1,mug\n",
        prompt="{{ name }} on {{ scene }}",
        expand=expansion(aspect_ratio=["1:1", "16:9"], scene=["white", "oak"]),
    )

    (notice,) = Manifest.open(job).notices

    assert notice == (
        "m.csv: each row becomes 4 rows: "
        "2 aspect_ratio (1:1, 16:9) x 2 scene (white, oak)"
    )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"values": {"name": ("a",)}},
            "m.csv: column `name` stands in the table and would be made by [expand], "
            "too: rename one of them",
        ),
        (
            {"list_columns": {"view": "Sizes"}},
            "m.csv: no column `Sizes`, which [expand] names for `view`: did you mean "
            "`sizes`? (the columns are id, name, sizes)",
        ),
        (
            {"values": {"background": ("Oak table", "oak-table")}},
            "[expand], `background`: 'Oak table' and 'oak-table' would give the same "
            "id, ending with `oak-table`: make them differ in letters or digits",
        ),
    ],
)
def test_what_cannot_be_expanded_is_said(
    make_job: MakeJob, asked: dict[str, Any], message: str
) -> None:
    job = make_job(
        "id,name,sizes\nm1,mug,1:1\n", prompt="{{ name }}", expand=Expansion(**asked)
    )

    with pytest.raises(SpecError) as error:
        Manifest.open(job)

    assert str(error.value) == message


@pytest.mark.parametrize(
    ("content", "fault"),
    [("view\nhero\nhero\n", "holds 'hero' twice"), ("view,x\n,1\n", "has an empty")],
)
def test_rows_of_the_second_table_need_names(
    make_job: MakeJob, tmp_path: Path, content: str, fault: str
) -> None:
    views = tmp_path / "views.csv"
    views.write_text(content)
    job = make_job("id,prompt\nm1,mug\n", expand=Expansion(table=views))

    with pytest.raises(SpecError, match=fault):
        Manifest.open(job)


def test_a_mapping_that_would_hide_a_new_column_is_refused(make_job: MakeJob) -> None:
    job = make_job(
        "id,prompt,Format\nm1,mug,1:1\n",
        columns={"aspect_ratio": "Format"},
        expand=expansion(aspect_ratio=["1:1", "16:9"]),
    )

    with pytest.raises(SpecError, match=r"name `Format` under \[expand\]"):
        Manifest.open(job)


def _ratio(row: Row) -> str | None:
    assert row.request is not None
    return row.request.aspect_ratio
