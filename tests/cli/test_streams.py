"""Results on stdout, progress and messages on stderr."""

from __future__ import annotations

import json
import os
import re
import subprocess
from decimal import Decimal

from tests.cli.command import COMMAND, KEY, TIMEOUT_S, Shop, by_status, environment


def test_json_progress_is_json_and_its_last_line_tells_the_end(shop: Shop) -> None:
    shop.catalogue(3)

    ended = shop.run("m.csv", "--yes", "--json")

    lines = [
        json.loads(line, parse_float=Decimal) for line in ended.stderr.splitlines()
    ]
    assert ended.code == 0
    *moments, last = lines
    assert {moment["format"] for moment in moments} == {"batchgen.progress/1"}
    assert last["format"] == "batchgen.summary/1"
    assert moments[-1]["rows"] == last["rows"] == by_status(succeeded=3)
    assert (moments[-1]["images_this_run"], moments[-1]["in_flight"]) == (3, 0)
    assert (last["images"], last["exit_code"]) == (3, 0)
    assert moments[-1]["spent_usd"] == last["spent_usd"]
    assert json.loads(ended.stdout, parse_float=Decimal) == last


def test_everything_of_a_json_run_can_be_piped_into_one_reader(shop: Shop) -> None:
    shop.write("m.csv", "id,prompt\na,a lamp\nb,\n")

    ended = shop.run("m.csv", "--yes", "--json")

    both = ended.stderr + ended.stdout
    documents = [json.loads(line) for line in both.splitlines()]
    (summary,) = map(json.loads, ended.stdout.splitlines())
    assert {document["format"].partition("/")[0] for document in documents} == {
        "batchgen.progress",
        "batchgen.summary",
    }
    (cause,) = summary["causes"]
    assert (cause["status"], cause["rows"], cause["retry_helps"]) == (
        "invalid",
        1,
        False,
    )
    assert "prompt" in cause["message"]
    assert cause["examples"] == [{"row": 1, "line": 3}]
    assert summary["retry_command"] is None


def test_quiet_drops_progress_but_neither_summary_nor_how_to_carry_on(
    shop: Shop,
) -> None:
    shop.catalogue(3)

    ended = shop.run("m.csv", "--max-cost", "0.2", "--quiet", "--concurrency", "1")

    assert ended.code == 4
    assert ended.message.startswith("the budget is reached")
    lines = ended.stdout.splitlines()
    assert lines[0] == "3 rows: 2 pending, 1 succeeded"
    assert lines[-2] == "to carry on:"
    assert lines[-1].split()[:3] == ["batchgen", "run", "m.csv"]
    # The budget of $0.20 would stop it again: two images of up to $0.13875 are left.
    assert re.search(r" --max-cost 0\.3\d$", lines[-1])


def test_progress_stands_on_stderr_and_results_on_stdout(shop: Shop) -> None:
    shop.catalogue(3)

    ended = shop.run("m.csv", "--yes")

    assert "3 of 3 rows, 3 succeeded" in ended.stderr
    assert "done," not in ended.stdout
    lines = ended.stdout.splitlines()
    assert lines[0] == "3 rows: 3 succeeded"
    assert lines[1].startswith("spent $0.2")
    assert lines[2] == f"3 images in {shop.folder}/out/m/images.zip"
    assert lines[3] == f"table: {shop.folder}/out/m/results.parquet"
    assert len(lines) == 4


def test_a_reader_of_stdout_that_leaves_does_not_spoil_the_outputs(shop: Shop) -> None:
    shop.catalogue(2)
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [*COMMAND, "run", "m.csv", *shop.options, "--yes"],
        cwd=shop.folder,
        env=environment(KEY),
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_S,
    )
    os.close(writing)

    assert "Traceback" not in done.stderr
    assert "pipe" not in done.stderr.lower()
    assert done.returncode == 0
    again = shop.run("m.csv", "--yes")
    assert again.code == 0
    assert again.stdout.startswith("2 rows: 2 succeeded")


def test_a_rehearsal_needs_no_key_and_agrees_with_its_bill(shop: Shop) -> None:
    shop.catalogue(2)
    before = shop.sent

    ended = shop.run("m.csv", "--rehearse", "--quiet", key=None)

    assert ended.code == 0
    assert "the same to the nano-dollar" in ended.stdout
    assert f"{shop.folder}/out/m-rehearsal/images.zip" in ended.stdout
    assert shop.sent == before, "a rehearsal goes to its own sandbox alone"
