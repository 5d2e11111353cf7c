"""`check` says all that can be known, sends nothing and leaves nothing behind."""

from __future__ import annotations

import json
import socket
from contextlib import chdir
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from batchgen.cli import cli
from tests.cli.command import (
    KEY,
    Ended,
    Keepsake,
    Shop,
    batchgen,
    by_status,
    environment,
    money,
    table,
)

MANY = 30


def check(shop: Shop, *words: str, key: str | None = None) -> Ended:
    """Give the command in this process, which has all loaded."""
    with chdir(shop.folder):
        result = CliRunner().invoke(cli, ["check", *words], env=environment(key))
    assert isinstance(result.exception, SystemExit | None), result.exception
    return Ended(result.exit_code, result.stdout, "")


def document(ended: Ended) -> dict[str, Any]:
    """Return what `--json` wrote, its numbers exact."""
    fields: dict[str, Any] = json.loads(ended.stdout, parse_float=Decimal)
    return fields


def priced(images: int, usd: str) -> Decimal:
    return images * Decimal(usd)


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
    assert [path.name for path in shop.folder.iterdir()] == ["m.csv"]


def test_without_online_nobody_is_even_connected_to(shop: Shop) -> None:
    shop.catalogue(2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"

        batchgen(
            *("check", "m.csv", "--provider", "aimlapi", "--base-url", url),
            at=shop.folder,
            key=KEY,
        )

        with pytest.raises(BlockingIOError):
            server.accept()


def test_check_tells_prices_duplicates_budget_time_and_disk(shop: Shop) -> None:
    shop.write("m.csv", "id,prompt,resolution\na,x,1K\nb,x,1K\nc,y,4K\nd,z,8K\ne,,1K\n")

    ended = check(
        shop,
        *("m.csv", "--provider", "aimlapi"),
        *("--rpm", "2", "--max-cost", "0.5"),
    )

    assert ended.code == 3
    output = ended.stdout
    assert "5 rows: 3 pending, 2 invalid\n" in output
    assert "m.csv, row 3, line 5, column `resolution`: " in output
    assert "m.csv, row 4, line 6, column `prompt`: " in output
    assert (
        "1 row has the same prompt and options as an earlier row, for example" in output
    )
    assert "to buy: 2 images at 1K from aimlapi, $0.0925 each: about $0.185" in output
    assert "to buy: 1 image at 4K from aimlapi, $0.201 each" in output
    assert "read 2026-11-20" in output
    assert "cost: about $0.386 ($0.193 to $0.579), without retries" in output
    assert "the budget, $0.50, is enough for the expected cost, not for" in output
    assert "time: about 1 min 30 s, at least 1 min 0 s at the allowed rate" in output
    assert "disk: about 23 MB (sizes assumed)" in output
    assert max(map(len, output.splitlines())) <= 100


def test_duplicates_are_bought_once_where_the_job_says_so(shop: Shop) -> None:
    shop.write("m.csv", "id,prompt,n\na,x,2\nb,x,2\nc,x,2\nd,y,1\n")
    words = ("m.csv", "--provider", "aimlapi", "--json")

    plain = document(check(shop, *words))
    once = document(check(shop, *words, "--dedupe"))

    same = {"rows": 2, "images": 4, "unpriced_rows": 0}
    saved = priced(4, "0.0925")
    assert plain["duplicates"] == {**same, "saved_usd": saved, "dedupe": False}
    assert once["duplicates"] == {**same, "saved_usd": saved, "dedupe": True}
    assert plain["to_buy"]["images"] == 7
    assert once["to_buy"]["images"] == 3
    assert once["time"]["providers"][0]["requests"] == 3
    difference = plain["to_buy"]["expected_usd"] - once["to_buy"]["expected_usd"]
    assert difference == saved
    assert once["rows"] == by_status(pending=4)


def test_json_holds_every_bad_row_and_text_counts_those_it_leaves_out(
    shop: Shop,
) -> None:
    rows = "".join(f"r{index},a lamp,8K\n" for index in range(MANY))
    shop.write("m.csv", f"id,prompt,resolution\n{rows}good,a lamp,1K\n")
    words = ("m.csv", "--provider", "aimlapi")

    output = check(shop, *words).stdout
    ended = check(shop, *words, "--json")

    assert "30 rows cannot run:\n" in output
    assert "  m.csv, row 0, line 2, column `resolution`: " in output
    assert output.count("column `resolution`") == 1
    rows, lines = "1, 2, 3, 4, 5, 6, 7, 8, 9, ...", "3, 4, 5, 6, 7, 8, 9, 10, 11, ..."
    assert f"    and for the same reason 29 rows: {rows}; lines {lines}\n" in output
    assert ended.code == 3
    fields = document(ended)
    assert [problem["row"] for problem in fields["problems"]] == list(range(MANY))
    assert {problem["line"] for problem in fields["problems"]} == set(
        range(2, MANY + 2)
    )
    assert fields["rows"] == by_status(invalid=MANY, pending=1)
    assert fields["balances"] is None


def test_an_unknown_price_is_null_and_is_told(shop: Shop) -> None:
    shop.catalogue(2)
    words = ("m.csv", "--provider", "foxapi", "--max-cost", "1")

    output = check(shop, *words).stdout
    fields = document(check(shop, *words, "--json"))

    assert "to buy: 2 images at 1K from foxapi, price unknown\n" in output
    assert "2 images have no known price: give one with --price\n" in output
    assert "a run with a budget refuses to start while a price is unknown\n" in output
    assert "the budget, $1.00, is enough for what has a known price\n" in output
    assert fields["budgets"][0]["is_enough"] is None
    assert fields["to_buy"]["unpriced_images"] == 2
    assert fields["to_buy"]["expected_usd"] is None
    assert fields["groups"][0]["price"] is None


def test_routing_is_told_beside_what_each_provider_alone_would_charge(
    shop: Shop,
) -> None:
    # 21:9 is beyond aimlapi, 512 too; the cheapest of all is gemini, but it makes no
    # 512, and its 2K is dearer than what the job has agreed on with aimlapi.
    shop.write(
        "job.toml",
        'manifest = "m.csv"\nprovider = ["nanobananaapi", "gemini", "aimlapi"]\n'
        '[prices.aimlapi]\n"2K" = 0.05\n',
    )
    shop.write(
        "m.csv",
        "id,prompt,aspect_ratio,resolution\n"
        "a,x,1:1,1K\nb,y,21:9,1K\nc,z,1:1,2K\nd,w,1:1,512\n",
    )

    output = check(shop, "job.toml").stdout
    fields = document(check(shop, "job.toml", "--json"))

    assert (
        "split: nanobananaapi 1 row for $0.04, gemini 2 rows for $0.0672, aimlapi 1 "
        "row for $0.05\n" in " ".join(output.split("\n    "))
    )
    assert (
        "  aimlapi alone could do 2 of 4 rows for $0.1425; routed, they cost $0.0836, "
        "$0.0589 less\n" in output
    )
    alone = {offer["provider"]: offer for offer in fields["alone"]}
    assert (alone["nanobananaapi"]["rows"], alone["gemini"]["rows"]) == (4, 3)
    assert alone["nanobananaapi"]["alone_usd"] == Decimal("0.18")
    assert alone["nanobananaapi"]["routed_usd"] == Decimal("0.1572")
    assert fields["to_buy"]["expected_usd"] == Decimal("0.1572")


def test_check_says_which_budgets_are_enough(shop: Shop) -> None:
    shop.write(
        "job.toml",
        'manifest = "m.csv"\nprovider = "nanobananaapi"\nmax_cost = 0.1\n'
        "[budget]\nper_day = 0.12\n[budget.by]\nbrand = 0.05\n",
    )
    shop.write("m.csv", "id,prompt,brand\na,x,Acme\nb,y,Acme\nc,z,Birk\n")
    slow = ("--max-cost-per-day", "0.05", "--on-day-full", "wait")

    output = check(shop, "job.toml").stdout
    in_days = " ".join(check(shop, "job.toml", *slow).stdout.split())
    fields = document(check(shop, "job.toml", "--json"))

    assert (
        "the budget, $0.10, IS NOT ENOUGH: $0.12 is to come; it needs $0.12\n" in output
    )
    assert "the budget of a day, $0.12, is enough\n" in output
    assert "the run goes on after midnight UTC, for about 3" in in_days
    assert "budgets by column: 1 of 2 is enough, this is NOT:\n" in output
    assert "    brand 'Acme': $0.05, and $0.08 to come: needs $0.08\n" in output
    assert [
        (budget["scope"], budget["value"], budget["is_enough"])
        for budget in fields["budgets"]
    ] == [
        ("run", None, False),
        ("day", None, True),
        ("column", "Acme", False),
        ("column", "Birk", True),
    ]


def test_check_of_a_folder_in_use_goes_by_it_and_changes_nothing_in_it(
    shop: Shop,
) -> None:
    shop.catalogue(2)
    words = ("m.csv", *shop.options)
    before = document(check(shop, *words, "--json"))["to_buy"]
    assert shop.run("m.csv", "--yes").code == 0
    spent = money(table(shop.folder / "out/m"), "cost_usd")
    keepsake = Keepsake.of(shop.folder / "out/m")
    shop.catalogue(3)

    ended = check(shop, *words)
    fields = document(check(shop, *words, "--json", "--max-cost", "9"))

    assert ended.code == 0
    assert "3 rows: 1 pending, 2 succeeded" in ended.stdout
    assert "bought already: 2 images; spent $" in ended.stdout
    assert "to buy: 1 image at 1K" in ended.stdout
    assert "s each (the median of 2)\n" in ended.stdout
    assert fields["bought"]["spent_usd"] == spent
    assert before["lowest_usd"] <= spent <= before["highest_usd"]
    assert fields["budgets"][0]["used_usd"] == spent
    assert fields["disk"]["assumed"] is False
    assert fields["time"]["providers"][0]["measured"] == 2
    assert Keepsake.of(shop.folder / "out/m") == keepsake


def test_a_folder_of_a_rehearsal_is_told_apart(shop: Shop) -> None:
    shop.catalogue(1)
    words = ("m.csv", "--provider", "aimlapi", "--out", "out")
    assert batchgen("run", *words, "--rehearse", at=shop.folder).code == 0

    output = check(shop, *words).stdout

    assert output.startswith("out holds a rehearsal run, whose money must not mix")


def test_check_cannot_run_what_cannot_be_read(shop: Shop) -> None:
    shop.write("m.csv", "id,prompt\na,é\n".encode() + b"b,caf\xe9\n")

    ended = batchgen("check", "m.csv", *shop.options, at=shop.folder)

    assert ended.code == 1
    assert ended.message.startswith("m.csv, row 1, line 3: not UTF-8")


# -- with --online


def online(shop: Shop, *options: str, key: str | None = KEY) -> Ended:
    words = ("m.csv", *shop.options, "--online", *options)
    return check(shop, *words, key=key)


def test_online_asks_for_the_balance_and_buys_nothing(shop: Shop) -> None:
    shop.catalogue(1)
    before = shop.sent

    ended = online(shop)
    poor = online(shop, "--price", "5000")

    assert ended.code == poor.code == 0
    assert "balance at aimlapi: $" in ended.stdout
    assert ", is enough\n" in ended.stdout
    assert ", IS NOT ENOUGH for $5000.00\n" in poor.stdout
    assert ended.stdout.endswith("nothing was sent but questions for the balance\n")
    assert shop.sent == before


@pytest.mark.parametrize(
    ("key", "words"),
    [
        pytest.param(None, "AIMLAPI_API_KEY is not set", id="no-key"),
        pytest.param("sk-wrong-5d41402abc4b", "Invalid API key provided", id="wrong"),
    ],
)
def test_a_balance_that_is_not_told_is_said_and_the_check_stands(
    shop: Shop, key: str | None, words: str
) -> None:
    shop.catalogue(1)

    ended = online(shop, key=key)

    assert ended.code == 0
    [line] = [line for line in ended.stdout.splitlines() if line.startswith("balance")]
    assert line.startswith(f"balance at aimlapi: not known: {words}")
    assert "5d41402" not in ended.stdout + ended.stderr


def test_a_balance_in_credits_needs_a_rate_and_some_tell_none(shop: Shop) -> None:
    urls = [
        f"{name}={shop.sandbox.provider_url(name)}"
        for name in ("gccai", "nanobananaapi")
    ]
    job = 'manifest = "m.csv"\nprovider = ["gccai", "nanobananaapi"]\n'
    rate = "[providers.gccai]\nusd_per_credit = 0.004\n"
    shop.catalogue(1)
    shop.write("job.toml", job)
    shop.write("rated.toml", job + rate)
    words = ("--online", "--base-url", urls[0], "--base-url", urls[1])

    output = check(shop, "job.toml", *words, key=KEY).stdout
    rated = check(shop, "rated.toml", *words, "--json", key=KEY)

    assert "credits, whose worth in dollars is not known\n" in output
    assert "nanobananaapi: not known: no documented balance endpoint\n" in output
    gccai, other = document(rated)["balances"]
    assert gccai["unit"] == "credit"
    assert gccai["amount_usd"] == gccai["amount"] * Decimal("0.004")
    assert other["amount_usd"] is None
