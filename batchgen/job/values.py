"""Read single settings, the same for a job file and the command line.

Each reader takes what TOML or an option gives, and raises ValueError with what was
given and what would be right; the caller says where it stood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from batchgen.addresses import holds_login, shown
from batchgen.job.money import MOST_USD, read_amount
from batchgen.job.names import check_names
from batchgen.manifest.cells import MOST_IMAGES, read_ratio, read_resolution
from batchgen.model import Price

Reader = Callable[[object], Any]

_MOST_OF_ANYTHING = 1_000_000_000
_MOST_REFERENCES = 1000
_KEYS = "a key stands in its variable alone (`batchgen providers` names it)"
_AMOUNTS = ("expected", "ceiling")
_PRICED_BY = ("model", "service_tier", "quality", "thinking_level")
PRICE_KEYS = ("resolution", *_PRICED_BY, "per_reference", "per_search", *_AMOUNTS)
"""What a rule under `[[prices.NAME]]` may say."""

# Neither host nor query: an endpoint must not lead the key elsewhere.
_ENDPOINT = re.compile(r"(/[\w.~%!$&'()*+,;=:@-]+)+/?|[\w-]+", re.ASCII)


def text(value: object) -> str:
    """Read text that is not blank."""
    match value:
        case str() if value.strip():
            return value
        case str():
            raise ValueError("it is empty: write a text, or leave it out")
        case dict() | list():
            raise ValueError(f"{_given(value)} is not a text: write one text in quotes")
        case _:
            raise ValueError(f"{_given(value)} is not a text: put it in quotes")


def template(value: object) -> str:
    """Read the template of prompts."""
    if isinstance(value, str) and not value.strip():
        raise ValueError(
            "it is empty: write a template such as 'Photo of {{ title }}', or leave it "
            "out, and the column `prompt` is sent"
        )
    return text(value)


def truth(value: object) -> bool:
    """Read true or false."""
    if value is True or value is False:
        return value
    raise ValueError(f"{_given(value)} is neither true nor false")


def choice(*names: str) -> Reader:
    """Return a reader of one of some words."""

    def read(value: object) -> str:
        if value not in names:
            raise ValueError(f"{_given(value)} is none of {', '.join(names)}")
        return str(value)

    return read


def whole(least: int, most: int = _MOST_OF_ANYTHING) -> Reader:
    """Return a reader of whole numbers."""

    def read(value: object) -> int:
        number = _number(value)
        if number != number.to_integral_value():
            raise ValueError(f"{_given(value)} is not a whole number")
        if not least <= number <= most:
            raise ValueError(f"{_given(value)} is not from {least:,} to {most:,}")
        return int(number)

    return read


def rate(value: object) -> float:
    """Read a number of requests per minute."""
    number = _number(value)
    if not Decimal("0.001") <= number <= 1_000_000:
        raise ValueError(f"{_given(value)} is not from 0.001 to 1,000,000 a minute")
    return float(number)


def or_auto(reader: Reader) -> Reader:
    """Return a reader that takes the word `auto`, too."""

    def read(value: object) -> Any:
        if value == "auto":
            return value
        try:
            return reader(value)
        except ValueError as error:
            raise ValueError(f'{error}; or write "auto"') from error

    return read


def share(value: object) -> float | None:
    """Read a share of failures; `false` for none."""
    if value is False:
        return None
    number = _number(value)
    if not Decimal("0.02") <= number <= 1:
        raise ValueError(f"{_given(value)} is not from 0.02 to 1 (or false)")
    return float(number)


def seconds(value: object) -> float:
    """Read a wait of at most a day."""
    number = _number(value)
    if not 0 <= number <= 86_400:
        raise ValueError(f"{_given(value)} is not from 0 to 86,400 seconds")
    return float(number)


def money(value: object) -> Decimal:
    """Read US dollars: a number, or text that spells one, to the nano-dollar."""
    amount = read_amount(value) if isinstance(value, str) else _number(value)
    if not 0 <= amount <= MOST_USD:
        raise ValueError(f"{_given(value)} is not from 0 to {MOST_USD:,} US dollars")
    if amount != amount.quantize(Decimal("1e-9")):
        raise ValueError(f"{_given(value)} has more than nine decimals")
    return amount


def price(value: object, page: str) -> Price:
    """Read a price: an amount, or a table of `expected` and `ceiling`.

    Args:
        value: What was given.
        page: Whose word it is.
    """
    if not isinstance(value, Mapping):
        return Price.agreed(money(value), page)
    check_names(value, _AMOUNTS, "key")
    if "expected" not in value:
        raise ValueError("the table has no `expected`")
    expected = money(value["expected"])
    ceiling = money(value.get("ceiling", expected))
    if ceiling < expected:
        raise ValueError(f"the ceiling {ceiling} is below the expected {expected}")
    return Price(expected=expected, ceiling=ceiling, page=page, is_agreed=True)


def price_rule(value: object, page: str) -> Price:
    """Read a price with what it holds for; what it does not say, it holds for all of.

    Args:
        value: What was given.
        page: Whose word it is.
    """
    match value:
        case Mapping():
            pass
        case _:
            raise ValueError(f"{_given(value)} is no table")
    check_names(value, PRICE_KEYS, "key")
    agreed = price({name: value[name] for name in _AMOUNTS if name in value}, page)
    stated = {
        name: frozenset({text(value[name])}) for name in _PRICED_BY if name in value
    }
    return replace(
        agreed,
        resolution=read_resolution(text(value["resolution"]))
        if "resolution" in value
        else None,
        models=stated.get("model", frozenset()),
        tiers=_as_in_sales(stated.get("service_tier", frozenset()), "default"),
        qualities=_as_in_sales(stated.get("quality", frozenset()), "auto"),
        thinking=stated.get("thinking_level", frozenset()),
        per_reference=money(value.get("per_reference", 0)),
        per_search=money(value.get("per_search", 0)),
    )


def _as_in_sales(words: frozenset[str], usual: str) -> frozenset[str | None]:
    """Return words as a sale has them: the usual one stands there as None."""
    return frozenset(None if word == usual else word for word in words)


def base_url(value: object) -> str:
    """Read an address; whether it may be talked to is judged where requests leave.

    Messages leave out what may be a secret: user, password, and what follows `?`.
    """
    address = text(value).strip()
    plain = re.split("[?#]", address)[0]
    # Neither is repeated whole before this is known: it may hold a secret.
    if holds_login(address) or "@" in address[len(plain) :]:
        raise ValueError(f"take the user or password out of the address; {_KEYS}")
    if plain != address:
        raise ValueError(
            f"{plain[:200]!r} is followed by a `?` or `#`: write the address without "
            f"what follows; {_KEYS}"
        )
    if "://" not in address and re.match(r"[\w-]+(\.[\w-]+)+([:/]|$)", address):
        raise ValueError(
            f"{_given(address)} is no whole address: write https://{address}"
        )
    try:
        parts = urlsplit(address)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:  # half a bracket
        is_whole = False
    if not is_whole:
        raise ValueError(
            f"{_given(address)} is not an https:// address, such as "
            "https://api.example.com"
        )
    # Only here: httpx comes with it, and few settings are addresses.
    from batchgen.addresses.url import problem_of_url

    if (problem := problem_of_url(address)) is not None:
        raise ValueError(f"{shown(address)} {problem}")
    return address.rstrip("/")


def endpoint(value: object) -> str:
    """Read a path below the base URL, or a word that stands for one."""
    given = text(value).strip()
    if _ENDPOINT.fullmatch(given) is None:
        raise ValueError(
            f"{_given(value)} is neither a path that begins with / nor a word (an "
            "address goes to `base_url`)"
        )
    return given


def per_unit(value: object) -> Decimal:
    """Read what a unit is worth in US dollars, as fine as it is given."""
    amount = _number(value)
    if not (amount == 0 or Decimal("1e-18") <= amount <= MOST_USD):
        raise ValueError(f"{_given(value)} is not from 0 to {MOST_USD:,} US dollars")
    return amount


def rates(value: object) -> dict[str, Decimal]:
    """Read a table of units, each with what it is worth in US dollars."""
    match value:
        case dict():
            return {unit: _worth(unit, it) for unit, it in value.items()}
        case _:
            example = "{ credit = 0.01 }"
            raise ValueError(f"{_given(value)} is no table of units, like {example}")


def _worth(unit: str, value: object) -> Decimal:
    try:
        return per_unit(value)
    except ValueError as error:
        raise ValueError(f"`{unit}`: {error}") from error


SETTINGS: Mapping[str, Reader] = MappingProxyType(
    {
        "prompt": template,
        "aspect_ratio": lambda value: read_ratio(text(value).strip()),
        "resolution": lambda value: read_resolution(text(value).strip()),
        "n": whole(1, MOST_IMAGES),
        "max_cost": money,
        "max_attempts": whole(1),
        "on_unknown": choice("retry", "hold"),
        "max_unknown": whole(0),
        "limit": whole(1),
        "grace": seconds,
        "dedupe": truth,
        "empty": choice("buy", "skip"),
        "route": choice("cheapest", "fastest"),
    }
)
"""Settings of a whole job that a job file and an option give alike."""

TERMS: Mapping[str, Reader] = MappingProxyType(
    {
        "model": text,
        "base_url": base_url,
        "rpm": or_auto(rate),
        "concurrency": or_auto(whole(1, 100_000)),
        "endpoint": endpoint,
        "images_per_request": whole(1, MOST_IMAGES),
        "max_references": whole(0, _MOST_REFERENCES),
        "max_reference_bytes": whole(1000),
        "references": choice("inline", "upload"),
        "rates": rates,
        "usd_per_credit": per_unit,
        "failed_tasks": choice("unknown", "free"),
        "shutdowns": choice("refuse", "ignore"),
    }
)
"""What can be said of one provider."""


_FIELDS = {"grace": "grace_s", "memory": "memory_mb"}


def field_of(setting: str) -> str:
    """Return the name that a setting has in Job."""
    return _FIELDS.get(setting, setting)


def _number(value: object) -> Decimal:
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        # By way of text: 0.1 is meant, not the binary fraction next to it.
        number = Decimal(str(value))
        if number.is_finite():
            return number
    hint = "write it in digits, without quotes"
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", value):
        hint = f"write {value.strip()} without quotes"
    raise ValueError(f"{_given(value)} is not a number: {hint}")


def _given(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return repr(value[:60])
        case dict():
            return "a table"
        case list():
            return "a list"
        case _:
            return str(value)[:60]
