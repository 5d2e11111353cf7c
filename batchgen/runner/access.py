"""Where the providers of a job are, with which keys, and at what prices."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from batchgen.addresses.url import read_url
from batchgen.errors import SpecError, UsageError
from batchgen.model import Job, PriceList
from batchgen.planning.own_address import is_own_address
from batchgen.providers import PROVIDERS, key_variable
from batchgen.runner.credentials import (
    key_problem,
    known_keys,
    reachable_providers,
)
from batchgen.wire import check_base_url, is_loopback_host


def base_url_of(job: Job, name: str) -> str | None:
    """Return where a provider is reached; None if that is unknown."""
    return job.terms_of(name).base_url or PROVIDERS[name].defaults.base_url


def mode_of(job: Job) -> str:
    """Return `loopback` when all chosen providers are on this machine, else `real`."""
    urls = [base_url_of(job, name) or "" for name in job.providers]
    if all(is_loopback_host(read_url(url).host) for url in urls):
        return "loopback"
    return "real"


def prices_of(job: Job) -> dict[str, PriceList]:
    """Return price lists by provider: the job's own prices come first.

    A provider's list holds only at the provider's own address.
    """
    prices: dict[str, PriceList] = {}
    for name in reachable_providers(job.providers):
        provider = PROVIDERS[name]
        terms = job.terms_of(name)
        is_own = is_own_address(terms.base_url, provider.defaults)
        prices[name] = (*terms.prices, *(provider.prices if is_own else ()))
    return prices


def read_keys(job: Job, explicit: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the keys by provider.

    Args:
        job: The job.
        explicit: Keys by provider; they replace those of the environment.

    Raises:
        SpecError: the key of one of the job's providers is missing, or cannot be a
            key; the text names the variable.
    """
    keys = known_keys(job.providers) | dict(explicit or {})
    for name in job.providers:
        variable = key_variable(name)
        if name not in keys:
            raise SpecError(_no_key(job, name))
        is_real = not is_loopback_host(read_url(base_url_of(job, name) or "").host)
        is_own = is_own_address(job.terms_of(name).base_url, PROVIDERS[name].defaults)
        problem = key_problem(keys[name], is_real=is_real and is_own)
        if problem is not None:
            raise SpecError(f"{variable} {problem}. Nothing was sent")
    return keys


def _no_key(job: Job, name: str) -> str:
    variable = key_variable(name)
    state = "is empty" if variable in os.environ else "is not set"
    others = [other for other in job.providers if other != name]
    remedies = [f"export {variable}=your-key, and run it again"]
    if others:
        remedies.append(f"choose --provider {','.join(others)}")
    remedies.append("add --rehearse: that needs no key and costs nothing")
    for other in PROVIDERS[name].defaults.unread_variables:
        if os.environ.get(other):
            state += f" ({other}, which is set, is not read)"
    first, *rest = remedies
    return f"{variable} {state}: {first} (or {', or '.join(rest)})"


def check_addresses(job: Job) -> None:
    """Refuse a job with an address that is missing, or that must not get a key.

    Raises:
        SpecError: there is such an address.
    """
    for name in job.providers:
        url = base_url_of(job, name)
        if url is None:
            raise no_base_url(job.source, name)
        check_base_url(url, allow_http=job.allow_http)


def no_base_url(source: Path, name: str) -> SpecError:
    """Return the error for a provider whose address is unknown."""
    kind = SpecError if source.suffix.lower() == ".toml" else UsageError
    return kind(
        f"{name} has no address that anybody documents: give the one that your account "
        f"names, by --base-url {name}=https://... or `base_url` in the job file"
    )
