"""Notices about addresses and models of a job's providers, before money is spent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from batchgen.addresses.url import read_url
from batchgen.errors import SpecError
from batchgen.model import ImageRequest, Job
from batchgen.model.row_scope import RowScope
from batchgen.planning.own_address import is_documented_address, is_own_address
from batchgen.providers import key_variable
from batchgen.providers.base import Provider
from batchgen.wire import is_loopback_host
from batchgen.wire.certificates import create_tls_context
from batchgen.wire.proxies import read_proxies


def network_problems() -> Iterator[str]:
    """Yield errors in the environment's settings for TLS and proxies."""
    for read in (create_tls_context, read_proxies):
        try:
            read()
        except SpecError as error:
            yield str(error).removesuffix(". Nothing was sent")


def choice_notices(scope: RowScope) -> Iterator[str]:
    """Yield how many rows are chosen, if the job chooses any."""
    if scope.flags is None:
        return
    rows, count = len(scope.flags), scope.count(len(scope.flags))
    verb = "is" if count == 1 else "are"
    yield (
        f"{count:,} of {rows:,} {'row' if rows == 1 else 'rows'} {verb} chosen; the "
        "others keep what they have"
    )


def address_notice(job: Job, provider: Provider) -> str | None:
    """Return a notice if a job names another address than the provider documents.

    Somebody else may have written the job file, and the key is sent to its address. A
    server on this machine counts as the provider's own.
    """
    terms, own = job.terms_of(provider.name), provider.defaults.base_url
    if terms.base_url is None or is_documented_address(terms.base_url, own):
        return None
    # Shown in ASCII, as DNS gets it: letters of other scripts can look like Latin ones.
    url = read_url(terms.base_url)
    if is_loopback_host(url.host):
        return None
    variable = key_variable(provider.name)
    place = f"{provider.name} is asked at {url}"
    if own is None:
        return (
            f"{place}, and publishes no address of its own: {variable} and the prompts "
            "go there"
        )
    if provider.prices and not terms.prices:
        return (
            f"{place}, where its own price list does not hold: give your price with "
            f"--price, or under [prices.{provider.name}]. {variable} and the prompts "
            f"go there, not to {read_url(own).host}"
        )
    return f"{place}, not at {read_url(own).host}: {variable} and the prompts go there"


def notices_of(
    job: Job, providers: Mapping[str, Provider], today: date
) -> Iterator[str]:
    """Yield a notice for each foreign address, and for each model with a shutdown.

    Args:
        job: The job.
        providers: Every provider by name.
        today: The day that decides which models are shut down.
    """
    for name in job.providers:
        provider, terms = providers[name], job.terms_of(name)
        is_own = is_own_address(terms.base_url, provider.defaults)
        if (notice := address_notice(job, provider)) is not None:
            yield notice
        capabilities = provider.capabilities
        model = capabilities.resolve_model(ImageRequest(prompt=""), terms.model)[0]
        end = capabilities.shutdowns.get(model or provider.defaults.model)
        is_refused = is_own and terms.shutdowns == "refuse"
        if end is None or (end.day <= today and is_refused):
            continue  # the messages of such rows say so
        tense = "was" if end.day <= today else "will be"
        hint = f"; {name} names {end.successor} instead" if end.successor else ""
        yield f"{name} announced that {model} {tense} shut down on {end.day}{hint}"
