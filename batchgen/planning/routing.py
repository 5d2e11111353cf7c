"""Find the providers that can make a row, the best first, or why none can."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from batchgen.job.names import unknown_name
from batchgen.ledger import Candidate
from batchgen.manifest import Row
from batchgen.model import (
    Capabilities,
    ImageRequest,
    Job,
    PriceKey,
    PriceList,
    Terms,
    find_price,
    to_nano,
)
from batchgen.planning.own_address import is_own_address
from batchgen.providers.base import Provider
from batchgen.references import Inspector, Unusable, why_unsupported

Verdict = tuple[list[Candidate], tuple[str | None, str] | None]
"""The candidates for a row; or the column that prevents all of them, and the reason."""

_MAX_VERDICTS = 4096
"""Verdicts in the cache: most rows differ only in the prompt, which decides nothing."""


class WeightedRoundRobin:
    """Ranks providers so that each gets rows in proportion to its weight.

    Attributes:
        counts: Rows that each provider has got.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = weights
        self.counts = dict.fromkeys(weights, 0)

    def rank(self, name: str) -> float:
        """Return when a provider could begin its next row; the lowest is soonest."""
        return (self.counts[name] + 1) / self._weights[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """Chooses the provider of each row.

    Attributes:
        providers: The job's providers, in the order of the job.
        all_providers: Every provider, also those that the job does not use: a message
            names the ones that could make a row.
        capabilities: What each provider supports under the job's terms.
        inspector: Knows what local reference images are.
        round_robin: Spreads the rows of a job that wants speed; None for a job that
            wants low prices.
        verdicts: Cache for rows without references, by everything that decides.
    """

    job: Job
    providers: Sequence[Provider]
    all_providers: Mapping[str, Provider]
    prices: Mapping[str, PriceList]
    capabilities: Mapping[str, Capabilities]
    inspector: Inspector
    round_robin: WeightedRoundRobin | None = None
    verdicts: dict[object, Verdict] = field(default_factory=dict, init=False)

    @classmethod
    def of(
        cls,
        job: Job,
        providers: Mapping[str, Provider],
        prices: Mapping[str, PriceList],
        today: date | None = None,
    ) -> Router:
        """Return the router of a job.

        Args:
            job: The job.
            providers: Every provider.
            prices: Of each provider.
            today: The day that decides which models are shut down; None for the UTC
                day of the clock.
        """
        today = today or datetime.now(UTC).date()
        job_providers = [providers[name] for name in job.providers]
        weights = {
            provider.name: _purchases_per_minute(job, provider)
            for provider in job_providers
        }
        return cls(
            job=job,
            providers=job_providers,
            all_providers=providers,
            prices=prices,
            capabilities=_CapabilitiesByName(job, providers, today),
            inspector=Inspector(job.folder, job.images_folder),
            round_robin=(
                WeightedRoundRobin(weights) if job.route == "fastest" else None
            ),
        )


class _CapabilitiesByName(dict[str, Capabilities]):
    """Computed by name: a provider that no row asks for may be slow to load."""

    def __init__(
        self, job: Job, providers: Mapping[str, Provider], today: date
    ) -> None:
        super().__init__()
        self._job, self._providers, self._today = job, providers, today

    def __missing__(self, name: str) -> Capabilities:
        terms = self._job.terms_of(name)
        self[name] = _capabilities_of(self._providers[name], terms, self._today)
        return self[name]


def _capabilities_of(provider: Provider, terms: Terms, today: date) -> Capabilities:
    """Return what a provider supports on a day, under the job's terms."""
    capabilities = terms.adapt(provider.capabilities).on(today)
    if not is_own_address(terms.base_url, provider.defaults):
        capabilities = capabilities.elsewhere()
    if terms.shutdowns == "ignore":
        return replace(capabilities, shutdowns={})
    return capabilities


def _purchases_per_minute(job: Job, provider: Provider) -> float:
    """Return the expected rate, as far as it is known before the first purchase."""
    rpm, slots = provider.defaults.limits(job.terms_of(provider.name))
    # An image takes half a minute [assumed], so each slot makes two in a minute.
    return min(rpm or math.inf, 2.0 * slots)


# -- the candidates for a row


def find_candidates(row: Row, router: Router) -> Verdict:
    """Return the candidates for a row, the best first, or what prevents all of them."""
    problem = (row.problem.column, row.problem.message) if row.problem else None
    if row.request is None:
        return [], problem or (None, "cannot be read")
    candidates, obstacle = _cached_verdict(row, row.request, router)
    candidates = sorted(candidates, key=lambda candidate: _rank(candidate, router))
    if obstacle is not None:
        column, reason = obstacle
        obstacle = (row.names.get(column or "", column), reason)
    if row.warning is not None:
        # After sorting: it is about the row, and makes no candidate worse.
        candidates = [
            replace(candidate, warning=_joined(row.warning, candidate.warning))
            for candidate in candidates
        ]
    return candidates, obstacle or problem


def _joined(*warnings: str | None) -> str:
    return "; ".join(filter(None, warnings))


def _cached_verdict(row: Row, request: ImageRequest, router: Router) -> Verdict:
    if request.references:
        return _verdict(row, request, router)
    key = (
        *(row.provider, request.model, request.aspect_ratio, request.resolution),
        *(request.n, *sorted(request.options.items())),
    )
    verdict = router.verdicts.get(key)
    if verdict is None:
        if len(router.verdicts) >= _MAX_VERDICTS:
            router.verdicts.clear()
        verdict = router.verdicts[key] = _verdict(row, request, router)
    return verdict


def _verdict(row: Row, request: ImageRequest, router: Router) -> Verdict:
    names = [provider.name for provider in router.providers]
    if row.provider is not None and row.provider not in names:
        return [], ("provider", _unused_provider(row.provider, names, router))
    try:
        for reference in request.references:
            router.inspector.facts_of(reference)
    except Unusable as error:
        return [], ("references", str(error))
    candidates: list[Candidate] = []
    obstacles: list[tuple[str, str]] = []
    for provider in router.providers:
        if row.provider in (None, provider.name):
            obstacle = _obstacle(provider.name, request, router)
            if obstacle is None:
                candidates.append(_candidate(provider, request, router))
            else:
                obstacles.append((obstacle[0], f"{provider.name} {obstacle[1]}"))
    if candidates:
        return candidates, None
    columns = [column for column, _ in obstacles]
    reasons = [reason for _, reason in obstacles]
    # Model names differ between providers: the others would make something else.
    if "model" not in columns and (others := _capable_providers(request, router)):
        reasons.append(f"{_listed(others)} can do it")
    return [], (columns[0], "; ".join(reasons))


def _capable_providers(request: ImageRequest, router: Router) -> list[str]:
    """Return the providers, of all, that support a request with all its options."""
    return [
        name
        for name, _ in router.all_providers.items()
        if not _missing_options(name, request, router)
        and _obstacle(name, request, router) is None
    ]


def _unused_provider(name: str, names: Sequence[str], router: Router) -> str:
    """Say how to use a provider that a row names and the job does not."""
    if name in router.all_providers:
        choice = ",".join([*names, name])
        return (
            f"{name!r} is not among the chosen providers: choose it, too, with "
            f"--provider {choice}, or in the job file under `provider`"
        )
    return unknown_name(name, router.all_providers, "provider")


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _candidate(provider: Provider, request: ImageRequest, router: Router) -> Candidate:
    model, resolution = _model_and_resolution(provider, request, router)
    price_key = PriceKey.of(provider.name, request, model, resolution)
    price = find_price(router.prices.get(provider.name, ()), price_key)
    missing = _missing_options(provider.name, request, router)
    warning = f"{provider.name} has no {' and no '.join(missing)}: left out"
    return Candidate(
        provider=provider.name,
        model=model,
        resolution=resolution,
        estimate=None if price is None else to_nano(price.expected) * request.n,
        warning=warning if missing else None,
    )


def _rank(candidate: Candidate, router: Router) -> tuple[bool, bool, float]:
    """Return the sort key of a candidate: lower is better, equal keeps the job's order.

    First candidates that support the whole row, then those with a known price, then by
    the aim of the job: speed or price.
    """
    if router.round_robin is not None:
        aim = router.round_robin.rank(candidate.provider)
    else:
        aim = candidate.estimate or 0
    return candidate.warning is not None, candidate.estimate is None, aim


# -- what one provider supports


def _model_and_resolution(
    provider: Provider, request: ImageRequest, router: Router
) -> tuple[str, str]:
    """Return the model that is sent and the resolution that is bought."""
    requested = request.model or router.job.terms_of(provider.name).model
    model, resolution = router.capabilities[provider.name].resolve_model(
        request, requested
    )
    return model or provider.defaults.model, resolution


def _missing_options(
    name: str, request: ImageRequest, router: Router
) -> tuple[str, ...]:
    model, _ = _model_and_resolution(router.all_providers[name], request, router)
    return router.capabilities[name].for_model(model).missing_options(request)


def _obstacle(
    name: str, request: ImageRequest, router: Router
) -> tuple[str, str] | None:
    """Return the column and the reason why a provider cannot make a request, if any."""
    capabilities, job = router.capabilities[name], router.job
    model, _ = _model_and_resolution(router.all_providers[name], request, router)
    obstacle = next(capabilities.unsupported(request, model), None)
    if obstacle is not None:
        return obstacle
    missing = capabilities.for_model(model).missing_options(request)
    if missing and job.unsupported == "refuse":
        return missing[0], f'has no {missing[0]} (`unsupported = "drop"` leaves it out)'
    reason = why_unsupported(
        request.references,
        capabilities.references,
        router.inspector,
        shrink=job.references.shrink,
    )
    return None if reason is None else ("references", f"cannot take {reason}")


def unpriced_message(
    price_key: PriceKey, *, at_any_size: bool = False, elsewhere: str | None = None
) -> str:
    """Say that no price is known, and how to give one.

    Args:
        price_key: What is to be bought.
        at_any_size: Whether no size has a price.
        elsewhere: The base URL, if it is not the provider's own.
    """
    size = "" if at_any_size else f" at {price_key.resolution}"
    tier = f", tier {price_key.tier}" if price_key.tier else ""
    quality = f", quality {price_key.quality}" if price_key.quality else ""
    model = f" ({price_key.model}{tier}{quality})" if price_key.model else ""
    place = ""
    if elsewhere is not None:
        place = f" at {elsewhere}, which has prices of its own"
    return (
        f"no price is known for {price_key.provider}{size}{model}{place}, so no "
        f"budget can hold; give one with --price, or in the job under "
        f"[prices.{price_key.provider}]"
    )
