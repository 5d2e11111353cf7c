"""Check the settings of a job before its table is read."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from batchgen.errors import BatchgenError, SpecError, UsageError
from batchgen.job.user_defaults import defaults_path
from batchgen.ledger import Reader
from batchgen.manifest.wording import nearest, shown
from batchgen.model import Capabilities, ImageRequest, Job
from batchgen.providers import PROVIDERS
from batchgen.providers.base import Provider
from batchgen.runner.folder import LEDGER

_MIN_MODELS = 3
"""If batchgen knows fewer models of a provider, it knows only the default, and the
provider may have others."""


def check_settings(job: Job, overrides: Mapping[str, Any]) -> None:
    """Refuse settings with which no row could be made, even if no row uses them.

    A folder with open attempts is not refused: what was bought must be fetched.

    Raises:
        SpecError: a setting of the job file is impossible.
        UsageError: an option is impossible.
    """
    if _is_under_way(job):
        return
    _check_prompt(job, overrides)
    for name in job.providers:
        _check_path(job, name, overrides)
        _check_model(job, name, overrides)
    for setting in ("aspect_ratio", "resolution"):
        _check_default(job, setting, overrides)


def check_zero_budget(job: Job, overrides: Mapping[str, Any]) -> None:
    """Refuse a budget of 0 for a first run, which could only end at once.

    In a folder with purchases such a run fetches them and buys nothing. If images cost
    nothing, 0 is a budget as any other.

    Raises:
        SpecError: the budget is in the job file.
        UsageError: the budget is an option.
    """
    is_free = any(
        not price.expected
        for name in job.providers
        for price in job.terms_of(name).prices
    )
    if is_free or (job.out / LEDGER).exists():
        return
    message = (
        "0 allows no purchase: give the most that may be spent, such as 5; to look "
        "without paying, use `batchgen check` or --rehearse"
    )
    for setting, key in (("max_cost", "max_cost"), ("max_cost_per_day", "per_day")):
        amount = getattr(job, setting)
        if amount is not None and not amount:
            raise _error_in(job, overrides, setting, message, key=key)


def _is_under_way(job: Job) -> bool:
    if not (job.out / LEDGER).is_file():
        return False
    try:
        with closing(Reader(job.out / LEDGER)) as ledger:
            return bool(ledger.open_attempts())
    except BatchgenError:
        return False  # the run opens it next, and reports the error


def _error_in(
    job: Job,
    overrides: Mapping[str, Any],
    setting: str,
    message: str,
    *,
    key: str | None = None,
) -> SpecError:
    """Return the error for a setting, which is an option or a key of the job file."""
    if setting in overrides:
        return UsageError(f"--{setting.replace('_', '-')}: {message}")
    is_default = (
        "providers" if setting == "base_url" else setting
    ) in job.from_defaults
    place = defaults_path() if is_default else job.source
    return SpecError(f"{shown(place)}, `{key or setting}`: {message}")


def _check_prompt(job: Job, overrides: Mapping[str, Any]) -> None:
    """Refuse a prompt that is the name of a file."""
    prompt = job.prompt or ""
    if not prompt.isprintable() or "{" in prompt or len(prompt) > 255:
        return
    name = prompt.removeprefix("@")  # curl's way to name a file
    path = job.source.parent / name if "prompt" not in overrides else Path(name)
    if path.suffix and path.is_file():
        message = (
            f"{prompt} is the name of a file, and is sent as it stands: give the text "
            f'in it, as in --prompt "$(cat {name})"'
        )
        raise _error_in(job, overrides, "prompt", message)


def _check_path(job: Job, name: str, overrides: Mapping[str, Any]) -> None:
    """Refuse a provider's own address without the path that belongs to it."""
    base_url, own_url = job.terms_of(name).base_url, PROVIDERS[name].defaults.base_url
    if base_url is None or own_url is None:
        return
    url, own = urlsplit(base_url), urlsplit(own_url)
    is_own_host = (url.hostname, url.port) == (own.hostname, own.port)
    if is_own_host and not url.path.strip("/") and own.path.strip("/"):
        message = (
            f"{base_url} is not all of {name}'s address: write {own_url}, or leave it "
            "out"
        )
        raise _error_in(job, overrides, "base_url", message)


def _check_model(job: Job, name: str, overrides: Mapping[str, Any]) -> None:
    """Refuse a model that a provider does not have, unless the job states a price."""
    provider, terms = PROVIDERS[name], job.terms_of(name)
    if terms.model is None or terms.prices:
        return
    if terms.base_url not in (None, provider.defaults.base_url):
        return  # other services may have other models
    models = _models_of(provider)
    model = terms.model.removeprefix(provider.capabilities.model_prefix)
    if len(models) < _MIN_MODELS or model in models:
        return
    usable = [each for each in models if each not in provider.capabilities.shutdowns]
    near = nearest(model, usable)
    hint = f"did you mean `{near}`?" if near else f"it has {', '.join(usable)}"
    message = (
        f"{name} has no model `{terms.model}` that batchgen knows: {hint} (if it is "
        "new there, say what an image costs with --price)"
    )
    raise _error_in(job, overrides, "model", message)


def _models_of(provider: Provider) -> list[str]:
    """Return the models of a provider that batchgen knows, its default first."""
    capabilities = provider.capabilities
    prices = (model for price in provider.prices for model in sorted(price.models))
    names = (
        *(
            provider.defaults.model,
            *capabilities.models.values(),
            *capabilities.by_model,
        ),
        *(*prices, *capabilities.shutdowns),
    )
    return list(dict.fromkeys(names))


def _check_default(job: Job, setting: str, overrides: Mapping[str, Any]) -> None:
    """Refuse a default that none of the job's providers supports."""
    value = getattr(job, setting)
    if value is None:
        return
    request = ImageRequest(prompt="", **{setting: value})
    unsupported = [_obstacle(job, name, request, setting) for name in job.providers]
    if all(unsupported):
        message = "; ".join(reason for reason in unsupported if reason)
        raise _error_in(job, overrides, setting, message)


def _obstacle(job: Job, name: str, request: ImageRequest, setting: str) -> str | None:
    capabilities: Capabilities = PROVIDERS[name].capabilities
    capabilities = capabilities.elsewhere().for_model(job.terms_of(name).model)
    for column, reason in capabilities.unsupported(request):
        if column == setting:
            return f"{name} {reason}"
    return None
