"""Key, credit or model refused: it stops at once, loses nothing, carries on."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from batchgen.cli.summary import finish
from batchgen.errors import NearlyAllFailed
from batchgen.ledger import Totals
from batchgen.model import Job, Status
from batchgen.runner.config import RunResult
from batchgen.sandbox import SandboxProcess, start_sandbox
from tests.cli.command import KEY, Keepsake, Shop, batchgen, money, table

NOTHING = Totals(
    spent=0,
    superseded=0,
    at_risk=0,
    at_risk_attempts=0,
    unpriced=0,
    unpriced_risk=0,
    rows={},
    images=0,
)
WRONG_KEY = "sk-wrong-Tz5Hq8Jc3Vd6Wx1Rn9Bm"


@pytest.fixture
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """Serve this test alone: a fault that is left over meets nobody else."""
    with start_sandbox(tmp_path_factory.mktemp("sandbox"), latency=0) as running:
        yield running


@pytest.fixture(params=["aimlapi", "foxapi"])
def counter(request: pytest.FixtureRequest, shop: Shop, fox: Shop) -> Shop:
    return shop if request.param == "aimlapi" else fox


def test_no_key_in_the_environment_names_the_variable_and_the_way_out(
    counter: Shop,
) -> None:
    counter.catalogue(2)
    before = counter.sent

    ended = counter.run("m.csv", "--yes", key=None)

    variable = f"{counter.provider.upper()}_API_KEY"
    assert ended.code == 1
    assert ended.message.startswith(f"{variable} is not set: export {variable}=")
    assert "--rehearse" in ended.message
    assert counter.sent == before
    assert not (counter.folder / "out").exists()


def test_a_wrong_key_stops_at_once_and_the_right_one_carries_on(counter: Shop) -> None:
    counter.catalogue(12)
    before = counter.sent

    refused = counter.run(
        "m.csv", "--yes", "--quiet", "--concurrency", "3", key=WRONG_KEY
    )

    assert refused.code == 5
    assert counter.sent - before <= 3
    assert "(credential_rejected)" in refused.message
    assert f"check {counter.provider.upper()}_API_KEY" in refused.message
    assert "12 rows: 12 pending" in refused.stdout
    assert "to carry on:\n  batchgen run m.csv" in refused.stdout
    assert counter.run("m.csv", "--yes").code == 0
    assert table(counter.folder / "out/m")["attempts"].to_list() == [1] * 12


def test_out_of_credit_keeps_what_was_bought_and_carries_on_later(
    counter: Shop,
) -> None:
    counter.catalogue(6)
    assert counter.run("m.csv", "--yes", "--limit", "2").code == 0
    before = counter.sent
    # Something has worked: now three rows in turn must be told so.
    counter.sandbox.queue_fault(counter.provider, "no_credit", 3)

    broke = counter.run("m.csv", "--yes", "--quiet", "--concurrency", "1")

    assert broke.code == 5
    assert counter.sent == before + 3
    assert "(out_of_credit); top up the account" in broke.message
    assert "6 rows: 4 pending, 2 succeeded" in broke.stdout
    assert counter.run("m.csv", "--yes").code == 0
    assert counter.sent == before + 3 + 4


def test_a_model_that_is_gone_could_not_run(shop: Shop) -> None:
    shop.catalogue(3)
    shop.sandbox.queue_fault("aimlapi", "model_gone", 2)

    ended = shop.run("m.csv", "--yes", "--quiet", "--concurrency", "1")

    assert ended.code == 1
    assert "(model_gone); name another --model" in ended.message
    assert "3 pending" in ended.stdout


def test_a_budget_stops_the_run_and_a_higher_one_carries_on(shop: Shop) -> None:
    shop.catalogue(5)

    stopped = shop.run("m.csv", "--max-cost", "0.30", "--quiet", "--concurrency", "1")

    assert stopped.code == 4
    assert stopped.message.startswith("the budget is reached: $0.1")
    assert " of $0.30 are spent or at risk" in stopped.message
    raised = re.search(r"; raise --max-cost to (0\.\d\d): enough", stopped.message)
    assert raised is not None, stopped.message
    status = batchgen("status", "m.csv", at=shop.folder).stdout
    for output in (stopped.stdout, status):
        assert "--max-cost 0.30" not in output
        assert f"  batchgen run m.csv {shlex.join(shop.options)} --quiet" in output
        assert f" --max-cost {raised[1]}\n" in output
    keepsake = Keepsake.of(shop.folder / "out/m")
    assert shop.run("m.csv", "--max-cost", "0.30", "--quiet").code == 4
    assert Keepsake.of(shop.folder / "out/m") == keepsake
    # What is spent so far, and three images at their ceiling of $0.13875.
    spent = money(table(shop.folder / "out/m"), "cost_usd")
    risk = money(table(shop.folder / "out/m"), "at_risk_usd")
    whole = spent + risk + 3 * Decimal("0.13875")
    assert whole <= Decimal(raised[1]) < whole + Decimal("0.01")
    command = shlex.split(stopped.stdout.split("to carry on:\n")[1])
    assert batchgen(*command[1:], at=shop.folder, key=KEY).code == 0
    after = batchgen("status", "m.csv", at=shop.folder).stdout
    assert "to carry on" not in after


def test_a_budget_of_a_job_file_is_named_by_its_key(shop: Shop) -> None:
    shop.catalogue(3)
    shop.write("job.toml", 'manifest = "m.csv"\nmax_cost = 0.20\n')

    stopped = shop.run("job.toml", "--quiet", "--concurrency", "1")

    assert stopped.code == 4
    assert re.search(
        r"raise --max-cost to \d\.\d\d \(`max_cost` in the job file\)", stopped.message
    )
    command = shlex.split(stopped.stdout.split("to carry on:\n")[1])
    assert command[:3] == ["batchgen", "run", "job.toml"]
    assert batchgen(*command[1:], at=shop.folder, key=KEY).code == 0


def test_the_command_to_carry_on_agrees_to_no_later_edit(shop: Shop) -> None:
    for thing in ("lamp", "cup"):
        text = f"id,prompt\nr0,{shop.folder.name} {thing}\nr1,REFUSE-ME\n"
        shop.write("m.csv", text)
        assert shop.run("m.csv", "--yes", "--quiet", "--rebuy").code == 3

    retry = batchgen("retry", "m.csv", "--status", "refused", at=shop.folder)

    assert "1 row is marked" in retry.stdout
    command = retry.stdout.split("to do it:\n")[1]
    assert command.startswith("  batchgen run m.csv ")
    assert "--yes" in command
    assert "--rebuy" not in command


def test_a_run_for_an_edit_that_was_stopped_still_agrees_to_it(shop: Shop) -> None:
    shop.catalogue(2)
    assert shop.run("m.csv", "--yes", "--quiet").code == 0
    shop.catalogue(2)
    text = (shop.folder / "m.csv").read_text().replace("lamp", "cup")
    shop.write("m.csv", text)

    words = ("--rebuy", "--max-cost", "0.30", "--quiet", "--concurrency", "1")
    stopped = shop.run("m.csv", *words)

    assert stopped.code == 4
    command = shlex.split(stopped.stdout.split("to carry on:\n")[1])
    assert "--rebuy" in command
    assert batchgen(*command[1:], at=shop.folder, key=KEY).code == 0


def test_retry_says_which_budget_it_needs(shop: Shop) -> None:
    shop.catalogue(2)
    shop.sandbox.queue_fault("aimlapi", "lost_reply")
    words = ("--max-cost", "0.30", "--quiet", "--concurrency", "1")
    assert shop.run("m.csv", *words, "--on-unknown", "hold").code == 3

    retry = batchgen("retry", "m.csv", at=shop.folder)

    raised = re.search(r"--max-cost must be at least (0\.\d\d)\n", retry.stdout)
    assert raised is not None, retry.stdout
    assert f"--on-unknown hold --max-cost {raised[1]}\n" in retry.stdout
    command = shlex.split(retry.stdout.split("to do it:\n")[1])
    assert batchgen(*command[1:], at=shop.folder, key=KEY).code == 0


def test_a_value_that_used_up_its_budget_is_named_and_its_rows_wait(shop: Shop) -> None:
    brands = ("Acme", "Acme", "Brio")
    lines = [f"{shop.folder.name} cup {at},{brand}" for at, brand in enumerate(brands)]
    shop.write("m.csv", "\n".join(["prompt,brand", *lines, ""]))
    shop.write("job.toml", 'manifest = "m.csv"\n[budget.by]\nbrand = 0.15\n')

    ended = shop.run("job.toml", "--yes", "--quiet", "--concurrency", "1")

    assert ended.code == 4
    assert ended.message.startswith("the budget is reached: brand 'Acme': $0.0")
    assert re.search(
        r" of \$0\.15; under \[budget\.by\] in the job file raise brand 'Acme' to "
        r"0\.\d\d: enough for all that is left$",
        ended.message,
    )
    assert "1 pending, 2 succeeded" in ended.stdout
    output = batchgen("status", "out/job", at=shop.folder).stdout
    assert "brand 'Acme': $0.0" in output
    assert "brand 'Brio': $0.0" in output


def test_a_full_day_says_when_it_ends_and_nothing_more_is_sent(shop: Shop) -> None:
    shop.catalogue(2)

    ended = shop.run("m.csv", "--yes", "--quiet", "--max-cost-per-day", "0.2")

    assert ended.code == 4
    assert "1 pending, 1 succeeded" in ended.stdout
    assert " of $0.20 are spent or at risk of what was sent today" in ended.message
    assert re.search(
        r" UTC; carry on then, or raise --max-cost-per-day to 0\.\d\d: enough",
        ended.message,
    )
    assert "--max-cost-per-day 0.2\n" in ended.stdout.split("to carry on:\n")[1]
    output = batchgen("status", "m.csv", at=shop.folder).stdout
    assert "today (UTC): $0.0" in output
    assert " of $0.20" in output


def test_nearly_only_failures_end_as_rows_that_did_not_succeed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {Status.REFUSED: 51, Status.PENDING: 149}
    error = NearlyAllFailed("50 of the last 50 rows were refused")
    totals = replace(NOTHING, rows=rows)
    outcome = RunResult(totals=totals, error=error, provider_count=1)
    job = Job(source=tmp_path, manifest=tmp_path, out=tmp_path, providers=("aimlapi",))

    assert finish(job, outcome) == 3

    captured = capsys.readouterr()
    assert captured.err == "batchgen: 50 of the last 50 rows were refused\n"
    assert "to carry on:" in captured.out


def test_the_last_lines_say_why_rows_failed_in_the_providers_words(
    shop: Shop,
) -> None:
    shop.catalogue(6)
    shop.sandbox.queue_fault("aimlapi", "refusal", 2)
    shop.sandbox.queue_fault("aimlapi", "html_error", 2)

    ended = shop.run(
        "m.csv", "--yes", "--quiet", "--concurrency", "1", "--on-unknown", "hold"
    )

    assert ended.code == 3
    messages = table(shop.folder / "out" / "m")["message"]
    refused, held = ended.stdout.splitlines()[-4:-2]
    assert refused == (
        f'2 refused: aimlapi "{messages[0]}" (2 rows: 0, 1; lines 2, 3). '
        "Trying again will not help: the same prompt is refused again; change it"
    )
    assert held == (
        '2 held: aimlapi a web page: "502 Bad Gateway" (2 rows: 2, 3; lines 4, 5). '
        "Trying again may help; it may be charged a second time"
    )
    assert ended.stdout.splitlines()[-2:] == [
        "to try 2 held rows again:",
        "  batchgen retry out/m",
    ]
