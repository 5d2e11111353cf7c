"""Every command says alike why rows did not succeed; retry tries what that may help."""

from __future__ import annotations

from tests.cases.conftest import Market
from tests.cases.dialects import error
from tests.cases.judge import Customer

WRONG_URL = error(400, "Invalid url")
BUSY = error(500, "upstream is busy")


def written(customer: Customer, *cells: tuple[str, str]) -> None:
    """Write a manifest of ids and references."""
    lines = [f"{row},a picture of a {row},{reference}" for row, reference in cells]
    text = "\n".join(["id,prompt,references", *lines, ""])
    (customer.folder / "m.csv").write_text(text, "utf-8")


def test_a_request_that_is_to_blame_is_not_offered_for_another_try(
    market: Market,
) -> None:
    customer, service = market.enter("aimlapi")
    link = "https://example.com/a.png"
    written(customer, *((name, link) for name in ("good", "b", "fine", "d", "e")))
    service.rows = {row: [WRONG_URL] for row in "bde"}

    ended = customer.run("--concurrency", "1")
    status = customer.call("status", "out")
    report = customer.call("report", "out")
    default = customer.call("retry", "out")
    retry = customer.call("retry", "out", "--status", "failed")

    line = (
        '3 failed: aimlapi "Invalid url" (3 rows: 1, 3, 4; lines 3, 5, 6). '
        "Trying again will not help: mend `references`"
    )
    assert ended.code == 3, ended.explain()
    for outcome in (ended, status, report, default, retry):
        assert line in [line.strip() for line in outcome.stdout.splitlines()], (
            outcome.stdout
        )
    for outcome in (ended, status, report):
        assert "batchgen retry" not in outcome.terminal
    assert "0 rows are marked to be tried again\n" in default.stdout
    assert "3 rows are not marked, because trying again will not help" in default.stdout
    assert "3 rows are marked to be tried again\n" in retry.stdout


def test_retry_marks_the_rows_alone_that_another_try_may_help(market: Market) -> None:
    customer, service = market.enter("aimlapi")
    missing = ("gone/1.png", "gone/2.png", "gone/3.png")
    rows = [("good", ""), ("wrong", "https://example.com/a.png"), ("busy", "")]
    bad = [(f"missing{at}", name) for at, name in enumerate(missing)]
    written(customer, *rows, *bad)
    service.rows = {"wrong": [WRONG_URL], "busy": [BUSY]}

    ended = customer.run("--concurrency", "1", "--max-attempts", "1")
    retry = customer.call("retry", "out")
    service.rows.clear()
    purchases = len(service.purchases)
    again = customer.run()

    busy = '1 failed: aimlapi "upstream is busy" (row 2, line 4). Trying again may help'
    invalid = ended.stdout.split("3 rows cannot run:\n")[1].splitlines()[:2]
    assert invalid[0].startswith("  m.csv, row 3, line 5, column `references`: ")
    assert "gone/1.png" in invalid[0]
    assert invalid[1] == "    and for the same reason 2 rows: 4, 5; lines 6, 7"
    assert busy in ended.stdout.splitlines()
    assert "to try 1 failed row again:\n  batchgen retry out\n" in ended.stdout
    assert retry.stdout.startswith(f"1 row is marked to be tried again\n  {busy}\n")
    assert "1 row is not marked, because trying again will not help" in retry.stdout
    assert [purchase.row for purchase in service.purchases[purchases:]] == ["busy"]
    assert again.statuses() | {"wrong": "failed"} == again.statuses()
    assert again.statuses()["busy"] == "succeeded"


def test_rows_that_share_a_purchase_are_counted_with_its_cause(market: Market) -> None:
    customer, service = market.enter("aimlapi")
    lines = ["id,prompt", *(f"{at},a picture of a cup" for at in range(3)), ""]
    (customer.folder / "m.csv").write_text("\n".join(lines), "utf-8")
    service.rows = {"cup": [error(400, "no such size")]}

    ended = customer.run("--dedupe")

    assert "3 rows: 3 failed\n" in ended.stdout
    assert '3 failed: aimlapi "no such size" (3 rows: 0, 1, 2; ' in ended.stdout


def test_what_batchgen_says_itself_stands_in_no_quotation_marks(market: Market) -> None:
    customer, service = market.enter("openai")
    customer.write(["good", "lost"])
    service.rows = {"lost": [error(504, "upstream timeout")]}

    ended = customer.run("--concurrency", "1", "--on-unknown", "hold")
    customer.call("retry", "out")
    service.rows = {"lost": [lambda _: error(0, "")]}
    again = customer.run("--on-unknown", "hold")

    assert '1 held: openai "upstream timeout" (row 1, line 3). ' in ended.stdout
    assert "1 held: openai no usable reply from 127.0.0.1" in again.stdout
    assert '"no usable reply' not in again.stdout
