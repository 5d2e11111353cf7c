"""`try` makes one image through the engine: same consent, same books, same exits."""

from __future__ import annotations

import base64
import json
import os
import shlex
import subprocess
import tomllib
from pathlib import Path

import polars as pl
import pytest

from batchgen.providers import PROVIDERS
from tests.cli.command import KEY, TIMEOUT_S, Ended, Shop, batchgen
from tests.cli.test_curl import picture
from tests.wire.server import Peer, ScriptedServer, reply

PROMPT = 'a {{ red }} apple, "it\'s" $HOME\n| second é漢😀 line'


def folder_of(ended: Ended, at: Path) -> Path:
    """Return the folder that a try left, the only one."""
    assert ended.code is not None
    (folder,) = (at / "out/try").iterdir()
    return folder


def attempt(shop: Shop, *words: str, key: str | None = KEY) -> Ended:
    return batchgen("try", *words, *shop.options, at=shop.folder, key=key)


def test_one_image_is_made_shown_and_booked(shop: Shop) -> None:
    before = shop.sent

    ended = attempt(shop, PROMPT, "--yes", "--aspect-ratio", "16:9")

    assert ended.code == 0, ended
    assert shop.sent == before + 1
    folder = folder_of(ended, shop.folder)
    (row,) = pl.read_parquet(folder / "results.parquet").to_dicts()
    assert row["prompt"] == PROMPT
    image = folder / row["files"][0]["name"]
    assert image.read_bytes() in (folder / "images.zip").read_bytes()
    lines = ended.stdout.splitlines()
    shown = image.relative_to(shop.folder)
    assert lines[0].startswith(f"file: {shown} (1376x768, image/png, ")
    assert lines[1] == f"cost: ${row['cost_usd'].normalize():f} (reported)"
    assert lines[2] == f"time: {row['latency_s']:.1f} s"
    assert KEY not in ended.stdout + ended.stderr


def test_what_no_reply_states_is_shown_beside_the_cost(tmp_path: Path) -> None:
    image = base64.b64encode(picture()).decode()

    def sell(peer: Peer) -> None:
        peer.receive()
        peer.say(reply(json.dumps({"data": [{"b64_json": image}]}).encode()))

    with ScriptedServer(sell) as server:
        words = ("--provider", "openai", "--base-url", server.url, "--max-cost", "1")
        ended = batchgen("try", "a cup", *words, at=tmp_path, key=KEY)

    assert ended.code == 0, ended
    (row,) = pl.read_parquet(next(tmp_path.rglob("results.parquet"))).to_dicts()
    assert row["at_risk_attempts"] == 0
    at_risk = f"${row['at_risk_usd'].normalize():f}"
    more = f"up to {at_risk} more may have been charged: no reply states what the"
    assert f"{more} images cost\n" in ended.stdout


@pytest.mark.parametrize("name", list(PROVIDERS))
def test_every_provider_is_rehearsed_without_key_or_address(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "logo | 1.png").write_bytes(picture())

    ended = batchgen(
        *("try", "a lamp", "--provider", name, "--rehearse"),
        *("--reference", "logo | 1.png"),
        at=tmp_path,
    )

    assert ended.code == 0, ended
    folder = folder_of(ended, tmp_path)
    assert (folder / "a-lamp.png").is_file()
    assert ("the same by curl:\n" in ended.stdout) == (name != "gccai")


