"""`check` says all that can be known, sends nothing and leaves nothing behind."""

from __future__ import annotations

import pytest

from tests.cli.command import Keepsake, Shop, batchgen


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        pytest.param("a,a lamp\nb,a cup\n", 0, id="all-can-run"),
        pytest.param("a,a lamp\na,a cup\n", 3, id="some-cannot"),
        pytest.param('a,\nb,""\n', 1, id="none-can"),
    ],
)
def test_the_exit_code_says_whether_all_some_or_no_rows_can_run(
    shop: Shop, rows: str, code: int
) -> None:
    shop.write("m.csv", f"id,prompt\n{rows}")
    before = shop.sent

    ended = batchgen("check", "m.csv", *shop.options, at=shop.folder)

    assert ended.code == code
    assert ended.stderr == ""
    assert ended.stdout.endswith("nothing was sent\n")
    assert shop.sent == before
    assert [it.name for it in shop.folder.iterdir()] == ["m.csv"]


def test_check_tells_prices_duplicates_budget_and_time(shop: Shop) -> None:
    shop.write("m.csv", "id,prompt,resolution\na,x,1K\nb,x,1K\nc,y,4K\nd,z,8K\ne,,1K\n")

    ended = batchgen(
        *("check", "m.csv", "--provider", "aimlapi"),
        *("--rpm", "2", "--max-cost", "0.5"),
        at=shop.folder,
    )

    assert ended.code == 3
    told = ended.stdout
    assert "5 rows: 3 pending, 2 invalid\n" in told
    assert "m.csv, row 3, line 5, column `resolution`: " in told
    assert "m.csv, row 4, line 6, column `prompt`: " in told
    assert "to buy: 2 images at 1K from aimlapi, $0.0925 each" in told
    assert "to buy: 1 image at 4K from aimlapi, $0.201 each" in told
    assert "cost: about $0.386, at most $0.579" in told
    assert "the budget of $0.50 is enough" in told
    assert "time: at least 1 min 30 s" in told


def test_check_of_a_folder_in_use_changes_nothing_in_it(shop: Shop) -> None:
    shop.catalogue(2)
    assert shop.run("m.csv", "--yes").code == 0
    kept = Keepsake.of(shop.folder / "out/m")
    shop.catalogue(3)

    ended = batchgen("check", "m.csv", *shop.options, at=shop.folder)

    assert ended.code == 0
    assert "3 rows: 1 pending, 2 succeeded" in ended.stdout
    assert "to buy: 1 image at 1K" in ended.stdout
    assert Keepsake.of(shop.folder / "out/m") == kept


def test_check_cannot_run_what_cannot_be_read(shop: Shop) -> None:
    shop.write("m.csv", b"id,prompt\na,caf\xe9\n")

    ended = batchgen("check", "m.csv", *shop.options, at=shop.folder)

    assert ended.code == 1
    assert ended.message.startswith("m.csv, row 0, line 2: not UTF-8")
