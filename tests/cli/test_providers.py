"""`providers` shows all that is known, and says `unknown` where nobody knows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from batchgen.model import dollars
from batchgen.providers import PROVIDERS, key_variable
from tests.cli.command import batchgen


def texts_of(fact: Any) -> Iterator[str]:
    """Yield every text of a fact, whole."""
    match fact:
        case dict():
            for text in fact.values():
                yield from texts_of(text)
        case list():
            for text in fact:
                yield from texts_of(text)
        case str():
            yield fact
        case _:  # numbers, which are written otherwise for people
            pass


@pytest.mark.parametrize("name", list(PROVIDERS))
def test_one_provider_is_shown_with_every_fact_that_scripts_get(
    name: str, tmp_path: Path
) -> None:
    shown = " ".join(batchgen("providers", name, at=tmp_path).stdout.split())
    output = batchgen("providers", name, "--json", at=tmp_path).stdout
    facts = json.loads(output, parse_float=Decimal)
    assert facts.pop("format") == "batchgen.provider/1"

    for price in [*facts["prices"].values(), *facts["rates"].values()]:
        assert price is None or f"({price['page']}, read {price['read_on']})" in shown
    # Told in other words to people: these say how, not what.
    facts["references"].pop("carriers")
    for rule in facts["options"].values():
        rule.pop("type")
    for price in [*facts["prices"].values(), *facts["rates"].values()]:
        assert price is None or dollars(price["expected_usd"]) in shown
        assert price is None or dollars(price["highest_usd"]) in shown
    models = facts.pop("models")
    facts["model"] = list(models.values()) or facts["model"]
    missing = [text for text in texts_of(facts) if text not in shown]
    assert missing == []
    unknown = [size for size, price in facts["prices"].items() if price is None]
    assert all(f"price at {size} unknown" in shown for size in unknown)


def test_every_provider_has_its_row_in_80_columns(tmp_path: Path) -> None:
    ended = batchgen("providers", at=tmp_path)

    lines = ended.stdout.splitlines()
    assert max(map(len, map(str.rstrip, lines))) <= 80
    for name in PROVIDERS:
        (row,) = (line for line in lines if line.startswith(f"{name} "))
        assert key_variable(name) in row


def test_a_provider_without_an_address_asks_for_one(tmp_path: Path) -> None:
    shown = batchgen("providers", "gccai", at=tmp_path).stdout

    assert "none: give --base-url" in shown


def test_scripts_get_one_object_or_all_in_order(tmp_path: Path) -> None:
    every, single = (
        json.loads(
            batchgen("providers", *name, "--json", at=tmp_path).stdout,
            parse_float=Decimal,
        )
        for name in ([], ["aimlapi"])
    )

    assert every["format"] == "batchgen.providers/1"
    assert [provider["name"] for provider in every["providers"]] == list(PROVIDERS)
    assert single == {"format": "batchgen.provider/1", **every["providers"][0]}
    assert single["key_variable"] == "AIMLAPI_API_KEY"
    price = single["prices"]["1K"]
    assert price["expected_usd"] == Decimal("0.0925")
    assert price["page"].startswith("docs.aimlapi.com")
    assert price["read_on"] == "2026-11-20"


def test_a_name_that_is_none_is_told_with_those_that_are(tmp_path: Path) -> None:
    unknown = batchgen("providers", "fox", at=tmp_path)

    assert unknown.code == 2
    assert unknown.message == "NAME: unknown provider `fox`: did you mean `foxapi`?"
    far = batchgen("providers", "zzz", at=tmp_path)
    assert far.message == (
        f"NAME: unknown provider `zzz`: choose from {', '.join(PROVIDERS)}"
    )
