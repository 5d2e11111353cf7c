"""Find providers by name: those of batchgen, and those of installed packages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import ItemsView, Iterator, Mapping, Sequence, ValuesView
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING

from batchgen.errors import SpecError
from batchgen.model import Capabilities, Price
from batchgen.providers.base import Defaults, Provider

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "batchgen.providers"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")  # part of file names and variables


class Registry(Mapping[str, Provider]):
    """Providers by name; those of packages are loaded by name, when they are needed.

    Names alone load nothing. One whose package then turns out to be unusable is not in
    the registry, and neither in `items` nor in `values`.

    Args:
        built_in: `module:Class` of batchgen's own, by name.
    """

    def __init__(self, built_in: Mapping[str, str]) -> None:
        self._built_in = built_in
        self._providers: dict[str, Provider] = {}
        self._added: dict[str, Provider] = {}
        self._problems: dict[str, str] = {}

    def add(self, provider: Provider) -> None:
        """Add a provider to this process; it replaces an added one of the same name.

        Raises:
            SpecError: it is no provider, or its name is invalid or taken.
        """
        try:
            _checked(provider)
        except _UnusableProvider as error:
            raise SpecError(f"cannot add {provider!r}: {error}") from error
        name, reason = provider.name, None
        if name in self._built_in:
            reason = "is batchgen's own"
        elif not _NAME.fullmatch(name):
            reason = "cannot be"
        elif (other := self._other_with_key_of(name)) is not None:
            reason = _shared_key(name, other)
        if reason is not None:
            raise SpecError(f"cannot add a provider: the name {name!r} {reason}")
        self._added[name] = self._providers[name] = provider

    def __getitem__(self, name: str) -> Provider:
        if name not in self._providers:
            if name in self._built_in:
                module, _, kind = self._built_in[name].partition(":")
                self._providers[name] = getattr(import_module(module), kind)()
            else:
                self._add(name)
        return self._providers[name]

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        names = dict.fromkeys((*self._built_in, *self._added, *self._entries))
        return (name for name in names if name not in self._problems)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def items(self) -> ItemsView[str, Provider]:
        """Load every provider."""
        return {name: self[name] for name in [*self] if name in self}.items()

    def values(self) -> ValuesView[Provider]:
        """Load every provider."""
        return dict(self.items()).values()

    def is_loaded_or_own(self, name: str) -> bool:
        """Say whether `name` is a provider that needs no package to be loaded."""
        return name in self._built_in or name in self._providers

    @property
    def problems(self) -> Mapping[str, str]:
        """Why providers of packages cannot be used, by their names."""
        for name in self._entries:
            if name not in self._built_in:
                self.get(name)
        return {**self._problems, **self._clashes}

    def problem_of(self, name: str) -> str | None:
        """Return why the provider of a package cannot be used; None if it can be."""
        self.get(name)
        return self._problems.get(name)

    @cached_property
    def _every_entry(self) -> Sequence[EntryPoint]:
        from importlib.metadata import entry_points

        return [*entry_points(group=GROUP)]

    @cached_property
    def _entries(self) -> Mapping[str, EntryPoint]:
        return {entry.name: entry for entry in self._every_entry}

    @cached_property
    def _clashes(self) -> Mapping[str, str]:
        """Problems of packages whose provider has the name of a built-in one."""
        return {
            name: f"{_package(entry)} brings a provider of this name; batchgen uses "
            "its own"
            for name, entry in self._entries.items()
            if name in self._built_in
        }

    def _add(self, name: str) -> None:
        """Load the provider of a package, or note why it cannot be loaded."""
        if name in self._problems or name not in self._entries:
            return
        entry = self._entries[name]
        try:
            self._providers[name] = self._load(entry)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - code of another package
            message = " ".join(str(error).split())[:300]
            kind = (
                ""
                if isinstance(error, _UnusableProvider)
                else f"{type(error).__name__}: "
            )
            self._problems[name] = f"{_package(entry)} cannot be used: {kind}{message}"

    def _load(self, entry: EntryPoint) -> Provider:
        if not _NAME.fullmatch(entry.name):
            raise _UnusableProvider(f"a name must match {_NAME.pattern}")
        names = Counter(other.name for other in self._every_entry)
        if names[entry.name] > 1:
            raise _UnusableProvider("several packages bring a provider of this name")
        if (other := self._other_with_key_of(entry.name)) is not None:
            raise _UnusableProvider(f"the name {_shared_key(entry.name, other)}")
        loaded = entry.load()
        provider = _checked(loaded() if isinstance(loaded, type) else loaded)
        if provider.name != entry.name:
            raise _UnusableProvider(f"the provider calls itself {provider.name!r}")
        return provider

    def _other_with_key_of(self, name: str) -> str | None:
        """Return an earlier provider whose key would be in the same variable."""
        for other in dict.fromkeys((*self._built_in, *self._added, *self._entries)):
            if other == name:
                return None
            if variable_of(other) == variable_of(name):
                return other
        return None


def variable_of(name: str) -> str:
    """Return the variable of a provider's key, unless its `Defaults` name another."""
    return f"{name.upper().replace('-', '_')}_API_KEY"


def _shared_key(name: str, other: str) -> str:
    return f"would take its key from {variable_of(name)}, as `{other}` does: rename one"


class _UnusableProvider(Exception):
    """An object is no usable provider; the text says why."""


def _checked(provider: object) -> Provider:
    """Return what is a provider; raise `_UnusableProvider` for anything else."""
    if isinstance(provider, type):
        raise _UnusableProvider("it is a class: give one of its objects")
    if not isinstance(provider, Provider):
        missing = [name for name in _MEMBERS if not hasattr(provider, name)]
        raise _UnusableProvider(f"the provider lacks {', '.join(missing)}")
    rates = provider.rates.values() if isinstance(provider.rates, Mapping) else [None]
    for is_right, problem in (
        (isinstance(provider.name, str), "`name` is no text"),
        (isinstance(provider.defaults, Defaults), "`defaults` is no batchgen Defaults"),
        (
            isinstance(provider.capabilities, Capabilities),
            "`capabilities` is no batchgen Capabilities",
        ),
        (_are_prices(provider.prices), "`prices` is no list of batchgen Prices"),
        (
            all(map(_are_prices, rates)),
            "`rates` has no list of batchgen Prices for each unit",
        ),
    ):
        if not is_right:
            raise _UnusableProvider(problem)
    return provider


def _are_prices(prices: object) -> bool:
    if not isinstance(prices, Sequence):
        return False
    return all(isinstance(price, Price) for price in prices)


_MEMBERS = (
    *("name", "defaults", "capabilities", "prices", "rates", "encode", "decode"),
)


def _package(entry: EntryPoint) -> str:
    """Return the package of an entry point."""
    if entry.dist is None:
        return f"{entry.value} (package unknown)"
    return f"{entry.value} of {entry.dist.name} {entry.dist.version}"