def test_the_printed_command_sends_the_same(shop: Shop) -> None:
    ended = attempt(shop, PROMPT, "--yes")
    script = ended.stdout.partition("the same by curl:\n")[2]

    done = subprocess.run(
        ["sh", "-c", script],
        cwd=shop.folder,
        env={**os.environ, "AIMLAPI_API_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )

    assert done.returncode == 0, done.stderr
    first, second = shop.sandbox.requests()[-2:]
    for request in (first, second):
        del request["time"], request["number"]
    assert first == second


def test_without_consent_nothing_is_sent_and_nothing_left(shop: Shop) -> None:
    before = shop.sent

    ended = attempt(shop, "a lamp")

    assert ended.code == 2
    assert ended.message.startswith("1 row to be bought, 1 image, for about $0.0925.")
    assert shop.sent == before
    assert not (shop.folder / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["--aspect-ratio", "21:9"], "aimlapi has no 21:9", id="misfit"),
        pytest.param(["--aspect-ratio", "wide"], "--aspect-ratio: ", id="ratio"),
        pytest.param(["--max-cost", "much"], "--max-cost: ", id="money"),
        pytest.param(["--reference", "no.png"], "no such file: ", id="file"),
        pytest.param(["--faults", "storm"], "--rehearse", id="idle"),
        pytest.param(["--out", "here"], "here is there already", id="folder"),
    ],
)
def test_what_cannot_be_made_is_told_in_one_line(
    shop: Shop, words: list[str], message: str
) -> None:
    shop.write("here", "a file")
    before = shop.sent

    ended = attempt(shop, "a lamp", "--yes", *words)

    assert ended.code == 2
    assert message in ended.message
    assert shop.sent == before
    assert not list((shop.folder).glob("out/*"))
    assert (shop.folder / "here").read_text() == "a file"


def test_a_budget_is_consent_and_holds(shop: Shop) -> None:
    before = shop.sent

    enough = attempt(shop, "a lamp", "--max-cost", "0.2", "--out", "one")
    too_little = attempt(shop, "a lamp", "--max-cost", "0.1", "--out", "two")

    assert (enough.code, too_little.code) == (0, 4)
    assert shop.sent == before + 1
    assert "the budget is reached" in too_little.stderr


def test_a_refusal_is_told_with_its_words_and_is_no_success(shop: Shop) -> None:
    ended = attempt(shop, "REFUSE-ME please", "--yes")

    assert ended.code == 3
    assert "batchgen: refused: " in ended.stderr
    assert "file: " not in ended.stdout


def test_a_try_that_is_stopped_is_carried_on_and_not_bought_again(fox: Shop) -> None:
    fox.sandbox.queue_fault(fox.provider, "wrong_key")
    words = ["a lamp", "--price", "0.05", "--max-cost", "1", "--resolution", "2K"]
    stopped = attempt(fox, *words)
    assert stopped.code == 5, stopped
    command = shlex.split(stopped.stdout.split("to carry on:\n")[1].splitlines()[0])
    assert command[:2] == ["batchgen", "run"]

    before = fox.sent
    for _ in range(2):
        ended = batchgen(*command[1:], at=fox.folder, key=KEY)
        assert ended.code == 0, ended

    assert fox.sent == before + 1
    folder = folder_of(stopped, fox.folder)
    (row,) = pl.read_parquet(folder / "results.parquet").to_dicts()
    assert (row["status"], row["resolution"]) == ("succeeded", "2K")
    settings = tomllib.loads((folder / "job.toml").read_text())
    assert settings["base_url"] == fox.sandbox.provider_url("foxapi")


def test_references_are_parted_and_judged_as_in_a_table(tmp_path: Path) -> None:
    words = ("try", "a lamp", "--provider", "aimlapi", "--rehearse", "--reference")
    urls = ("https://a.example/1.png", "https://a.example/2.png")

    good = batchgen(*words, ", ".join(urls), at=tmp_path)
    bad = batchgen(*words, "https://a.example/1\t.png", at=tmp_path)
    worse = batchgen(*words, "[1]", at=tmp_path)

    assert good.code == 0, good
    assert json.dumps(urls).replace(" ", "") in good.stdout
    assert (bad.code, worse.code) == (2, 2)
    assert "a tab (U+0009) at character 20; delete it" in bad.message
    assert worse.message.startswith("--reference: the JSON list must hold texts only")
