"""Layers: settings of one origin; an upper layer hides settings of a lower one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batchgen.errors import SpecError
from batchgen.model import Price, ReferenceTerms, Terms


@contextmanager
def error_context(error: type[SpecError], place: str) -> Iterator[None]:
    """Turn a ValueError into an error that names the place of the value."""
    try:
        yield
    except ValueError as reason:
        message = f"{place}: {reason}" if place else str(reason)
        raise error(message) from reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where settings come from: a job file, the command line, or Python code.

    Attributes:
        error: What is raised for an invalid value.
        place_of: Names a key of a section in messages; both may be empty.
        folder: What relative paths are relative to.
        page: What is recorded as the source of prices; see `Price.page`.
        path_hint: Ends messages about missing files.
    """

    error: type[SpecError]
    place_of: Callable[[str, str], str]
    folder: Path
    page: str
    path_hint: str = ""

    @contextmanager
    def context(self, key: str = "", section: str = "") -> Iterator[None]:
        """Add the place, a key or a section or both, to a ValueError."""
        with error_context(self.error, self.place_of(key, section)):
            yield


def place_in_tables(key: str, section: str) -> str:
    """Name a key and its section as TOML writes them."""
    places = [f"[{section}]" if section else "", f"`{key}`" if key else ""]
    return ", ".join(place for place in places if place)


@dataclass(slots=True, kw_only=True)
class SettingsLayer:
    """Settings from one origin.

    Attributes:
        settings: By their names in Job.
        providers: In the stated order; empty where none is stated.
        common_terms: For all providers of the job.
        terms: For one provider, by its name.
        price: For every provider and resolution without one of its own.
        prices: By provider; the first that matches a PriceKey counts.
        unassigned: Terms that only one provider can have, and that name none.
        defaults: The user's own defaults, which stand below all other layers; only
            above a job of the command line.
    """

    origin: Origin
    settings: dict[str, Any] = field(default_factory=dict)
    providers: tuple[str, ...] = ()
    common_terms: dict[str, Any] = field(default_factory=dict)
    terms: dict[str, dict[str, Any]] = field(default_factory=dict)
    price: Price | None = None
    prices: dict[str, list[Price]] = field(default_factory=dict)
    unassigned: dict[str, Any] = field(default_factory=dict)
    defaults: SettingsLayer | None = None

    @property
    def names(self) -> frozenset[str]:
        """Names of all that the layer states, whatever the values are."""
        single = {"provider": self.providers, "price": self.price is not None}
        tables = {"prices": self.prices, "providers": self.terms}
        names = {name for name, value in {**single, **tables}.items() if value}
        return frozenset(names | self.settings.keys() | self.common_terms.keys())

    def assign(self, providers: tuple[str, ...]) -> None:
        """Give each unassigned term to the only provider of the layer or the job.

        Raises:
            SpecError: there are several.
        """
        for key, value in self.unassigned.items():
            # An address in a job file belongs to the provider that the file names. If
            # the command line names another one, its key must not be sent there.
            possible = self.providers or providers
            if len(possible) != 1:
                with self.origin.context(key):
                    raise ValueError(_ambiguous_message(key, value, possible))
            self.terms.setdefault(possible[0], {}).setdefault(key, value)


def _ambiguous_message(key: str, value: object, providers: tuple[str, ...]) -> str:
    first = providers[0]
    if key == "base_url":
        example = f"--base-url {first}={value}"
    else:
        example = f'{key} = {{ {first} = "{value}" }}'
    return f"say which of {', '.join(providers)} it belongs to, as in {example}"


_TABLES: Mapping[str, Callable[..., object]] = {
    "columns": dict,
    "options": dict,
    "references": ReferenceTerms,
}
"""Settings whose entries are merged one by one, and the type of the result."""


def merged_settings(layers: Sequence[SettingsLayer]) -> dict[str, Any]:
    """Return the settings of Job: an upper layer hides the settings of lower ones.

    Args:
        layers: The lowest first.
    """
    settings: dict[str, Any] = {}
    tables: dict[str, dict[str, Any]] = {name: {} for name in _TABLES}
    for layer in layers:
        settings |= layer.settings
        for name, table in tables.items():
            table |= layer.settings.get(name, {})
    values = {name: build(**tables[name]) for name, build in _TABLES.items()}
    return settings | values


def merged_terms(provider: str, layers: Sequence[SettingsLayer]) -> Terms:
    """Return the terms of a provider; its own terms hide those for all providers.

    A price for all providers in one layer hides all prices of lower ones.

    Args:
        provider: Its name.
        layers: The lowest first.
    """
    prices: list[Price] = []
    for layer in reversed(layers):
        prices += layer.prices.get(provider, ())
        if layer.price is not None:
            prices.append(layer.price)
            break
    values: dict[str, Any] = {}
    for layer in layers:
        values |= layer.common_terms | layer.terms.get(provider, {})
    return Terms(prices=tuple(prices), **values)
