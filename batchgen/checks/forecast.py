"""Sum up what is still to be bought, and what that needs: money, time, disk."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from statistics import median
from types import MappingProxyType

from batchgen.budget import (
    DAY_MICROS,
    ColumnValue,
    Limits,
    Scope,
    column_values_of,
    day_of,
)
from batchgen.checks.findings import (
    Cost,
    Disk,
    Forecast,
    Group,
    Limit,
    Pace,
    SingleProvider,
)
from batchgen.ledger import Reader, Totals, load_route
from batchgen.ledger.outstanding import last_latencies, mean_image_bytes, rows_to_buy
from batchgen.model import Job, Price, PriceKey, find_price
from batchgen.planning.routing import Router
from batchgen.providers.base import Provider

_NO_COST = Cost()


def forecast_of(ledger: Reader, end: int, router: Router) -> Forecast:
    """Return what the plan still has to buy, rows before a position."""

    @cache
    def price_of(price_key: PriceKey) -> Price | None:
        return find_price(router.prices.get(price_key.provider, ()), price_key)

    images: Counter[PriceKey] = Counter()
    rows: Counter[PriceKey] = Counter()
    requests: Counter[str] = Counter()
    cost_by: dict[str, Cost] = {}
    alone = {name: SingleProvider(provider=name) for name in router.job.providers}
    for row in rows_to_buy(ledger, end):
        if (missing := row.missing) < 1:
            continue  # all images exist: the next run only settles the row
        price_key = row.price_key
        images[price_key] += missing
        rows[price_key] += 1
        max_images = router.capabilities[price_key.provider].images_per_request
        requests[price_key.provider] += -(-missing // max_images)
        price = price_of(price_key)
        cost = None if price is None else Cost.of(missing, price)
        if (group := row.budget_group) is not None and cost is not None:
            cost_by[group] = cost_by.get(group, _NO_COST) + cost
        routed = None if cost is None else cost.expected
        candidates = [
            (candidate.provider, candidate.estimate)
            for candidate in load_route(row.route)
        ]
        for provider, estimate in candidates or [(price_key.provider, row.estimate)]:
            single = None if estimate is None else estimate * missing // row.images
            alone[provider].add(single, routed)
    return Forecast(
        rows=rows.total(),
        groups=_groups({key: price_of(key) for key in rows}, rows, images),
        requests=requests,
        cost_by=cost_by,
        alone=list(alone.values()) if len(alone) > 1 else (),
    )


def _groups(
    prices: Mapping[PriceKey, Price | None],
    rows: Mapping[PriceKey, int],
    images: Mapping[PriceKey, int],
) -> list[Group]:
    """Return one group for all price keys that look the same to the user."""
    groups: dict[tuple[object, ...], Group] = {}
    for price_key, price in prices.items():
        group = Group(
            provider=price_key.provider,
            model=price_key.model or "",
            resolution=price_key.resolution or "",
            price=price,
            rows=rows[price_key],
            images=images[price_key],
            cost=None if price is None else Cost.of(images[price_key], price),
        )
        price_terms = price and (price.expected, price.page, price.read_on)
        key = (group.provider, group.model, group.resolution, price_terms)
        former = groups.get(key)
        groups[key] = group if former is None else _merged(former, group)
    return sorted(groups.values(), key=_order)


def _merged(one: Group, other: Group) -> Group:
    return replace(
        one,
        rows=one.rows + other.rows,
        images=one.images + other.images,
        cost=one.cost + other.cost if one.cost and other.cost else None,
    )


def _order(group: Group) -> tuple[str, str, Decimal, str]:
    price = group.price.expected if group.price else Decimal("Infinity")
    return group.provider, group.model, price, group.resolution


# -- how long a job takes, and whether disk and budgets are enough


# [assumed] if the folder has no purchases or images to measure; the largest 4K image so
# far had 20 MB.
LATENCY_S = 30.0
IMAGE_BYTES: Mapping[str, int] = MappingProxyType(
    {"512": 500_000, "1K": 1_500_000, "2K": 5_000_000, "4K": 20_000_000}
)


def paces_of(
    ledger: Reader, job: Job, providers: Mapping[str, Provider], forecast: Forecast
) -> Iterator[Pace]:
    """Yield how long the purchases take, for each provider that has any."""
    for name in job.providers:
        if requests := forecast.requests.get(name, 0):
            rpm, concurrency = providers[name].defaults.limits(job.terms_of(name))
            latencies_s = last_latencies(ledger, name)
            yield Pace(
                provider=name,
                requests=requests,
                rpm=rpm,
                concurrency=concurrency,
                latency_s=median(latencies_s) if latencies_s else LATENCY_S,
                measured=len(latencies_s),
            )


def disk_of(ledger: Reader, out: Path, forecast: Forecast) -> Disk:
    """Return the disk space that the images need in the run folder's file system."""
    measured = mean_image_bytes(ledger)
    images: Counter[str] = Counter()
    for group in forecast.groups:
        images[group.resolution] += group.images
    needed = sum(
        count * measured.get(name, IMAGE_BYTES.get(name, IMAGE_BYTES["4K"]))
        for name, count in images.items()
    )
    place = next(parent for parent in (out, *out.parents) if parent.exists())
    return Disk(
        needed_bytes=round(needed),
        free_bytes=shutil.disk_usage(place).free,
        assumed=not measured.keys() >= images.keys(),
    )


def budgets_of(
    ledger: Reader, limits: Limits, totals: Totals, forecast: Forecast
) -> Iterator[Limit]:
    """Yield the budgets of run and day, and those of column values to buy for."""
    unpriced = forecast.unpriced > 0

    def limits_of(scope: Scope, committed: int, cost: Cost) -> Iterator[Limit]:
        if (limit := limits.of(scope)) is not None:
            yield Limit(
                scope=scope,
                limit=limit,
                committed=committed,
                cost=cost,
                unpriced=unpriced,
            )

    yield from limits_of(
        "run", totals.spent + totals.superseded + totals.at_risk, forecast.cost()
    )
    today = day_of(time.time_ns() // 1000)
    sent_today = dict(ledger.money_by_day(today * DAY_MICROS)).get(today, 0)
    yield from limits_of(today, sent_today, forecast.cost())
    committed_by: Counter[ColumnValue] = Counter()
    for group, nano in ledger.money_by_group() if limits.by else ():
        for value in column_values_of(group):
            committed_by[value] += nano
    to_come: dict[ColumnValue, Cost] = {}
    for group, cost in forecast.cost_by.items():
        for value in column_values_of(group):
            to_come[value] = to_come.get(value, Cost()) + cost
    for value in sorted(to_come):
        yield from limits_of(value, committed_by[value], to_come[value])
