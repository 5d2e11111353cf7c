"""Key, credit or model refused: it stops at once, loses nothing, carries on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from batchgen.cli.summary import finish
from batchgen.engines.setting import Outcome
from batchgen.errors import NearlyAllFailed
from batchgen.ledger import Totals
from batchgen.model import Job, Status
from batchgen.sandbox import SandboxProcess, start_sandbox
from tests.cli.command import Keepsake, Shop, batchgen, table

NOTHING = Totals(
    spent=0,
    retired=0,
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
    assert "to carry on:" in stopped.stdout
    assert (stopped.stdout + stopped.stderr).count("raise --max-cost") == 1
    kept = Keepsake.of(shop.folder / "out/m")
    assert shop.run("m.csv", "--max-cost", "0.30", "--quiet").code == 4
    assert Keepsake.of(shop.folder / "out/m") == kept
    assert shop.run("m.csv", "--max-cost", "5").code == 0


def test_a_value_that_used_up_its_budget_is_named_and_its_rows_wait(shop: Shop) -> None:
    brands = ("Acme", "Acme", "Brio")
    lines = [f"{shop.folder.name} cup {at},{it}" for at, it in enumerate(brands)]
    shop.write("m.csv", "\n".join(["prompt,brand", *lines, ""]))
    shop.write("job.toml", 'manifest = "m.csv"\n[budget.by]\nbrand = 0.15\n')

    ended = shop.run("job.toml", "--yes", "--quiet", "--concurrency", "1")

    assert ended.code == 4
    assert ended.message.startswith("the budget is reached: brand 'Acme': $0.0")
    assert ended.message.endswith(
        " of $0.15; raise it under [budget.by] in the job file"
    )
    assert "1 pending, 2 succeeded" in ended.stdout
    told = batchgen("status", "out/job", at=shop.folder).stdout
    assert "brand 'Acme': $0.0" in told
    assert "brand 'Brio': $0.0" in told


def test_a_full_day_says_when_it_ends_and_nothing_more_is_sent(shop: Shop) -> None:
    shop.catalogue(2)

    ended = shop.run("m.csv", "--yes", "--quiet", "--max-cost-per-day", "0.2")

    assert ended.code == 4
    assert "1 pending, 1 succeeded" in ended.stdout
    assert " of $0.20 are spent or at risk of what was sent today" in ended.message
    assert ended.message.endswith(" UTC; carry on then, or raise --max-cost-per-day")
    assert "to carry on:" in ended.stdout
    told = batchgen("status", "m.csv", at=shop.folder).stdout
    assert "today (UTC): $0.0" in told
    assert " of $0.20" in told


def test_nearly_only_failures_end_as_rows_that_did_not_succeed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {Status.REFUSED: 51, Status.PENDING: 149}
    error = NearlyAllFailed("50 of the last 50 rows were refused")
    outcome = Outcome(totals=replace(NOTHING, rows=rows), error=error, chosen=1)
    job = Job(source=tmp_path, manifest=tmp_path, out=tmp_path, providers=("aimlapi",))

    assert finish(job, outcome) == 3

    said = capsys.readouterr()
    assert said.err == "batchgen: 50 of the last 50 rows were refused\n"
    assert "to carry on:" in said.out


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
        f'2 held: aimlapi "{messages[2]}" (2 rows: 2, 3; lines 4, 5). '
        "Trying again may help; it may be charged a second time"
    )
    assert ended.stdout.splitlines()[-2:] == [
        "to try 2 held rows again:",
        "  batchgen retry out/m",
    ]
