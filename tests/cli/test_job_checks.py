"""Settings are judged before the table is read, and nothing under way is held up."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from batchgen.ledger import Reader
from batchgen.runner.credentials import key_problem
from batchgen.runner.folder import open_folder
from tests.cli.command import KEY, Shop, batchgen
from tests.ledger.books import prompts, row_ids, send_part

TABLE = "id,prompt\na,a lamp\n"


def check(folder: Path, *options: str) -> tuple[int, str]:
    (folder / "m.csv").write_text(TABLE)
    ended = batchgen("check", "m.csv", *options, at=folder)
    return ended.code, ended.stderr


def test_a_setting_that_no_provider_has_holds_up_nothing_that_is_under_way(
    tmp_path: Path,
) -> None:
    options = ("--provider", "gemini", "--aspect-ratio", "5:7")
    before = check(tmp_path, *options)
    with open_folder(tmp_path / "out/m", tmp_path / "m.csv", "real") as folder:
        prompts(folder.ledger, ["a lamp"], ["a"])
        with folder.ledger.transaction():
            send_part(folder.ledger, row_ids(folder.ledger)[0])

    code, stderr = check(tmp_path, *options)

    assert before[0] == 2
    assert (code, stderr) in [(0, ""), (1, ""), (3, "")]
    with closing(Reader(tmp_path / "out/m/run.db")) as ledger:
        assert len(ledger.open_attempts()) == 1


@pytest.mark.parametrize(
    ("options", "code"),
    [
        pytest.param(("--model", "new-1"), 2, id="unknown"),
        pytest.param(("--model", "new-1", "--price", "0.1"), 0, id="priced"),
        pytest.param(
            ("--model", "new-1", "--base-url", "https://proxy.example"), 0, id="proxy"
        ),
        pytest.param(("--model", "models/gemini-3-pro-image"), 0, id="with-prefix"),
        pytest.param(("--model", "gemini-2.5-flash-image"), 0, id="listed"),
    ],
)
def test_a_model_is_taken_that_is_known_or_has_a_price_or_goes_elsewhere(
    tmp_path: Path, options: tuple[str, ...], code: int
) -> None:
    assert check(tmp_path, "--provider", "gemini", *options)[0] == code


def test_a_provider_of_which_no_models_are_listed_takes_any(tmp_path: Path) -> None:
    assert check(tmp_path, "--provider", "foxapi", "--model", "new-1")[0] == 0


def test_a_budget_of_nothing_buys_what_costs_nothing(shop: Shop) -> None:
    shop.write("m.csv", TABLE)

    refused = shop.run("m.csv", "--max-cost", "0")
    free = shop.run("m.csv", "--max-cost", "0", "--price", "0")
    again = shop.run("m.csv", "--max-cost", "0")

    assert (refused.code, free.code, again.code) == (2, 0, 0)


@pytest.mark.parametrize(
    ("key", "is_real", "is_refused"),
    [
        pytest.param(KEY, True, False, id="usual"),
        pytest.param("AIzaSyB-9x_Qz7Rt2Lm9Xv4Bn8Kw1PdYc5Hk", True, False, id="google"),
        pytest.param("none", False, False, id="word-for-a-local-server"),
        pytest.param("your-key", False, False, id="placeholder-for-a-local-server"),
        pytest.param("your-key", True, True, id="placeholder"),
        pytest.param("sk-your-key-here", True, True, id="placeholder-with-a-prefix"),
        pytest.param("xxxxxxxx", True, True, id="crosses"),
        pytest.param("${KEY}", True, True, id="variable"),
        pytest.param(f'"{KEY}"', False, True, id="quoted"),
        pytest.param(f"{KEY}\u00a0x", False, True, id="odd-blank"),
        pytest.param("local\x00", False, True, id="control-character"),
    ],
)
def test_a_key_is_refused_that_surely_is_none(
    key: str, *, is_real: bool, is_refused: bool
) -> None:
    problem = key_problem(key, is_real=is_real)

    assert (problem is not None) == is_refused
    assert problem is None or KEY not in problem
