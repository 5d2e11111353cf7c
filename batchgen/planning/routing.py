"""Who makes a row, in which resolution and for how much, or why nobody can."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from batchgen.job.names import unknown_name
from batchgen.ledger import PlanEntry, Way, dump_route
from batchgen.manifest import Row
from batchgen.model import (
    Capabilities,
    ImageRequest,
    Job,
    PriceList,
    Sale,
    Terms,
    find_price,
    to_nano,
)
from batchgen.output.names import safe_stem, strip_image_extension
from batchgen.planning.own_address import is_own_address
from batchgen.provider import Provider
from batchgen.references import Inspector, Unusable, why_unsupported


class Spread:
    """Deals rows out to providers by what each may do in a minute.

    Attributes:
        dealt: Rows that each was given.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = weights
        self.dealt = dict.fromkeys(weights, 0)

    def rank(self, name: str) -> float:
        """Return when a provider would come to one more row; the least is soonest."""
        return (self.dealt[name] + 1) / self._weights[name]

    def deal(self, name: str) -> None:
        """Count a row for a provider."""
        self.dealt[name] += 1


Verdict = tuple[list[Way], tuple[str | None, str] | None]
"""Who can do a row, or else the column that stands in the way, and why."""

ALIKE = 4096
"""Verdicts that are remembered: most rows differ in prompts alone, which none heeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What rows are judged against.

    Attributes:
        chosen: The job's providers, in its order.
        others: Every provider there is, to say who could do what none of them can.
        able: What each provider can do under the job's terms.
        inspector: Knows what local reference images are.
        spread: Who is soonest, for a job that wants to be fast; None for one that
            wants to be cheap.
        alike: Verdicts by all that they depend on, of rows without references.
    """

    job: Job
    chosen: Sequence[Provider]
    others: Mapping[str, Provider]
    prices: Mapping[str, PriceList]
    able: Mapping[str, Capabilities]
    inspector: Inspector
    spread: Spread | None = None
    alike: dict[object, Verdict] = field(default_factory=dict, init=False)

    @classmethod
    def of(
        cls,
        job: Job,
        providers: Mapping[str, Provider],
        prices: Mapping[str, PriceList],
        today: date | None = None,
    ) -> Choice:
        """Return what a job chooses among all providers.

        Args:
            job: The job.
            providers: All that there are.
            prices: Of each.
            today: By which models that are to be shut down are judged; None for the
                clock's UTC day.
        """
        today = today or datetime.now(UTC).date()
        chosen = [providers[name] for name in job.providers]
        weights = {provider.name: _per_minute(job, provider) for provider in chosen}
        return cls(
            job=job,
            chosen=chosen,
            others=providers,
            prices=prices,
            able={
                name: _capabilities_of(provider, job.terms_of(name), today)
                for name, provider in providers.items()
            },
            inspector=Inspector(job.manifest.parent, job.images_at),
            spread=Spread(weights) if job.route == "fastest" else None,
        )


def _capabilities_of(provider: Provider, terms: Terms, today: date) -> Capabilities:
    """Return what a provider can do on a day, under the job's terms."""
    able = terms.adapt(provider.capabilities).on(today)
    if not is_own_address(terms.base_url, provider.defaults):
        able = able.elsewhere()
    return replace(able, shutdowns={}) if terms.shutdowns == "ignore" else able


def _per_minute(job: Job, provider: Provider) -> float:
    """Return purchases in a minute, as far as it is known before the first."""
    rpm, places = provider.defaults.limits(job.terms_of(provider.name))
    # An image takes half a minute [assumed]: in flight, two a minute for each place.
    return min(rpm or math.inf, 2.0 * places)


