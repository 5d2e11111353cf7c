"""`status --watch` and `--metrics`: a run as a person and as a machine follow it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stdout
from io import StringIO

import pytest

from batchgen.cli.watch import screen, watch
from batchgen.runner.folder import open_folder
from tests.cli.command import KEY, Shop, batchgen
from tests.cli.terminal import terminal

SAMPLE = re.compile(r'([a-z_]+)\{((?:[a-z]+="(?:[^"\\\n]|\\.)*",?)+)\} (\d+(?:\.\d+)?)')


def test_a_run_is_watched_until_it_ends(finished_shop: Shop) -> None:
    folder = finished_shop.folder / "out/m"
    texts: Iterator[str] = iter(["1 row", "1 row", "2 rows", "all rows"])
    stdout = StringIO()
    with ExitStack() as run, redirect_stdout(stdout):
        run.enter_context(open_folder(folder, None, None))
        looks = iter([None, None, run.close])

        def pause() -> None:
            end = next(looks)
            if end is not None:
                end()

        with screen(as_lines=True) as show:
            watch(folder, lambda: next(texts), show, pause)

    assert stdout.getvalue() == "1 row\n2 rows\nall rows\n"


def test_a_run_that_has_ended_is_shown_once(finished_shop: Shop) -> None:
    plain = batchgen("status", "out/m", at=finished_shop.folder)
    watched = batchgen("status", "out/m", "--watch", at=finished_shop.folder)
    lines = batchgen("status", "out/m", "--watch", "--json", at=finished_shop.folder)

    assert watched.code == plain.code == 0
    assert watched.stdout == plain.stdout
    assert json.loads(lines.stdout)["format"] == "batchgen.status/1"


def metrics(text: str) -> dict[str, str]:
    """Return each value by its metric and the labels besides the folder."""
    *lines, end = text.splitlines()
    assert end == "# EOF"
    assert text.endswith("# EOF\n")
    values = {}
    for line in lines:
        if line.startswith("# "):
            assert re.match(r"# (TYPE|HELP) [a-z_]+ .", line)
            continue
        match = SAMPLE.fullmatch(line)
        assert match is not None, line
        name, labels, value = match.groups()
        folder, _, others = labels.partition(",")
        assert folder.startswith('folder="')
        values[f"{name} {others}".strip()] = value
    return values


def test_metrics_have_rows_and_money(finished_shop: Shop) -> None:
    status = json.loads(
        batchgen("status", "out/m", "--json", at=finished_shop.folder).stdout
    )

    values = metrics(
        batchgen("status", "out/m", "--metrics", at=finished_shop.folder).stdout
    )

    assert values['batchgen_rows status="succeeded"'] == "3"
    assert values['batchgen_rows status="held"'] == "0"
    assert values["batchgen_images"] == "3"
    assert values["batchgen_running"] == "0"
    assert float(values["batchgen_spent_usd"]) == status["spent_usd"] > 0
    assert "batchgen_rehearsed_spent_usd" not in values


def test_money_of_a_rehearsal_has_metrics_of_its_own(shop: Shop) -> None:
    shop.catalogue(1)
    out = 'out/a "b"'
    words = ("--provider", "gemini", "--rehearse", "--quiet", "--out", out)
    assert batchgen("run", "m.csv", *words, at=shop.folder, key=KEY).code == 0

    values = metrics(batchgen("status", out, "--metrics", at=shop.folder).stdout)

    assert float(values["batchgen_rehearsed_spent_usd"]) > 0
    assert not [name for name in values if name.startswith("batchgen_spent")]


@pytest.mark.parametrize("other", ["--json", "--watch"])
def test_metrics_stand_alone(finished_shop: Shop, other: str) -> None:
    ended = batchgen("status", "out/m", "--metrics", other, at=finished_shop.folder)

    assert ended.code == 2
    assert "--metrics stands alone" in ended.stderr


def test_a_terminal_keeps_the_last_state(finished_shop: Shop) -> None:
    with ExitStack() as run:
        run.enter_context(open_folder(finished_shop.folder / "out/m", None, None))
        with terminal("status", "out/m", "--watch", at=finished_shop.folder) as opened:
            opened.wait_for("running now")
            run.close()
            opened.wait_for("not running")
            assert opened.wait() == 0
