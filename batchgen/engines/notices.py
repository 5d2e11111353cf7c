"""What a user may want to know of the providers that a job chooses, before paying."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from batchgen.model import ImageRequest, Job
from batchgen.provider import Provider
from batchgen.runner.own_address import is_own_address


def notices_of(
    job: Job, providers: Mapping[str, Provider], today: date
) -> Iterator[str]:
    """Yield a sentence for each address and model that is not as it may seem.

    Args:
        job: The job.
        providers: All that there are.
        today: By which shutdowns are judged.
    """
    for name in job.providers:
        provider, terms = providers[name], job.terms_of(name)
        is_own = is_own_address(terms.base_url, provider.defaults)
        if not is_own and provider.prices and not terms.prices:
            yield (
                f"{name} is asked at {terms.base_url}, where its own price list does "
                f"not hold: give your price with --price, or under [prices.{name}]"
            )
        able = provider.capabilities
        model = able.sale(ImageRequest(prompt=""), terms.model)[0]
        end = able.shutdowns.get(model or provider.defaults.model)
        is_refused = is_own and terms.shutdowns == "refuse"
        if end is None or (end.day <= today and is_refused):
            continue  # rows that ask for it say so themselves
        tense = "was" if end.day <= today else "will be"
        use = f"; {name} names {end.successor} instead" if end.successor else ""
        yield f"{name} announced that {model} {tense} shut down on {end.day}{use}"
