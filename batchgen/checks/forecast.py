"""Sum up what is still to be bought: by price, provider and budget, in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache

from batchgen.checks.findings import Cost, Forecast, Group, SingleProvider
from batchgen.ledger import Reader, load_route
from batchgen.ledger.outstanding import rows_to_buy
from batchgen.model import Price, PriceKey, find_price
from batchgen.planning.routing import Router

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
