"""`batchgen providers`: capabilities, prices with page and date, keys, limits."""

from __future__ import annotations

import json

import click

from batchgen.errors import UsageError
from batchgen.model import dollars
from batchgen.provider import Provider, key_variable
from batchgen.providers import PROVIDERS


@click.command("providers")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def command(name: str | None, *, as_json: bool) -> None:
    """Show all providers, or NAME alone; what nobody documents is `unknown`."""
    if name is not None and name not in PROVIDERS:
        raise UsageError(f"no provider {name!r}; there are {', '.join(PROVIDERS)}")
    chosen = [PROVIDERS[name]] if name else list(PROVIDERS.values())
    facts = [facts_of(it) for it in chosen]
    if as_json:
        click.echo(json.dumps(facts[0] if name else facts, indent=2))
        return
    click.echo("\n\n".join(_table(it) for it in facts))


def facts_of(provider: Provider) -> dict[str, object]:
    """Return all that is known of a provider, as JSON values."""
    able, defaults = provider.capabilities, provider.defaults
    return {
        "name": provider.name,
        "base_url": defaults.base_url,
        "model": defaults.model,
        "key_variable": key_variable(provider.name),
        "aspect_ratios": list(able.aspect_ratios),
        "resolutions": list(able.resolutions),
        "default_resolution": able.default_resolution,
        "images_per_request": able.images_per_request,
        "max_references": able.references.most,
        "references": list(able.references.carriers),
        "options": sorted(able.options),
        "rpm": defaults.rpm,
        "concurrency": defaults.concurrency,
        "limits_source": defaults.source,
        "prices": {
            resolution: {
                "expected_usd": f"{price.expected:f}",
                "ceiling_usd": f"{price.ceiling:f}",
                "page": price.page,
                "read_on": price.read_on and price.read_on.isoformat(),
            }
            for resolution in able.resolutions
            if (price := provider.prices.get(resolution)) is not None
        },
    }


def _table(facts: dict[str, object]) -> str:
    lines = [f"{facts['name']}"]
    for name, value in facts.items():
        if name in ("name", "prices"):
            continue
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        lines.append(f"  {name.replace('_', ' '):20} {_shown(name, shown)}")
    provider = PROVIDERS[str(facts["name"])]
    lines += [
        f"  price at {resolution:11} {_price(provider, resolution)}"
        for resolution in provider.capabilities.resolutions
    ]
    return "\n".join(lines)


def _shown(name: str, value: object) -> object:
    if value is None:
        return "none documented" if name == "rpm" else "unknown"
    return value if value != "" else "none"


def _price(provider: Provider, resolution: str) -> str:
    price = provider.prices.get(resolution)
    if price is None:
        return "unknown"
    read = f", read {price.read_on}" if price.read_on else ""
    return (
        f"{dollars(price.expected)}, at most {dollars(price.ceiling)} "
        f"({price.page}{read})"
    )
