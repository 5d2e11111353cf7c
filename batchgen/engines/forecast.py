"""What is still to be bought: by price, provider and budget, in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache

from batchgen.engines.findings import Alone, Cost, Forecast, Group
from batchgen.ledger import Reader, load_request, load_route
from batchgen.model import Price, Sale, find_price
from batchgen.runner.choice import Choice

_NO_COST = Cost()


def forecast_of(ledger: Reader, end: int, choice: Choice) -> Forecast:
    """Return what the plan still has to buy, rows before a position."""

    @cache
    def price_of(sale: Sale) -> Price | None:
        return find_price(choice.prices.get(sale.provider, ()), sale)

    images: Counter[Sale] = Counter()
    rows: Counter[Sale] = Counter()
    requests: Counter[str] = Counter()
    cost_by: dict[str, Cost] = {}
    alone = {name: _Comparison() for name in choice.job.providers}
    values = {"generation": ledger.generation, "below": end}
    for it in ledger.run("rows_to_buy", values):
        if (lacking := it["lacking"]) < 1:
            continue  # all images are there: the next run only says so
        request = load_request(it["request"])
        sale = Sale.of(it["provider"], request, it["model"], it["resolution"])
        images[sale] += lacking
        rows[sale] += 1
        max_images = choice.able[sale.provider].images_per_request
        requests[sale.provider] += -(-lacking // max_images)
        price = price_of(sale)
        cost = None if price is None else Cost.of(lacking, price)
        if it["budget_group"] is not None and cost is not None:
            group = it["budget_group"]
            cost_by[group] = cost_by.get(group, _NO_COST) + cost
        routed = None if cost is None else cost.expected
        ways = [(way.provider, way.estimate) for way in load_route(it["route"])]
        for provider, estimate in ways or [(sale.provider, it["estimate"])]:
            by_one = None if estimate is None else estimate * lacking // it["n"]
            alone[provider].add(by_one, routed)
    return Forecast(
        rows=rows.total(),
        groups=_groups({it: price_of(it) for it in rows}, rows, images),
        requests=requests,
        cost_by=cost_by,
        alone=[it.summary(name) for name, it in alone.items()]
        if len(alone) > 1
        else (),
    )


def _groups(
    prices: Mapping[Sale, Price | None],
    rows: Mapping[Sale, int],
    images: Mapping[Sale, int],
) -> list[Group]:
    """Return sales as groups: those that differ in nothing that is shown, as one."""
    groups: dict[tuple[object, ...], Group] = {}
    for sale, price in prices.items():
        group = Group(
            provider=sale.provider,
            model=sale.model or "",
            resolution=sale.resolution or "",
            price=price,
            rows=rows[sale],
            images=images[sale],
            cost=None if price is None else Cost.of(images[sale], price),
        )
        price_key = price and (price.expected, price.page, price.read_on)
        key = (group.provider, group.model, group.resolution, price_key)
        same = groups.get(key)
        groups[key] = group if same is None else _together(same, group)
    return sorted(groups.values(), key=_order)


def _together(one: Group, other: Group) -> Group:
    return replace(
        one,
        rows=one.rows + other.rows,
        images=one.images + other.images,
        cost=one.cost + other.cost if one.cost and other.cost else None,
    )


def _order(group: Group) -> tuple[str, str, Decimal, str]:
    price = group.price.expected if group.price else Decimal("Infinity")
    return group.provider, group.model, price, group.resolution


@dataclass(slots=True)
class _Comparison:
    """One provider's price of the rows that it can do, beside what is paid now."""

    rows: int = 0
    alone: int = 0
    routed: int = 0
    unpriced: int = 0

    def add(self, alone: int | None, routed: int | None) -> None:
        self.rows += 1
        if alone is None or routed is None:
            self.unpriced += 1
        else:
            self.alone += alone
            self.routed += routed

    def summary(self, provider: str) -> Alone:
        return Alone(
            provider=provider,
            rows=self.rows,
            alone=self.alone,
            routed=self.routed,
            unpriced=self.unpriced,
        )