def entry_of(row: Row, choice: Choice) -> PlanEntry:
    """Judge one row: who makes it, for how much, or why nobody can."""
    ways, problem = _ways(row, choice)
    if ways and problem is None and choice.spread is not None:
        choice.spread.deal(ways[0].provider)
    request = row.request
    best = ways[0] if ways else None
    return PlanEntry(
        position=row.position,
        line=row.line,
        id=row.id,
        request=request,
        fingerprint=row.fingerprint,
        budget_group=row.budget_group,
        stem=safe_stem(_wanted_stem(row)),
        provider=best.provider if best else None,
        model=best.model if best else (request.model if request else None),
        resolution=best.resolution if best else None,
        estimate=best.estimate if best else None,
        prompt=row.prompt,
        at_column=problem[0] if problem else None,
        problem=problem[1] if problem else None,
        spares_started=bool(ways) and problem is not None,
        warning=best.warning if best else None,
        route=dump_route(ways),
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


def _lacking(name: str, request: ImageRequest, choice: Choice) -> tuple[str, ...]:
    model, _ = sale_of(choice.others[name], request, choice)
    return choice.able[name].for_model(model).lacking(request)


def _dropped(name: str, request: ImageRequest, choice: Choice) -> str | None:
    lacking = _lacking(name, request, choice)
    if not lacking:
        return None
    return f"{name} has no {' and no '.join(lacking)}: left out"


# -- who can do a row


def _ways(row: Row, choice: Choice) -> Verdict:
    """Return who can do the row, best first, or what stands in the way."""
    problem = (row.problem.column, row.problem.message) if row.problem else None
    if row.request is None:
        return [], problem or (None, "cannot be read")
    ways, misfit = _verdict(row, row.request, choice)
    ways = sorted(ways, key=lambda way: _rank(way, choice))
    if misfit is not None:
        column, reason = misfit
        misfit = (row.names.get(column or "", column), reason)
    if row.warning is not None:  # whoever makes it; none is better for that
        ways = [replace(way, warning=_joined(row.warning, way.warning)) for way in ways]
    return ways, misfit or problem


def _joined(*warnings: str | None) -> str:
    return "; ".join(filter(None, warnings))


def _verdict(row: Row, request: ImageRequest, choice: Choice) -> Verdict:
    if request.references:
        return _judge(row, request, choice)
    shape = (
        *(row.provider, request.model, request.aspect_ratio, request.resolution),
        *(request.n, *sorted(request.options.items())),
    )
    verdict = choice.alike.get(shape)
    if verdict is None:
        if len(choice.alike) >= ALIKE:
            choice.alike.clear()
        verdict = choice.alike[shape] = _judge(row, request, choice)
    return verdict


def _judge(row: Row, request: ImageRequest, choice: Choice) -> Verdict:
    names = [provider.name for provider in choice.chosen]
    if row.provider is not None and row.provider not in names:
        return [], ("provider", _not_chosen(row.provider, names, choice))
    try:
        for reference in request.references:
            choice.inspector.facts_of(reference)
    except Unusable as error:
        return [], ("references", str(error))
    ways, misfits = [], []
    for provider in choice.chosen:
        if row.provider in (None, provider.name):
            misfit = _misfit(provider.name, request, choice)
            if misfit is None:
                ways.append(_way(provider, request, choice))
            else:
                misfits.append((misfit[0], f"{provider.name} {misfit[1]}"))
    if ways:
        return ways, None
    # Without leaving anything out, which is the job's way out and no better one.
    fitting = [
        name
        for name in choice.others
        if not _lacking(name, request, choice) and not _misfit(name, request, choice)
    ]
    # A model's name is one provider's own: what others would make is something else.
    is_named = any(column == "model" for column, _ in misfits)
    hint = [f"{_listed(fitting)} can do it"] if fitting and not is_named else []
    return [], (misfits[0][0], "; ".join([*(it[1] for it in misfits), *hint]))


def _not_chosen(name: str, chosen: Sequence[str], choice: Choice) -> str:
    """Say how a row gets to the provider that it names."""
    if name in choice.others:
        every = ",".join([*chosen, name])
        return (
            f"{name!r} is not among the chosen providers: choose it, too, with "
            f"--provider {every}, or in the job file under `provider`"
        )
    return unknown_name(name, choice.others, "provider")


def _way(provider: Provider, request: ImageRequest, choice: Choice) -> Way:
    model, resolution = sale_of(provider, request, choice)
    sale = Sale.of(provider.name, request, model, resolution)
    price = find_price(choice.prices.get(provider.name, ()), sale)
    return Way(
        provider=provider.name,
        model=model,
        resolution=resolution,
        estimate=None if price is None else to_nano(price.expected) * request.n,
        warning=_dropped(provider.name, request, choice),
    )


def _rank(way: Way, choice: Choice) -> tuple[bool, bool, float]:
    """Return what orders ways: all of the row, a price that is known, then the aim.

    Among equals the job's own order stands.
    """
    if choice.spread is not None:
        aim = choice.spread.rank(way.provider)
    else:
        aim = way.estimate or 0
    return way.warning is not None, way.estimate is None, aim


def _misfit(name: str, request: ImageRequest, choice: Choice) -> tuple[str, str] | None:
    """Return the column and the reason why a provider cannot do a request."""
    able, job = choice.able[name], choice.job
    model, _ = sale_of(choice.others[name], request, choice)
    if (misfit := next(able.misfits(request, model), None)) is not None:
        return misfit
    lacking = able.for_model(model).lacking(request)
    if lacking and job.unsupported == "refuse":
        return lacking[0], f'has no {lacking[0]} (`unsupported = "drop"` leaves it out)'
    shrink = job.references.shrink
    reason = why_unsupported(
        request.references, able.references, choice.inspector, shrink=shrink
    )
    return None if reason is None else ("references", f"cannot take {reason}")


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def unpriced_words(
    sale: Sale, *, at_any_size: bool = False, elsewhere: str | None = None
) -> str:
    """Say that a sale has no price, and how to give one.

    Args:
        sale: What is to be bought.
        at_any_size: Whether no size has a price.
        elsewhere: The base URL, where it is not the provider's own.
    """
    size = "" if at_any_size else f" at {sale.resolution}"
    tier = f", tier {sale.tier}" if sale.tier else ""
    quality = f", quality {sale.quality}" if sale.quality else ""
    model = f" ({sale.model}{tier}{quality})" if sale.model else ""
    place = ""
    if elsewhere is not None:
        place = f" at {elsewhere}, which has prices of its own"
    return (
        f"no price is known for {sale.provider}{size}{model}{place}, so no "
        f"budget can hold; give one with --price, or in the job under "
        f"[prices.{sale.provider}]"
    )
