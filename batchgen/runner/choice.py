"""Who makes a row, in which resolution and for how much, or why nobody can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batchgen.ledger import PlanEntry
from batchgen.manifest import Row
from batchgen.model import (
    Capabilities,
    ImageRequest,
    Job,
    PriceList,
    find_price,
    to_nano,
)
from batchgen.output.names import safe_stem, strip_image_extension
from batchgen.provider import Provider
from batchgen.references import Inspector, Unusable, judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What rows are judged against.

    Attributes:
        chosen: The job's providers, in its order.
        others: Every provider there is, to say who could do what none of them can.
        able: What each provider can do under the job's terms.
        look: Says what local reference images are.
    """

    job: Job
    chosen: Sequence[Provider]
    others: Mapping[str, Provider]
    prices: Mapping[str, PriceList]
    able: Mapping[str, Capabilities]
    look: Inspector

    @classmethod
    def of(
        cls,
        job: Job,
        providers: Mapping[str, Provider],
        prices: Mapping[str, PriceList],
    ) -> Choice:
        """Return what a job chooses among all providers."""
        return cls(
            job=job,
            chosen=[providers[name] for name in job.providers],
            others=providers,
            prices=prices,
            able={
                name: job.terms_of(name).adapt(it.capabilities)
                for name, it in providers.items()
            },
            look=Inspector(job.manifest.parent),
        )


def entry_of(row: Row, choice: Choice) -> PlanEntry:
    """Judge one row: who makes it, for how much, or why nobody can."""
    provider, problem = _choose(row, choice)
    request = row.request
    model = resolution = estimate = warning = None
    if provider is not None and request is not None:
        model, resolution = sale_of(provider, request, choice)
        estimate = _estimate(request, resolution, choice.prices.get(provider.name, {}))
        warning = _dropped(choice.able[provider.name], provider.name, request)
    return PlanEntry(
        position=row.position,
        line=row.line,
        id=row.id,
        request=request,
        fingerprint=row.fingerprint,
        stem=safe_stem(_wanted_stem(row)),
        provider=provider.name if provider else None,
        model=model or (request.model if request else None),
        resolution=resolution,
        estimate=estimate,
        prompt=row.prompt,
        at_column=problem[0] if problem else None,
        problem=problem[1] if problem else None,
        warning=warning,
    )


def _wanted_stem(row: Row) -> str:
    if row.filename:
        return strip_image_extension(row.filename)
    if row.id is not None:
        return row.id
    digest = row.fingerprint.hex()[:8] if row.fingerprint else "0" * 8
    return f"row-{row.position}-{digest}"


def sale_of(
    provider: Provider, request: ImageRequest, choice: Choice
) -> tuple[str, str]:
    """Return the model that is sent and the resolution that is bought."""
    stated = request.model or choice.job.terms_of(provider.name).model
    model, resolution = choice.able[provider.name].sale(request, stated)
    return model or provider.defaults.model, resolution


def _dropped(able: Capabilities, name: str, request: ImageRequest) -> str | None:
    lacking = able.lacking(request)
    if not lacking:
        return None
    return f"{name} has no {' and no '.join(lacking)}: left out"


# -- who can do a row


def _choose(
    row: Row, choice: Choice
) -> tuple[Provider | None, tuple[str | None, str] | None]:
    """Return the first provider that can do the row, or what stands in the way."""
    if row.problem is not None:
        return None, (row.problem.column, row.problem.message)
    request = row.request
    if request is None:
        return None, (None, "cannot be read")
    names = [it.name for it in choice.chosen]
    if row.provider is not None and row.provider not in names:
        given = f"{row.provider!r} is not among the job's providers"
        return None, ("provider", f"{given} ({', '.join(names)}); add it to `provider`")
    try:
        for reference in request.references:
            choice.look.look(reference)
    except Unusable as error:
        return None, ("references", str(error))
    misfits = []
    for provider in choice.chosen:
        if row.provider in (None, provider.name):
            misfit = _misfit(provider.name, request, choice)
            if misfit is None:
                return provider, None
            misfits.append((misfit[0], f"{provider.name} {misfit[1]}"))
    # Without leaving anything out, which is the job's way out and no better one.
    fitting = [
        name
        for name in choice.others
        if not choice.able[name].lacking(request) and not _misfit(name, request, choice)
    ]
    hint = [f"{_listed(fitting)} can do it"] if fitting else []
    return None, (misfits[0][0], "; ".join([*(it[1] for it in misfits), *hint]))


def _misfit(name: str, request: ImageRequest, choice: Choice) -> tuple[str, str] | None:
    """Return the column and the reason why a provider cannot do a request."""
    able, job = choice.able[name], choice.job
    if (misfit := next(able.misfits(request), None)) is not None:
        return misfit
    lacking = able.lacking(request)
    if lacking and job.unsupported == "refuse":
        return lacking[0], f'has no {lacking[0]} (`unsupported = "drop"` leaves it out)'
    shrink = job.references.shrink
    reason = judge(request.references, able.references, choice.look, shrink=shrink)
    return None if reason is None else ("references", f"cannot take {reason}")


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _estimate(request: ImageRequest, resolution: str, prices: PriceList) -> int | None:
    price = find_price(prices, resolution)
    return None if price is None else to_nano(price.expected) * request.n
