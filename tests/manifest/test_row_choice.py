"""Which rows are chosen: each choice narrows what the ones before it left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from batchgen.errors import SpecError
from batchgen.job import load_job
from batchgen.manifest.manifest import Manifest
from tests.manifest.conftest import MakeJob

TABLE = """\
id,prompt,brand,stock,price,Option1 Value,sku
a,p0,Brio,0,"4,50",red,001
b,p1,Brio,5,"4,25",blue,002
c,p2,Lego,12,10,red,003
d,p3,O'Neill,,3,,004
e,p4,Lego,7,"2,5",red,005
"""


@pytest.fixture
def chosen(make_job: MakeJob, tmp_path: Path) -> Any:
    make_job(TABLE, "m.csv")

    def choose(**settings: Any) -> list[int]:
        job = load_job(tmp_path / "m.csv", provider="gemini", **settings)
        scope = Manifest.open(job).in_scope()
        return [position for position in range(10) if position in scope]

    return choose


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        pytest.param("brand = 'Brio'", [0, 1], id="text"),
        pytest.param("stock > 0", [1, 2, 4], id="number-in-text"),
        pytest.param("stock > 9", [2], id="not-by-letters"),
        pytest.param("0 < stock", [1, 2, 4], id="number-first"),
        pytest.param("brand = 'Lego' and stock >= 12", [2], id="and"),
        pytest.param("stock IN (5, 7) OR brand = 'O''Neill'", [1, 3, 4], id="in-or"),
        pytest.param("stock NOT BETWEEN 1 AND 9", [0, 2], id="not-between"),
        pytest.param("price < 4.5", [1, 3, 4], id="decimal-comma"),
        pytest.param(
            "\"Option1 Value\" = 'red' and stock < 8", [0, 4], id="quoted-name"
        ),
        pytest.param('"Option1 Value" IS NULL', [3], id="empty"),
        pytest.param("lower(brand) LIKE 'l%'", [2, 4], id="function"),
        pytest.param("sku = '001'", [0], id="digits-as-text"),
        pytest.param("sku = '002' or sku > 3", [1, 3, 4], id="as-text-and-as-number"),
        pytest.param("stock * 2 > 20", [2], id="arithmetic"),
        pytest.param("stock > -1", [0, 1, 2, 4], id="negative"),
    ],
)
def test_a_condition_means_what_a_person_expects(
    chosen: Any, where: str, rows: list[int]
) -> None:
    assert chosen(where=where) == rows


@pytest.mark.parametrize(
    ("where", "message"),
    [
        pytest.param("stok > 0", "no column `stok`: did you mean `stock`", id="name"),
        pytest.param("brand = Brio", "a text stands in '...'", id="unquoted-text"),
        pytest.param("brand > 5", "holds 'Brio' in row 0, line 2", id="no-number"),
        pytest.param("stock", "it is no condition", id="no-condition"),
        pytest.param("stock > avg(stock)", "avg is no function", id="of-the-whole"),
        pytest.param("stock >", "--where 'stock >'", id="broken"),
        pytest.param("stock > 0; drop", "';' is not known", id="sign"),
    ],
)
def test_a_condition_that_cannot_be_judged_is_refused(
    chosen: Any, where: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        chosen(where=where)

    assert message in str(caught.value)


def test_numbers_that_may_be_thousands_are_asked_for(
    make_job: MakeJob, tmp_path: Path
) -> None:
    make_job('prompt,price\na,"1,000"\nb,900\n', "t.csv")
    job = load_job(tmp_path / "t.csv", provider="gemini", where="price > 5")

    with pytest.raises(SpecError, match="a thousand or one"):
        Manifest.open(job).in_scope()


@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        pytest.param({"rows": "1-2,4"}, [1, 2, 4], id="positions"),
        pytest.param({"rows": "3"}, [3], id="one-position"),
        pytest.param({"first_by": "brand"}, [0, 2, 3], id="first-by"),
        pytest.param(
            {"first_by": "brand", "where": "stock > 0"}, [1, 2], id="first-of"
        ),
        pytest.param({"where": "stock > 0", "limit": 2}, [1, 2], id="limit"),
        pytest.param({"rows": "2-4", "where": "stock > 0"}, [2, 4], id="both"),
        pytest.param({"rows": "7-9"}, [], id="beyond-the-end"),
    ],
)
def test_choices_narrow_one_another(
    chosen: Any, settings: dict[str, Any], rows: list[int]
) -> None:
    assert chosen(**settings) == rows


def test_a_sample_is_the_same_for_the_same_seed(chosen: Any) -> None:
    samples = {seed: chosen(sample=3, sample_seed=seed) for seed in range(20)}

    assert all(len(rows) == 3 for rows in samples.values())
    assert samples[1] == chosen(sample=3, sample_seed=1)
    assert len({tuple(rows) for rows in samples.values()}) > 3
    assert set(chosen(sample=2, where="stock > 0")) < {1, 2, 4}
    assert chosen(sample=99) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("ids.txt", "b\n\n d \nnone\n", id="lines"),
        pytest.param("ids.csv", "name,id\nx,b\ny,d\n", id="column"),
    ],
)
def test_ids_come_from_a_file(
    chosen: Any, tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content)

    assert chosen(ids=name) == [1, 3]


def test_columns_with_types_are_judged_by_them(
    make_job: MakeJob, tmp_path: Path
) -> None:
    frame = pl.DataFrame({"prompt": ["a", "b"], "n_left": [1, 20], "ok": [True, False]})
    frame.write_parquet(tmp_path / "t.parquet")

    def choose(where: str) -> bytes | None:
        job = load_job(tmp_path / "t.parquet", provider="gemini", where=where)
        return Manifest.open(job).in_scope().flags

    assert choose("n_left > 3") == b"\0\1"
    assert choose("ok = true") == b"\1\0"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"first_by": "brnd"}, "did you mean `brand`", id="column"),
        pytest.param({"rows": "3-1"}, "ends before it begins", id="range"),
        pytest.param({"rows": "x"}, "no row and no range", id="no-range"),
        pytest.param({"sample": 2, "dedupe": True}, "do not go together", id="dedupe"),
    ],
)
def test_a_wrong_choice_is_refused(
    chosen: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        chosen(**settings)

    assert message in str(caught.value)


def test_ids_need_a_column_that_is_the_id(make_job: MakeJob, tmp_path: Path) -> None:
    make_job("SKU,prompt\n1,a\n2,b\n", "t.csv")
    (tmp_path / "ids.txt").write_text("2\n")

    job = load_job(tmp_path / "t.csv", provider="gemini", ids="ids.txt")
    with pytest.raises(SpecError, match="--id COLUMN"):
        Manifest.open(job).in_scope()

    job = load_job(
        tmp_path / "t.csv", provider="gemini", ids="ids.txt", id_column="SKU"
    )
    assert Manifest.open(job).in_scope().flags == b"\0\1"
