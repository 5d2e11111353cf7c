"""What a real run needs that a rehearsal does without, and what would stop it.

A rehearsal reads no key, goes to no real address, and pays with the sandbox's own
prices: where that is known to hide a refusal, it is said, before and after. Key and
consent, which a rehearsal needs not, are named behind it alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain

from batchgen.budget import limits_of
from batchgen.checks.findings import Cost
from batchgen.cli.formatting import counted
from batchgen.errors import SpecError
from batchgen.ledger import Reader
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.ledger.outstanding import planned_sales
from batchgen.model import Job, dollars, find_price
from batchgen.planning.own_address import is_own_address
from batchgen.planning.routing import unpriced_message
from batchgen.providers import PROVIDERS, key_variable
from batchgen.runner.access import base_url_of, no_base_url, prices_of
from batchgen.runner.credentials import known_keys
from batchgen.runner.folder import REHEARSAL_SUFFIX
from batchgen.runner.notices import network_problems, notices_of
from batchgen.wire import check_base_url

STOP = "the real run would stop"


def known_before(job: Job, rehearsed: Job) -> list[str]:
    """Return what is known of a real run before anything is tried.

    Args:
        job: The job as the user gave it.
        rehearsed: The same against the sandbox, whose notices the engine gives.
    """
    today = datetime.now(UTC).date()
    common = set(notices_of(rehearsed, PROVIDERS, today))
    return [
        *_stops(job),
        *(f"{STOP}: {problem}" for problem in network_problems()),
        *_unknown_models(job),
        *(
            f"in the real run {text}"
            for text in notices_of(job, PROVIDERS, today)
            if text not in common
        ),
    ]


def _stops(job: Job) -> Iterator[str]:
    for name in job.providers:
        url = base_url_of(job, name)
        if url is None:
            yield f"{STOP}: {no_base_url(job.source, name)}"
            continue
        try:
            check_base_url(url, allow_http=job.allow_http)
        except SpecError as error:
            yield f"{STOP}: {error}"
    # `try` makes a new folder each time, its source in it.
    is_shared = not job.source.is_relative_to(job.out)
    if is_shared and not job.out.name.endswith(REHEARSAL_SUFFIX):
        yield (
            f"{STOP}: {job.out} holds this rehearsal, and their money must not mix; "
            "name another folder with --out"
        )


def _unknown_models(job: Job) -> Iterator[str]:
    for name in job.providers:
        if (model := job.terms_of(name).model) and not _is_known(name, model):
            yield (
                f"the real run may stop: batchgen does not know the model {model!r} at "
                f"{name}, and a rehearsal cannot tell whether it is there"
            )


def needs_of(job: Job, *, may_spend: bool) -> Iterator[str]:
    """Yield what a real run needs besides: keys and consent."""
    set_keys = known_keys()
    for name in job.providers:
        variable = key_variable(name)
        if name in set_keys:
            yield (
                f"the real run needs {variable}, which is set (a rehearsal does not "
                "try the key)"
            )
        else:
            yield (
                f"{STOP}: it needs {variable}, which is not set (export "
                f"{variable}=your-key)"
            )
    if job.max_cost is None and not may_spend:
        yield (
            "the real run needs your consent to spend: --max-cost USD for a budget, or "
            "--yes"
        )


def _is_known(name: str, model: str) -> bool:
    provider = PROVIDERS[name]
    capabilities = provider.capabilities
    priced = (price.models for price in provider.prices)
    return model.removeprefix(capabilities.model_prefix) in {
        provider.defaults.model,
        *capabilities.models.values(),
        *capabilities.by_model,
        *capabilities.shutdowns,
        *chain.from_iterable(priced),
    }


def known_of_plan(job: Job, ledger: Reader) -> list[str]:
    """Return what real prices mean for the rows that were rehearsed.

    Args:
        job: The job as the user gave it.
        ledger: The rehearsal's.
    """
    prices = prices_of(job)
    below = EVERY_ROW if job.limit is None else job.limit
    limits, sentences = limits_of(job), []
    cost, unpriced = Cost(), 0
    for planned in planned_sales(ledger, below):
        price_key = planned.price_key
        price = find_price(prices.get(price_key.provider, ()), price_key)
        if price is not None:
            cost += Cost.of(planned.images, price)
            continue
        unpriced += planned.images
        if limits:
            words = unpriced_message(
                price_key, elsewhere=_elsewhere(job, price_key.provider)
            )
            sentences.append(f"{STOP}: row {planned.position}: {words}")
    if limits.run is not None and cost.expected > limits.run:
        sentences.append(
            f"{STOP} at the budget: its images cost about {dollars(cost.expected)}, "
            f"retries not counted, and --max-cost is {dollars(limits.run)}"
        )
    elif cost.highest:
        sentences.append(
            f"the real run costs about {dollars(cost.expected)} in real money, retries "
            "not counted"
        )
    if unpriced and not limits:
        sentences.append(
            f"the real run buys {counted(unpriced, 'image')} without a known price: "
            "give one with --price"
        )
    return sentences


def _elsewhere(job: Job, provider: str) -> str | None:
    url = job.terms_of(provider).base_url
    is_own = is_own_address(url, PROVIDERS[provider].defaults)
    return None if is_own else url
