"""What may stand among the providers, and how often."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from types import MappingProxyType
from typing import Any

import pytest

from batchgen.errors import SpecError
from batchgen.providers.fal import Fal
from batchgen.providers.registry import GROUP, Registry

FAL = "batchgen.providers.fal:Fal"


def test_a_package_that_takes_a_name_of_batchgen_is_not_listed_beside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = [EntryPoint("fal", FAL, GROUP)]
    monkeypatch.setattr(Registry, "_every_entry", entries)
    registry = Registry(MappingProxyType({"fal": FAL}))

    assert [*registry] == ["fal"]
    assert len(registry) == 1
    assert "brings a provider of this name" in registry.problems["fal"]


class Numbered(Fal):
    name: Any = 7


class Priced(Fal):
    prices: Any = MappingProxyType({"1K": 1})


class Rated(Fal):
    rates: Any = MappingProxyType({"credit": Fal.prices[0]})


@pytest.mark.parametrize(
    ("provider", "message"),
    [
        (Fal, "is a class"),
        (Numbered(), "`name` is no text"),
        (Priced(), "`prices` is no list"),
        (Rated(), "`rates` has no list"),
    ],
)
def test_what_is_no_provider_is_not_added(provider: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Registry(MappingProxyType({})).add(provider)


def test_two_names_never_share_the_variable_of_a_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = [EntryPoint("a_b", "x:A", GROUP), EntryPoint("a-b", "x:B", GROUP)]
    monkeypatch.setattr(Registry, "_every_entry", entries)
    registry = Registry(MappingProxyType({"f_al": FAL}))

    class Alike(Fal):
        name: Any = "f-al"

    assert "as `a_b` does: rename one" in (registry.problem_of("a-b") or "")
    assert "as `a_b` does" not in (registry.problem_of("a_b") or "")
    with pytest.raises(SpecError, match="F_AL_API_KEY, as `f_al` does: rename one"):
        registry.add(Alike())
