"""`batchgen providers`: capabilities, prices with page and date, keys, limits."""

from __future__ import annotations

from typing import Any

import click

from batchgen.cli.json_writer import exact_json, price_fields, tagged
from batchgen.cli.messages import write_notice
from batchgen.cli.providers_output import (
    capabilities_of,
    detail,
    overview,
    price_at,
    rate_of,
    show,
)
from batchgen.errors import UsageError
from batchgen.job.layers import error_context
from batchgen.job.names import check_names
from batchgen.model import (
    OptionRule,
    Shutdown,
    type_of_option,
)
from batchgen.providers import PROVIDERS, key_variable
from batchgen.providers.base import Provider, TaskProvider, UploadProvider


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
        _verify(name, as_json=as_json)
        return
    providers = [PROVIDERS[name]] if name else list(PROVIDERS.values())
    if as_json:
        facts = [facts_of(provider) for provider in providers]
        every = tagged("providers", {"providers": facts})
        click.echo(exact_json(tagged("provider", facts[0]) if name else every))
    elif name:
        show(detail(PROVIDERS[name]))
    else:
        show(overview(providers))
        click.echo("all about one: batchgen providers NAME")
        for other, problem in PROVIDERS.problems.items():
            write_notice(f"provider `{other}`: {problem}")


def _verify(name: str | None, *, as_json: bool) -> None:
    """Print a line for each check; end with 1 if one failed.

    Raises:
        UsageError: There is nothing to verify.
    """
    # The engine and the sandbox take long to load.
    from batchgen.verify.all_checks import has_sandbox, verify

    if name is None or as_json:
        raise UsageError(
            "--verify takes one provider: batchgen providers NAME --verify"
        )
    if not has_sandbox(name):
        raise UsageError(
            f"{name} cannot be verified: its package brings no sandbox (an entry point "
            "of the group batchgen.sandboxes)"
        )
    failed = 0
    for result in verify(name):
        failed += result.problem is not None
        state = "ok" if result.problem is None else f"FAILED: {result.problem}"
        click.echo(f"{result.name}: {state}")
    if failed:
        raise SystemExit(1)


# -- for scripts


def facts_of(provider: Provider) -> dict[str, Any]:
    """Return all that is known of a provider as JSON values, null where unknown."""
    capabilities, defaults = capabilities_of(provider), provider.defaults
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
