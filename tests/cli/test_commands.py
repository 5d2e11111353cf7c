"""The small commands, and what every command says of itself."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from decimal import Decimal
from pathlib import Path

import pytest

from batchgen.model import dollars
from batchgen.runner.folder import open_folder
from batchgen.sandbox.services import SERVICES
from tests.cli.command import (
    COMMAND,
    TIMEOUT_S,
    Shop,
    batchgen,
    by_status,
    digest,
    table,
)

JOB_OPTIONS = [
    *("--provider", "--model", "--base-url", "--out", "--prompt", "--aspect-ratio"),
    *("--resolution", "--n", "--rpm", "--concurrency", "--max-cost", "--price"),
    *("--max-attempts", "--on-unknown", "--max-unknown", "--limit", "--grace"),
]
OPTIONS = {
    "run": [
        *JOB_OPTIONS,
        *("--rehearse", "--faults", "--seed", "--latency"),
        *("--yes", "--rebuy", "--json", "--quiet"),
    ],
    "check": JOB_OPTIONS,
    "status": ["--json"],
    "report": [],
    "retry": ["--status", "--ids"],
    "reconcile": [
        *("--bill", "--columns", "--usd-per-unit", "--timezone", "--provider"),
        *("--slack", "--covers", "--settle", "--json"),
    ],
    "costs": ["--by", "--format", "--output", "--mix-rehearsals"],
    "try": [
        *("--provider", "--model", "--base-url", "--aspect-ratio", "--resolution"),
        *("--reference", "--out", "--max-cost", "--price", "--yes"),
        *("--rehearse", "--faults", "--seed"),
    ],
    "curl": ["--row", *JOB_OPTIONS],
    "providers": ["--json"],
    "sandbox": ["--port", "--state", "--faults", "--seed", "--latency"],
}


@pytest.mark.parametrize("command", OPTIONS)
def test_help_of_each_command_lists_every_option_of_the_contract(
    command: str, tmp_path: Path
) -> None:
    long = batchgen(command, "--help", at=tmp_path)
    short = batchgen(command, "-h", at=tmp_path)

    # An option may stand behind its letter.
    words = (line.split()[:2] for line in long.stdout.splitlines())
    options = {word.rstrip(",") for line in words for word in line}
    assert long.code == short.code == 0
    assert long.stdout == short.stdout
    assert [option for option in OPTIONS[command] if option not in options] == []
    assert "\b" not in long.stdout
    assert r"\b" not in long.stdout


def test_help_lists_every_command(tmp_path: Path) -> None:
    ended = batchgen("-h", at=tmp_path)

    commands = [line.split()[0] for line in ended.stdout.splitlines() if line.strip()]
    assert ended.code == 0
    assert set(OPTIONS) <= set(commands)


def test_run_help_tells_each_exit_code(tmp_path: Path) -> None:
    output = batchgen("run", "-h", at=tmp_path).stdout

    for code in ("0 every", "1 the", "2 wrong", "3 some", "4 stopped", "5 key"):
        assert code in output


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        pytest.param("rn", "did you mean batchgen run?", id="near"),
        pytest.param("chekc", "did you mean batchgen check?", id="swapped"),
        pytest.param("zzz", "choose from run, check", id="far"),
    ],
)
def test_an_unknown_command_suggests_the_nearest(
    tmp_path: Path, word: str, hint: str
) -> None:
    ended = batchgen(word, at=tmp_path)

    assert ended.code == 2
    assert f"no such command {word!r}; {hint}" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["status", "report", "retry"])
def test_a_run_that_is_not_there_is_told_and_not_made(
    command: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "m.csv").write_text("prompt\na lamp\n")

    missing = batchgen(command, "nowhere", at=tmp_path)
    empty = batchgen(command, "empty", at=tmp_path)
    never_run = batchgen(command, "m.csv", at=tmp_path)

    assert (missing.code, empty.code, never_run.code) == (2, 1, 1)
    assert missing.message == (
        "no such run folder, job file or manifest: nowhere; run folders are below "
        "out/, as a rule: out/products"
    )
    assert empty.message == "empty holds no run; `batchgen run SOURCE` makes one"
    assert never_run.message.endswith(
        "out/m holds no run; `batchgen run SOURCE` makes one"
    )
    assert list((tmp_path / "empty").iterdir()) == []
    assert not (tmp_path / "out").exists()


def test_status_tells_rows_money_and_how_to_carry_on(shop: Shop) -> None:
    shop.catalogue(3)
    assert shop.run("m.csv", "--yes", "--limit", "2").code == 0

    by_source = batchgen("status", "m.csv", at=shop.folder)
    by_folder = batchgen("status", "out/m", "--json", at=shop.folder)

    assert by_source.code == by_folder.code == 0
    lines = by_source.stdout.splitlines()
    assert lines[0] == f"{shop.folder}/out/m: not running"
    assert lines[1] == "3 rows: 1 pending, 2 succeeded"
    assert lines[-1].endswith("--yes --limit 2")
    status = json.loads(by_folder.stdout, parse_float=Decimal)
    assert status["rows"] == by_status(pending=1, succeeded=2)
    assert f"spent {dollars(status['spent_usd'])}" in lines
    assert (status["running"], status["images"]) == (False, 2)

    assert shop.run("m.csv", "--yes").code == 0
    whole = batchgen("status", "m.csv", at=shop.folder).stdout
    assert "3 rows: 3 succeeded" in whole
    assert "to carry on" not in whole
    document = batchgen("status", "m.csv", "--json", at=shop.folder).stdout
    assert json.loads(document)["command"] is None


def test_status_names_no_command_to_carry_on_while_a_run_works(shop: Shop) -> None:
    shop.catalogue(2)
    assert shop.run("m.csv", "--yes", "--limit", "1").code == 0

    with open_folder(shop.folder / "out/m", None, None):
        running = batchgen("status", "m.csv", at=shop.folder).stdout

    assert "running now" in running
    assert "to carry on" not in running


def test_report_writes_the_outputs_anew_without_key_or_request(shop: Shop) -> None:
    shop.catalogue(3)
    assert shop.run("m.csv", "--yes").code == 0
    before, archive = shop.sent, digest(shop.folder / "out/m/images.zip")
    rows = table(shop.folder / "out/m")
    (shop.folder / "out/m/results.parquet").unlink()

    ended = batchgen("report", "m.csv", at=shop.folder)

    assert ended.code == 0
    assert "3 rows: 3 succeeded" in ended.stdout
    assert table(shop.folder / "out/m").equals(rows)
    assert digest(shop.folder / "out/m/images.zip") == archive
    assert shop.sent == before


def test_retry_marks_rows_tells_the_price_and_the_command(shop: Shop) -> None:
    shop.write("m.csv", "id,prompt\na,a lamp\nb,REFUSE-ME now\n")
    assert shop.run("m.csv", "--yes", "--quiet").code == 3
    shop.write("ids.txt", "b\n")
    shop.write("wrong.txt", "b\nzz\n")

    nothing = batchgen("retry", "out/m", at=shop.folder)
    unknown = batchgen("retry", "out/m", "--ids", "wrong.txt", at=shop.folder)
    retry = batchgen("retry", "out/m", "--ids", "ids.txt", at=shop.folder)

    assert nothing.code == 0
    assert nothing.stdout.startswith("0 rows")
    assert unknown.code == 2
    assert unknown.message.startswith("no row has the id 'zz'")
    assert retry.code == 0
    assert retry.stdout.startswith("1 row")
    assert "may cost $0.0925" in retry.stdout
    command = retry.stdout.splitlines()[-1].split()
    assert command[:3] == ["batchgen", "run", "m.csv"]
    before = shop.sent
    again = batchgen(*command[1:], at=shop.folder, key="sk-any-key-of-the-shop")
    assert again.code == 3
    assert shop.sent == before + 1


def test_refused_rows_are_not_offered_for_another_try(shop: Shop) -> None:
    shop.write("m.csv", "id,prompt\na,a lamp\nb,REFUSE-ME now\n")

    ended = shop.run("m.csv", "--yes", "--quiet")

    assert ended.code == 3
    assert ended.stdout.startswith("2 rows: 1 succeeded, 1 refused\n")
    assert "batchgen retry" not in ended.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_sandbox_serves_alone_until_a_signal_comes(
    number: signal.Signals, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [*COMMAND, "sandbox", "--state", "shop"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as serving:
        assert serving.stdout is not None
        lines = [serving.stdout.readline().split() for _ in [*SERVICES, "bill"]]
        places = {line[0]: line[1] for line in lines}
        with urllib.request.urlopen(places["bill"], timeout=TIMEOUT_S) as reply:
            bill = json.loads(reply.read())
        serving.send_signal(number)
        _, errors = serving.communicate(timeout=TIMEOUT_S)

    assert set(places) == {*SERVICES, "bill"}
    assert bill["entries"] == []
    assert "Traceback" not in errors
    assert serving.returncode in (0, 128 + number)
    assert (tmp_path / "shop" / "sandbox.db").exists()


def test_a_port_that_is_taken_is_told(shop: Shop) -> None:
    port = shop.sandbox.url.rpartition(":")[2]

    ended = batchgen("sandbox", "--port", port, "--state", "other", at=shop.folder)

    assert ended.code == 1
    assert "--port" in ended.message


def test_the_version_is_told(tmp_path: Path) -> None:
    ended = batchgen("--version", at=tmp_path)

    assert ended.code == 0
    assert ended.stdout.startswith("batchgen, version ")
