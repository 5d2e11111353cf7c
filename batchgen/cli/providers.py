"""`batchgen providers`: capabilities, prices with page and date, keys, limits."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from batchgen.cli.exact import exact_json, price_fields, tagged
from batchgen.cli.screen import drawable
from batchgen.cli.streams import write_notice
from batchgen.errors import UsageError
from batchgen.job.layers import error_context
from batchgen.job.names import check_names
from batchgen.model import (
    Capabilities,
    OptionRule,
    Price,
    PriceKey,
    ReferenceRules,
    Shutdown,
    dollars,
    find_price,
    type_of_option,
)
from batchgen.providers import PROVIDERS, key_variable
from batchgen.providers.base import Provider, TaskProvider, UploadProvider

# Where there is no terminal whose width could be asked for.
PLAIN_WIDTH = 100

TRAVELS = {
    "link": "as a URL",
    "inline": "as base64 in the request",
    "part": "as a file in a form",
    "upload": "uploaded first",
}


@click.command("providers")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.option(
    "--verify",
    "verifies",
    is_flag=True,
    help="Try NAME at its sandbox with everything that can go wrong: free, no key.",
)
def command(name: str | None, *, as_json: bool, verifies: bool) -> None:
    """Show all providers, or all about NAME; what nobody documents is `unknown`."""
    if name is not None and name not in PROVIDERS:
        with error_context(UsageError, "NAME"):
            check_names([name], PROVIDERS, "provider")
    if verifies:
        # The engine and the sandbox take long to load.
        from batchgen.cli.verification import verify_provider

        verify_provider(name, as_json=as_json)
        return
    chosen = [PROVIDERS[name]] if name else list(PROVIDERS.values())
    if as_json:
        facts = [facts_of(provider) for provider in chosen]
        every = tagged("providers", {"providers": facts})
        click.echo(exact_json(tagged("provider", facts[0]) if name else every))
    elif name:
        _show(_detail(PROVIDERS[name]))
    else:
        _show(_overview(chosen))
        click.echo("all about one: batchgen providers NAME")
        for other, problem in PROVIDERS.problems.items():
            write_notice(f"provider `{other}`: {problem}")


def _show(table: Table) -> None:
    is_terminal = sys.stdout.isatty()
    width = None if is_terminal else PLAIN_WIDTH
    Console(width=width, file=drawable(sys.stdout)).print(table)


# -- for scripts


def _able(provider: Provider) -> Capabilities:
    """Return what the provider can do with its own model."""
    return provider.capabilities.for_model(provider.defaults.model)


def facts_of(provider: Provider) -> dict[str, Any]:
    """Return all that is known of a provider as JSON values, null where unknown."""
    capabilities, defaults = _able(provider), provider.defaults
    return {
        "name": provider.name,
        "base_url": defaults.base_url,
        "model": defaults.model,
        "models": dict(capabilities.models),
        "key_variable": key_variable(provider.name),
        "aspect_ratios": list(capabilities.aspect_ratios),
        "resolutions": list(capabilities.resolutions),
        "default_resolution": capabilities.default_resolution,
        "images_per_request": capabilities.images_per_request,
        "references": _references(provider),
        "options": {
            name: _rule(name, rule) for name, rule in capabilities.options.items()
        },
        "rpm": defaults.rpm,
        "concurrency": defaults.concurrency,
        "reply_timeout_s": defaults.reply_timeout_s,
        "limits_source": defaults.source,
        "prices": {
            resolution: price_fields(price_at(provider, resolution))
            for resolution in capabilities.resolutions
        },
        "rates": {
            unit: price_fields(rate_of(provider, unit)) for unit in provider.rates
        },
        "failed_tasks": _failed_tasks(provider),
        "shutdowns": {
            model: _shutdown(end) for model, end in capabilities.shutdowns.items()
        },
    }


def rate_of(provider: Provider, unit: str) -> Price | None:
    """Return what a unit costs that replies count for the provider's own model."""
    price_key = PriceKey(provider.name, None, provider.defaults.model)
    return find_price(provider.rates[unit], price_key)


