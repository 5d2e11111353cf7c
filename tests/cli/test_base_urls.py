"""Where the key goes is said before money, unless the provider itself is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import KEY, batchgen

RELAY = "https://relay.example/v1"
NOTICE = f"openai is asked at {RELAY}, "
ENDING = "OPENAI_API_KEY and the prompts go there, not to api.openai.com"


@pytest.fixture(autouse=True)
def manifest(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,prompt\na,lamp\n")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("check", "m.csv"), id="check"),
        pytest.param(("curl", "m.csv", "--row", "0"), id="curl"),
        pytest.param(("run", "m.csv", "--yes", "--quiet"), id="run"),
        pytest.param(("try", "a lamp", "--yes"), id="try"),
        pytest.param(("run", "m.csv", "--rehearse", "--quiet"), id="rehearsal"),
    ],
)
def test_an_address_that_is_not_the_providers_own_is_named_in_one_line(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    options = ("--provider", "openai", "--base-url", RELAY)

    ended = batchgen(*words, *options, at=tmp_path, key=KEY)

    lines = [*ended.stdout.splitlines(), *ended.stderr.splitlines()]
    notices = [line for line in lines if NOTICE in line]
    assert len({*notices}) == 1, ended  # a rehearsal says it before and after
    assert notices[0].endswith(ENDING)


def test_programs_read_where_each_provider_is_asked(tmp_path: Path) -> None:
    options = ("--provider", "openai,gemini", "--base-url", f"openai={RELAY}")

    ended = batchgen("check", "m.csv", *options, "--json", at=tmp_path)

    relay, own = json.loads(ended.stdout)["base_urls"]
    assert relay == {
        "provider": "openai",
        "base_url": RELAY,
        "host": "relay.example",
        "is_documented": False,
    }
    assert (own["provider"], own["is_documented"]) == ("gemini", True)


def test_letters_of_another_script_do_not_pass_for_the_providers_own(
    tmp_path: Path,
) -> None:
    url = "https://\u0430pi.openai.com/v1"
    options = ("--provider", "openai", "--base-url", url, "--price", "0.05")

    ended = batchgen("check", "m.csv", *options, at=tmp_path)

    assert "openai is asked at https://xn--pi-6kc.openai.com/v1, not" in ended.stdout


@pytest.mark.parametrize(
    "url", ["https://API.openai.com:443/v1/", "http://127.0.0.1:9/v1"]
)
def test_the_providers_own_address_and_this_machine_are_not_named(
    tmp_path: Path, url: str
) -> None:
    options = ("--provider", "openai", "--base-url", url)

    ended = batchgen("check", "m.csv", *options, at=tmp_path)

    assert "is asked at" not in ended.stdout
