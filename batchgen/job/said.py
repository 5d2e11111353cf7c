"""What one place says of a job, and how two places are put together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from batchgen.errors import SpecError
from batchgen.model import Price, Terms


@dataclass(slots=True, kw_only=True)
class Said:
    """What one place says: a job file, or the command line.

    Attributes:
        settings: By their names in Job.
        providers: In the order of choice; empty where the place names none.
        common: Terms of all chosen providers.
        terms: Terms of one provider, by its name.
        price: For every provider and resolution not named.
        prices: By provider; the first that holds for a sale counts.
        lone: Terms that can be meant for one provider only, and name none.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    providers: tuple[str, ...] = ()
    common: dict[str, Any] = field(default_factory=dict)
    terms: dict[str, dict[str, Any]] = field(default_factory=dict)
    price: Price | None = None
    prices: dict[str, list[Price]] = field(default_factory=dict)
    lone: dict[str, Any] = field(default_factory=dict)

    def assign(self, key: str, chosen: tuple[str, ...]) -> None:
        """Give a lone term to the only provider that it can mean.

        Raises:
            ValueError: it could mean several.
        """
        if key not in self.lone:
            return
        # One in a job file belongs to the provider that stands beside it: the key of
        # another, chosen on the command line, must not go there.
        meant = self.providers or chosen
        if len(meant) != 1:
            address = self.lone[key]
            raise ValueError(
                f"say which of {', '.join(meant)} it belongs to, as in "
                + (
                    f"--base-url {meant[0]}={address}"
                    if key == "base_url"
                    else f'{key} = {{ {meant[0]} = "{address}" }}'
                )
            )
        self.terms.setdefault(meant[0], {}).setdefault(key, self.lone[key])


def terms_of(provider: str, file: Said, flags: Said) -> Terms:
    """Return what holds for a provider: flags above file, one above all."""
    of_file = file.common | file.terms.get(provider, {})
    of_flags = flags.common | flags.terms.get(provider, {})
    if flags.price is not None:
        prices = [flags.price]
    else:
        common = [] if file.price is None else [file.price]
        prices = file.prices.get(provider, []) + common
    return Terms(prices=tuple(prices), **(of_file | of_flags))


@contextmanager
def blamed(error: type[SpecError], where: str) -> Iterator[None]:
    """Turn a value that cannot be into an error that says where it stands."""
    try:
        yield
    except ValueError as reason:
        raise error(f"{where}: {reason}") from reason