def _failed_tasks(provider: Provider) -> dict[str, str] | None:
    if not isinstance(provider, TaskProvider):
        return None
    defaults = provider.defaults
    return {"charged": defaults.failed_tasks, "source": defaults.failed_tasks_source}


def _shutdown(end: Shutdown) -> dict[str, Any]:
    return {
        "day": end.day,
        "successor": end.successor,
        "page": end.page,
        "read_on": end.read_on,
        "observed": end.is_observed,
    }


def _references(provider: Provider) -> dict[str, Any]:
    rules = provider.capabilities.references
    life_s = provider.upload_life_s if isinstance(provider, UploadProvider) else None
    return {
        "most": rules.max_count,
        "carriers": list(rules.carriers),
        "media_types": list(rules.media_types),
        "most_bytes": rules.max_bytes,
        "most_bytes_together": rules.max_total_bytes,
        "upload_life_s": life_s,
    }


def _rule(name: str, rule: OptionRule) -> dict[str, Any]:
    return {
        "type": type_of_option[name].__name__,
        "choices": list(rule.choices),
        "least": rule.min_value,
        "most": rule.max_value,
        "needs": rule.needs,
    }


def price_at(provider: Provider, resolution: str) -> Price | None:
    """Return what an image of the provider's own model costs."""
    model = provider.capabilities.models.get(resolution, provider.defaults.model)
    return find_price(provider.prices, PriceKey(provider.name, resolution, model))


# -- for people


def _overview(providers: list[Provider]) -> Table:
    # Fits a terminal of 80 columns.
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("provider", "ratios", "sizes", "images", "refs", "price", "key"):
        table.add_column(heading, overflow="fold")
    for provider in providers:
        capabilities = _able(provider)
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
        for resolution in _able(provider).resolutions
        if (price := price_at(provider, resolution))
    ]
    shown = (f"{size} {dollars(price.expected)}" for size, price in prices)
    return "\n".join(shown) or "unknown"


def _detail(provider: Provider) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, words in _lines(provider):
        table.add_row(label, words)
    return table


def _lines(provider: Provider) -> Iterator[tuple[str, str]]:
    capabilities, defaults = _able(provider), provider.defaults
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
        price = price_at(provider, resolution)
        yield f"price at {resolution}", _price_words(price)
    for unit in provider.rates:
        yield f"price of 1 {unit}", _price_words(rate_of(provider, unit))
    if isinstance(provider, TaskProvider):
        source = defaults.failed_tasks_source
        yield "failed tasks", f"{defaults.failed_tasks} ({source})"
    for model, end in capabilities.shutdowns.items():
        seen = "seen" if end.is_observed else "announced, not seen"
        use = f"use {end.successor}; " if end.successor else ""
        source = f"{seen}; {end.page}, read {end.read_on}"
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


def _bytes(most: int | None) -> str:
    return "no limit documented" if most is None else f"at most {most:,}"


def _option_lines(capabilities: Capabilities) -> Iterator[tuple[str, str]]:
    for name, rule in capabilities.options.items():
        yield f"option {name}", _rule_words(name, rule)
    if not capabilities.options:
        yield "options", "none"


def _rule_words(name: str, rule: OptionRule) -> str:
    words = {"str": "any text", "bool": "true or false", "int": "a whole number"}
    said = ", ".join(rule.choices) or words.get(type_of_option[name].__name__, "number")
    if rule.min_value is not None:
        said += f" from {rule.min_value:g}"
    if rule.max_value is not None:
        said += f" to {rule.max_value:g}"
    return said + (f", only together with {rule.needs}" if rule.needs else "")


def _price_words(price: Price | None) -> str:
    if price is None:
        return "unknown"
    most = f", at most {dollars(price.ceiling)}"
    read = f", read {price.read_on}" if price.read_on else ""
    most += f", {dollars(price.per_search)} more for a search" * bool(price.per_search)
    limit = most if price.ceiling != price.expected else ""
    return f"{dollars(price.expected)}{limit} ({price.page}{read})"
