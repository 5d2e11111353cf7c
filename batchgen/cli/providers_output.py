"""Providers as tables to read, and the prices in them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

from rich.console import Console
from rich.table import Table

from batchgen.cli.standard_streams import unescaped
from batchgen.model import (
    Capabilities,
    OptionRule,
    Price,
    PriceKey,
    ReferenceRules,
    dollars,
    find_price,
    type_of_option,
)
from batchgen.providers import key_variable
from batchgen.providers.base import Provider, TaskProvider, UploadProvider

PLAIN_WIDTH = 100
"""Columns of a table that is not written to a terminal."""

TRAVELS = {
    "link": "as a URL",
    "inline": "as base64 in the request",
    "part": "as a file in a form",
    "upload": "uploaded first",
}


def show(table: Table) -> None:
    """Print a table as wide as the terminal."""
    width = None if sys.stdout.isatty() else PLAIN_WIDTH
    Console(width=width, file=unescaped(sys.stdout)).print(table)


def capabilities_of(provider: Provider) -> Capabilities:
    """Return the capabilities of the provider's default model."""
    return provider.capabilities.for_model(provider.defaults.model)


def rate_of(provider: Provider, unit: str) -> Price | None:
    """Return the price of a unit that replies of the default model count."""
    price_key = PriceKey(provider.name, None, provider.defaults.model)
    return find_price(provider.rates[unit], price_key)


def price_at(provider: Provider, resolution: str) -> Price | None:
    """Return the price of an image of the default model."""
    model = provider.capabilities.models.get(resolution, provider.defaults.model)
    return find_price(provider.prices, PriceKey(provider.name, resolution, model))


def overview(providers: list[Provider]) -> Table:
    """Return a table with a line for each provider."""
    # Fits a terminal of 80 columns.
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("provider", "ratios", "sizes", "images", "refs", "price", "key"):
        table.add_column(heading, overflow="fold")
    for provider in providers:
        capabilities = capabilities_of(provider)
        table.add_row(
            provider.name,
            str(len(capabilities.aspect_ratios)),
            " ".join(capabilities.resolutions),
            str(capabilities.images_per_request),
            str(capabilities.references.max_count),
            _prices_at_a_glance(provider),
            key_variable(provider.name),
        )
    return table


def _prices_at_a_glance(provider: Provider) -> str:
    prices = [
        (resolution, price)
        for resolution in capabilities_of(provider).resolutions
        if (price := price_at(provider, resolution))
    ]
    lines = (f"{size} {dollars(price.expected)}" for size, price in prices)
    return "\n".join(lines) or "unknown"


def detail(provider: Provider) -> Table:
    """Return a table with all that is known of one provider."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in _lines(provider):
        table.add_row(label, text)
    return table


def _lines(provider: Provider) -> Iterator[tuple[str, str]]:
    capabilities, defaults = capabilities_of(provider), provider.defaults
    yield "provider", provider.name
    yield "base URL", defaults.base_url or "none: give --base-url"
    yield "key", key_variable(provider.name)
    yield from _models(defaults.model, capabilities.models)
    yield "aspect ratios", ", ".join(capabilities.aspect_ratios)
    sizes = ", ".join(capabilities.resolutions)
    yield (
        "resolutions",
        f"{sizes} ({capabilities.default_resolution} if you do not choose)",
    )
    yield "images per request", str(capabilities.images_per_request)
    yield from _reference_lines(provider, capabilities.references)
    yield from _option_lines(capabilities)
    rpm = "none documented" if defaults.rpm is None else f"{defaults.rpm:g}"
    yield "requests per minute", rpm
    yield "concurrency", str(defaults.concurrency)
    yield "answer", f"waits at most {defaults.reply_timeout_s:g} s"
    yield "limits from", defaults.source
    for resolution in capabilities.resolutions:
        yield f"price at {resolution}", _price_text(price_at(provider, resolution))
    for unit in provider.rates:
        yield f"price of 1 {unit}", _price_text(rate_of(provider, unit))
    if isinstance(provider, TaskProvider):
        source = defaults.failed_tasks_source
        yield "failed tasks", f"{defaults.failed_tasks} ({source})"
    for model, end in capabilities.shutdowns.items():
        basis = "seen" if end.is_observed else "announced, not seen"
        use = f"use {end.successor}; " if end.successor else ""
        source = f"{basis}; {end.page}, read {end.read_on}"
        yield f"{model}", f"shut down on {end.day}; {use}{source}"


def _models(model: str, models: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if not models:
        yield "model", model
    for resolution, each in models.items():
        yield f"model at {resolution}", each


def _reference_lines(
    provider: Provider, rules: ReferenceRules
) -> Iterator[tuple[str, str]]:
    if not rules.max_count:
        yield "references", "none taken"
        return
    travels = ", or ".join(TRAVELS[carrier] for carrier in rules.carriers)
    yield "references", f"at most {rules.max_count}; {travels}"
    yield "reference formats", ", ".join(rules.media_types)
    yield "bytes of one", _bytes(rules.max_bytes)
    yield "bytes together", _bytes(rules.max_total_bytes)
    if isinstance(provider, UploadProvider):
        yield "an upload lasts", f"{provider.upload_life_s / 3600:g} h"


def _bytes(max_bytes: int | None) -> str:
    return "no limit documented" if max_bytes is None else f"at most {max_bytes:,}"


def _option_lines(capabilities: Capabilities) -> Iterator[tuple[str, str]]:
    for name, rule in capabilities.options.items():
        yield f"option {name}", _rule_text(name, rule)
    if not capabilities.options:
        yield "options", "none"


def _rule_text(name: str, rule: OptionRule) -> str:
    types = {"str": "any text", "bool": "true or false", "int": "a whole number"}
    text = ", ".join(rule.choices) or types.get(type_of_option[name].__name__, "number")
    if rule.min_value is not None:
        text += f" from {rule.min_value:g}"
    if rule.max_value is not None:
        text += f" to {rule.max_value:g}"
    return text + (f", only together with {rule.needs}" if rule.needs else "")


def _price_text(price: Price | None) -> str:
    if price is None:
        return "unknown"
    read = f", read {price.read_on}" if price.read_on else ""
    limit = ""
    if price.ceiling != price.expected:
        limit = f", at most {dollars(price.ceiling)}"
        if price.per_search:
            limit += f", {dollars(price.per_search)} more for a search"
    return f"{dollars(price.expected)}{limit} ({price.page}{read})"
