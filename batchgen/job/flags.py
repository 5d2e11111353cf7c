"""What the command line says of a job."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from batchgen.errors import UsageError
from batchgen.job import budget, values
from batchgen.job.said import Said, blamed


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Options as they were given, None where not; they stand above the job file.

    Attributes:
        provider: Names parted by commas.
        base_url: Each `URL` or `NAME=URL`.
        grace: Seconds.
    """

    provider: str | None = None
    model: str | None = None
    base_url: tuple[str, ...] = ()
    out: Path | None = None
    prompt: str | None = None
    id_column: str | None = None
    aspect_ratio: str | None = None
    resolution: str | None = None
    n: int | None = None
    rpm: float | str | None = None
    concurrency: int | str | None = None
    max_cost: Decimal | str | None = None
    max_cost_per_day: Decimal | str | None = None
    on_day_full: str | None = None
    price: Decimal | str | None = None
    max_attempts: int | None = None
    on_unknown: str | None = None
    max_unknown: int | None = None
    limit: int | None = None
    grace: float | None = None
    dedupe: bool | None = None
    route: str | None = None


def read_flags(overrides: Overrides, known_providers: Collection[str]) -> Said:
    """Check what the command line says.

    Raises:
        UsageError: an option has a value that cannot be.
    """
    said = Said()
    for name, reader in values.SETTINGS.items():
        given = getattr(overrides, name)
        if given is not None:
            with blamed(UsageError, _option(name)):
                said.settings[values.field_of(name)] = reader(given)
    for key, reader in budget.BUDGET.items():
        name = budget.field_of(key)
        given = getattr(overrides, name)
        if given is not None:
            with blamed(UsageError, _option(name)):
                said.settings[name] = reader(given)
    for name in ("model", "rpm", "concurrency"):
        given = getattr(overrides, name)
        if given is not None:
            with blamed(UsageError, _option(name)):
                said.common[name] = values.TERMS[name](given)
    _read_names(overrides, said)
    if overrides.price is not None:
        with blamed(UsageError, "--price"):
            said.price = values.price(overrides.price, "--price")
    if overrides.provider is not None:
        with blamed(UsageError, "--provider"):
            said.providers = provider_names(overrides.provider, known_providers)
    with blamed(UsageError, "--base-url"):
        _read_base_urls(overrides.base_url, said, known_providers)
    return said


def _read_names(overrides: Overrides, said: Said) -> None:
    """Read the run folder and the column of the ids."""
    if overrides.out is not None:
        said.settings["out"] = overrides.out.resolve()
    if overrides.id_column is not None:
        with blamed(UsageError, "--id"):
            said.settings["columns"] = {"id": values.text(overrides.id_column).strip()}


def provider_names(given: object, known: Collection[str]) -> tuple[str, ...]:
    """Read a choice of providers: a list, or text parted by commas.

    Raises:
        ValueError: there is none, or one that is not known.
    """
    parts = given if isinstance(given, list) else values.text(given).split(",")
    names = tuple(dict.fromkeys(values.text(part).strip() for part in parts))
    if not names:
        raise ValueError(f"the list is empty: choose from {', '.join(known)}")
    values.check_names(names, known, "provider")
    return names


def _read_base_urls(
    given: tuple[str, ...], said: Said, known_providers: Collection[str]
) -> None:
    for each in given:
        named = re.fullmatch(r"([A-Za-z0-9_-]+)=(.*)", each.strip())
        if named is None:
            said.lone["base_url"] = values.base_url(each)
            continue
        name, address = named.groups()
        values.check_names([name], known_providers, "provider")
        said.terms.setdefault(name, {})["base_url"] = values.base_url(address)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
