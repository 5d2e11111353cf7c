"""`recover` where SOURCE was edited, or files of the folder are damaged."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from batchgen.output.diskfile import DiskFile
from batchgen.output.walk import header_at
from tests.cli.command import (
    Shop,
    batchgen,
    digest,
    table,
)
from tests.cli.recovering import (
    TABLES,
    lose_ledger,
    money_in,
    recover,
)


@pytest.mark.parametrize(
    ("lost", "ids"),
    [
        pytest.param((), True, id="tables-with-ids"),
        pytest.param((), False, id="tables-without-ids"),
        # With ids the ZIP alone says which row it was, not what that asked for.
        pytest.param(("run.log", *TABLES), False, id="zip-without-ids"),
    ],
)
def test_an_edit_after_the_loss_asks_as_any_other_edit(
    shop: Shop, lost: tuple[str, ...], *, ids: bool
) -> None:
    def write(*prompts: str) -> None:
        lines = [f"r{number},{text}" for number, text in enumerate(prompts)]
        lines = ["id,prompt", *lines] if ids else ["prompt", *prompts]
        shop.write("m.csv", "\n".join([*lines, ""]))

    write("a lamp", "a cup", "a pot")
    assert shop.run("m.csv", "--yes", "--quiet").code == 0
    folder = shop.folder / "out/m"
    spent, sent = money_in(folder).spent, shop.sent
    lose_ledger(folder, *lost)
    write("a lamp", "a tall cup", "a pot")

    recover(shop, "m.csv", *shop.options)

    assert money_in(folder).spent == spent
    refused = shop.run("m.csv", "--yes", "--quiet")
    assert refused.code == 2
    assert "--rebuy" in refused.message
    assert shop.sent == sent
    kept = shop.run("m.csv", "--yes", "--quiet", "--keep")
    assert kept.code == 0, kept
    assert shop.sent == sent


def test_rows_that_failed_and_rows_that_were_dropped_keep_their_money(
    shop: Shop,
) -> None:
    rows = ["a,a lamp", "b,REFUSE-ME please", "c,a pot", "d,a mug"]
    shop.write("m.csv", "\n".join(["id,prompt", *rows, ""]))
    assert shop.run("m.csv", "--yes", "--quiet").code == 3
    shop.write("m.csv", "\n".join(["id,prompt", *rows[:3], ""]))
    assert shop.run("m.csv", "--yes", "--quiet").code == 3
    folder = shop.folder / "out/m"
    before, results = money_in(folder), table(folder)
    assert before.superseded > 0
    sent = shop.sent
    lose_ledger(folder, "run.log")

    recover(shop, "out/m", *shop.options)

    assert money_in(folder) == before
    assert shop.run("m.csv", "--yes", "--quiet").code == 3
    assert shop.sent == sent
    assert table(folder).equals(results)


def test_an_image_that_the_zip_lost_is_bought_again_only_with_consent(
    finished_shop: Shop,
) -> None:
    folder = finished_shop.folder / "out/m"
    before, sent = money_in(folder), finished_shop.sent
    lose_ledger(folder, "images.zip")

    ended = recover(finished_shop)

    assert "3 images that were bought are not in images.zip" in ended.stdout
    assert money_in(folder).spent == before.spent
    refused = finished_shop.run("m.csv", "--yes", "--quiet")
    assert refused.code == 2
    assert "--rebuy" in refused.message
    assert finished_shop.sent == sent


def test_a_damaged_image_costs_the_others_nothing(finished_shop: Shop) -> None:
    folder = finished_shop.folder / "out/m"
    archive = folder / "images.zip"
    data = bytearray(archive.read_bytes())
    first = header_at(DiskFile(archive), 0)
    assert first is not None
    second = first.length + first.size_bytes
    data[second + 6] ^= 0xFF  # in the header of the second
    archive.write_bytes(data)
    lose_ledger(folder)

    ended = recover(finished_shop)

    assert "2 images in the ZIP" in ended.stdout
    assert "1 damaged place in images.zip" in ended.stdout
    statuses = Counter(row["status"] for row in rows_in(folder))
    assert statuses == {"succeeded": 2, "pending": 1}


def rows_in(folder: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(folder / "run.db")) as ledger:
        ledger.row_factory = sqlite3.Row
        return [dict(row) for row in ledger.execute("SELECT * FROM rows")]


def test_another_source_is_refused_and_nothing_is_changed(finished_shop: Shop) -> None:
    folder = finished_shop.folder / "out/m"
    lose_ledger(folder, "run.log", *TABLES)
    finished_shop.write("other.csv", "id,prompt\nx,a horse\n")
    before = digest(folder / "images.zip")

    refused = batchgen(
        "recover",
        "other.csv",
        "--out",
        "out/m",
        *finished_shop.options,
        at=finished_shop.folder,
    )

    assert refused.code == 2
    assert "SOURCE" in refused.message
    assert [path.name for path in folder.iterdir()] == ["images.zip"]
    assert digest(folder / "images.zip") == before


def test_another_programs_zip_is_refused_and_stays(shop: Shop) -> None:
    shop.catalogue(1)
    folder = shop.folder / "out/m"
    folder.mkdir(parents=True)
    (folder / "images.zip").write_bytes(b"PK\x05\x06" + bytes(18))

    refused = batchgen("recover", "m.csv", *shop.options, at=shop.folder)

    assert refused.code == 1
    assert "another program" in refused.message
    assert [path.name for path in folder.iterdir()] == ["images.zip"]


def test_a_table_that_cannot_be_read_is_moved_aside(finished_shop: Shop) -> None:
    folder = finished_shop.folder / "out/m"
    before = money_in(folder)
    lose_ledger(folder)
    (folder / "attempts.parquet").write_bytes(b"of somebody else")

    ended = recover(finished_shop)

    assert "attempts.parquet cannot be read" in ended.stdout
    assert (folder / "attempts.parquet.lost-1").read_bytes() == b"of somebody else"
    assert money_in(folder) == before


def test_the_table_in_other_formats_is_written_anew(finished_shop: Shop) -> None:
    folder, words = finished_shop.folder / "out/m", ("--table", "csv")
    assert finished_shop.run("m.csv", "--yes", "--quiet", *words).code == 0
    before = (folder / "results.csv").read_bytes()
    lose_ledger(folder)

    ended = recover(finished_shop)

    assert "results.csv.lost-1" in ended.stdout
    assert (folder / "results.csv.lost-1").read_bytes() == before
    carried_on = finished_shop.run("m.csv", "--yes", "--quiet", *words)
    assert carried_on.code == 0, carried_on
    assert (folder / "results.csv").read_bytes() == before


def test_a_table_of_yours_stays_where_it_is(finished_shop: Shop) -> None:
    rows = (finished_shop.folder / "m.csv").read_bytes()
    finished_shop.write("results.csv", rows)
    words = ("--out", ".", "--yes", "--quiet")
    assert finished_shop.run("results.csv", *words).code == 0
    lose_ledger(finished_shop.folder)

    recover(finished_shop, ".")

    assert (finished_shop.folder / "results.csv").read_bytes() == rows


def test_tables_of_an_older_batchgen_are_read_too(finished_shop: Shop) -> None:
    folder = finished_shop.folder / "out/m"
    before, sent = money_in(folder), finished_shop.sent
    path = folder / "attempts.parquet"
    older = pl.read_parquet(path)
    names = older.columns[: older.columns.index("retired") + 1]
    older.select(names).write_parquet(path)
    lose_ledger(folder, "run.log")

    ended = recover(finished_shop, "m.csv", *finished_shop.options)

    assert "attempts.parquet: 3 purchases" in ended.stdout
    assert money_in(folder) == before
    assert finished_shop.run("m.csv", "--yes", "--quiet").code == 0
    assert finished_shop.sent == sent


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("state", "finished_shop"),
        ("provider", None),
        ("attempt_id", -1),
        ("images", None),
        ("cost_basis", "guessed"),
    ],
)
def test_a_table_that_others_changed_ends_in_one_message(
    finished_shop: Shop, column: str, value: object
) -> None:
    folder = finished_shop.folder / "out/m"
    path = folder / "attempts.parquet"
    rows = pl.read_parquet(path)
    changed = pl.lit(value, dtype=rows.schema[column]).alias(column)
    rows.with_columns(changed).write_parquet(path)
    lose_ledger(folder)

    refused = batchgen("recover", "out/m", at=finished_shop.folder)

    assert refused.code == 1
    assert "attempts.parquet" in refused.message
    assert "move the file away" in refused.message
    assert not [*folder.glob("run.db*")]


def test_a_log_that_others_changed_is_read_as_far_as_it_makes_sense(
    finished_shop: Shop,
) -> None:
    folder = finished_shop.folder / "out/m"
    before = money_in(folder)
    lose_ledger(folder)
    with (folder / "run.log").open("ab") as log:
        log.write(b"2026-11-30T10:00:00Z info    sent attempt=-4 image='\\x'\n")
        log.write(b"2026-99-99T10:00:00Z info    sent attempt=4\n\xff\xfe\x00\n")
        log.write(b"2026-11-30T10:00:00Z info    sent attempt=9 images=99999999999\n")
        log.write(b"2026-11-30T10:00:00Z info    accepted attempt=9\n")
        log.write(b"2026-11-30T10:00:00Z info    command words='batchgen run ; rm'\n")

    ended = recover(finished_shop, "out/m", "--provider", "aimlapi")

    after = money_in(folder)
    assert (after.spent, after.at_risk_attempts) == (before.spent, 1)
    assert "rm" not in ended.stdout.split()


def test_an_answer_that_no_other_file_knows_stands_as_at_risk(
    finished_shop: Shop,
) -> None:
    folder = finished_shop.folder / "out/m"
    lose_ledger(folder)
    (folder / "kept").mkdir()
    (folder / "kept/99.json").write_text("{}")

    ended = recover(finished_shop)

    assert "kept/99.json" in ended.stdout
    assert money_in(folder).at_risk_attempts == 1


def test_a_gap_in_the_log_is_told(finished_shop: Shop) -> None:
    folder = finished_shop.folder / "out/m"
    log = folder / "run.log"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(line for line in lines if "attempt=2" not in line))
    lose_ledger(folder, *TABLES)

    ended = recover(finished_shop)

    assert "cannot be known" in ended.stdout
    assert money_in(folder).images == 3
