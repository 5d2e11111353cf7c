"""Nothing is spent that nobody agreed to."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchgen.sandbox import SandboxProcess
from tests.cli.command import KEY, Keepsake, Shop, batchgen, table


def test_without_consent_and_terminal_nothing_is_sent(shop: Shop) -> None:
    shop.catalogue(2)
    before = shop.sent

    ended = shop.run("m.csv", "--quiet")

    assert ended.code == 2
    assert ended.message.startswith("2 rows to be bought, 2 images, for about $0.185.")
    assert "--max-cost" in ended.message
    assert "--yes" in ended.message
    assert shop.sent == before


def test_a_budget_needs_a_price_and_price_gives_one(fox: Shop) -> None:
    fox.catalogue(2)
    before = fox.sent

    refused = fox.run("m.csv", "--max-cost", "1", "--quiet")

    assert refused.code == 2
    assert refused.message.startswith("no price is known for foxapi (gemini")
    assert "--price" in refused.message
    assert fox.sent == before
    ended = fox.run("m.csv", "--max-cost", "1", "--price", "0.04")
    assert ended.code == 0, ended.stderr
    assert "spent $0.08\n" in ended.stdout
    rows = table(fox.folder / "out/m")
    assert [str(row) for row in rows["cost_usd"]] == ["0.040000000"] * 2


UNPRICED = {
    "model": ("id,prompt,model\na,a lamp,\nb,a cup,another\n", "(another)"),
    "tier": ("id,prompt,service_tier\na,a lamp,\nb,a cup,priority\n", "tier priority"),
}


@pytest.mark.parametrize("kind", UNPRICED)
def test_a_budget_is_refused_before_the_first_row_for_one_that_has_no_price(
    sandbox: SandboxProcess, tmp_path: Path, kind: str
) -> None:
    manifest, named = UNPRICED[kind]
    shop = Shop(sandbox, tmp_path, "nanobananaapi")
    shop.write("m.csv", manifest)
    before = shop.sent

    refused = shop.run("m.csv", "--max-cost", "5", "--quiet")

    assert refused.code == 2
    assert refused.message.startswith("row 1, line 3: no price is known for nano")
    assert named in refused.message
    assert shop.sent == before
    shop.write(
        "m.toml",
        'manifest = "m.csv"\nout = "out/m"\n'
        "[[prices.nanobananaapi]]\nexpected = 0.05\n",
    )
    words = ("run", "m.toml", *shop.options, "--max-cost", "5", "--quiet")
    assert "no price" not in batchgen(*words, at=tmp_path).stderr


def test_a_budget_holds_what_is_charged_at_the_ceiling(shop: Shop) -> None:
    shop.catalogue(3)
    before = shop.sent

    ended = shop.run("m.csv", "--max-cost", "0.1", "--quiet")

    assert ended.code == 4
    assert shop.sent == before
    assert "the next image may cost $0.13875" in ended.message


def test_a_changed_row_is_bought_again_only_with_its_own_word(shop: Shop) -> None:
    shop.write("m.csv", "id,prompt\na,a lamp\nb,a cup\n")
    assert shop.run("m.csv", "--yes").code == 0
    keepsake, before = Keepsake.of(shop.folder / "out/m"), shop.sent
    shop.write("m.csv", "id,prompt\na,a lamp\nb,a blue cup\n")

    refused = shop.run("m.csv", "--yes", "--quiet")

    assert refused.code == 2
    assert refused.message == (
        '1 row (id "b") was changed after it was bought. Buying it again costs '
        "$0.0925: add --rebuy, or --keep to leave the image that you have. "
        "Nothing was sent"
    )
    assert Keepsake.of(shop.folder / "out/m").ledger == keepsake.ledger
    assert Keepsake.of(shop.folder / "out/m").archive == keepsake.archive
    assert shop.run("m.csv", "--yes", "--rebuy").code == 0
    assert shop.sent == before + 1


def test_what_was_refused_and_then_edited_is_never_bought(shop: Shop) -> None:
    shop.write("m.csv", "id,prompt\na,an old lamp\nb,an old cup\n")
    assert shop.run("m.csv", "--quiet").code == 2
    before = shop.sent
    shop.write("m.csv", "id,prompt\na,a new lamp\nb,a new cup\n")

    ended = shop.run("m.csv", "--max-cost", "5", "--quiet")

    assert ended.code == 0, ended
    assert shop.sent == before + 2
    assert "retired" not in ended.stdout
    rows = table(shop.folder / "out/m")
    assert rows["prompt"].to_list() == ["a new lamp", "a new cup"]


def test_a_budget_that_ends_while_the_manifest_is_read_leaves_no_row_out(
    shop: Shop,
) -> None:
    rows = 6_000
    lines = (f"{number},lamp {number}\n" for number in range(rows))
    shop.write("m.csv", "id,prompt\n" + "".join(lines))

    ended = shop.run("m.csv", "--max-cost", "0.1", "--quiet")

    assert ended.code == 4
    assert len(table(shop.folder / "out/m")) == rows


@pytest.mark.parametrize("host", ["8.8.8.8", "api.example.com", "[2606:4700::1111]"])
def test_plain_http_over_the_internet_is_refused(shop: Shop, host: str) -> None:
    shop.catalogue(1)
    url = f"http://{host}/v1"
    words = ["run", "m.csv", "--provider", "aimlapi", "--base-url", url, "--yes"]

    ended = batchgen(*words, at=shop.folder, key="sk-anything-at-all")

    assert ended.code == 2
    assert "use https" in ended.message
    assert not (shop.folder / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--n", "0"], "--n", id="n"),
        pytest.param(["--max-cost", "much"], "--max-cost", id="max-cost"),
        pytest.param(["--max-cost", "-1"], "--max-cost", id="negative"),
        pytest.param(["--rpm", "0"], "--rpm", id="rpm"),
        pytest.param(["--grace", "-1"], "--grace", id="grace"),
        pytest.param(["--limit", "none"], "--limit", id="not-a-number"),
        pytest.param(["--aspect-ratio", "wide"], "--aspect-ratio", id="ratio"),
        pytest.param(["--resolution", "9K"], "--resolution", id="resolution"),
        pytest.param(["--on-unknown", "guess"], "--on-unknown", id="choice"),
        pytest.param(["--faults", "storm"], "--rehearse", id="idle-faults"),
        pytest.param(["--provider", "aimlapy"], "`aimlapi`", id="provider"),
        pytest.param(["--concurency", "3"], "--concurrency", id="unknown-option"),
    ],
)
def test_wrong_usage_is_told_in_a_few_lines_and_sends_nothing(
    shop: Shop, options: list[str], message: str
) -> None:
    shop.catalogue(1)
    before = shop.sent

    ended = shop.run("m.csv", "--yes", *options)

    assert ended.code == 2
    assert message in ended.stderr
    assert len(ended.stderr.splitlines()) <= 4
    assert ended.stdout == ""
    assert shop.sent == before
    assert not (shop.folder / "out").exists()


RELAY = ("--provider", "gemini", "--base-url", "https://relay.example/v1beta")


def test_a_price_list_does_not_hold_at_somebody_elses_address(
    fox: Shop,
) -> None:
    fox.catalogue(2)

    refused = batchgen(
        *("run", "m.csv", *RELAY, "--max-cost", "1", "--quiet"), at=fox.folder, key=KEY
    )

    notice, message = refused.stderr.splitlines()
    assert refused.code == 2
    assert notice.startswith("gemini is asked at https://relay.example/v1beta, where")
    assert message.startswith("batchgen: no price is known for gemini")
    assert "at https://relay.example/v1beta, which has prices of its own" in message
    assert "--price" in message


def test_check_says_that_prices_and_shutdowns_are_not_those_of_the_provider(
    fox: Shop,
) -> None:
    fox.catalogue(2)
    model = ("--model", "gemini-3.1-flash-image")

    own = batchgen("check", "m.csv", "--provider", "gemini", *model, at=fox.folder)
    relay = batchgen("check", "m.csv", *RELAY, *model, at=fox.folder)
    priced = batchgen("check", "m.csv", *RELAY, "--price", "0.05", at=fox.folder)

    words = "gemini-3.1-flash-image was shut down on 2026-10-29"
    assert own.code == 1
    assert f"{words}; use gemini-nano-banana-2.1" in " ".join(own.stdout.split())
    assert relay.code == 0
    output = " ".join(relay.stdout.split())
    assert "where its own price list does not hold" in output
    assert words in output
    assert "2 images have no known price" in output
    assert "does not hold" not in " ".join(priced.stdout.split())
    assert "$0.10" in priced.stdout


def test_of_two_providers_the_last_one_counts_and_that_is_said(shop: Shop) -> None:
    shop.catalogue(1)

    ended = shop.run("m.csv", "--yes", "--quiet", "--provider", "aimlapi")

    assert ended.code == 0, ended
    assert ended.stderr.splitlines()[0] == (
        "--provider stands there twice, and only the last one counts; for several "
        "write --provider gemini,openai"
    )
