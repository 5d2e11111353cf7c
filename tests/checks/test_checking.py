"""Time, disk and cost as `check` reckons them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from batchgen.checks.findings import Cost, Forecast, Group, Pace
from batchgen.checks.forecast import disk_of
from batchgen.cli.check_enough import disk_line
from batchgen.ledger import Ledger
from batchgen.model import Price


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "run.db")) as ledger:
        yield ledger


def group(images: int, resolution: str, price: Price | None = None) -> Group:
    return Group(
        provider="gemini",
        model="banana",
        resolution=resolution,
        price=price,
        rows=1,
        images=images,
        cost=None if price is None else Cost.of(images, price),
    )


@pytest.mark.parametrize(
    ("images", "needed", "is_enough"),
    [
        pytest.param(2, 40_000_000, True, id="two"),
        pytest.param(10**12, 20 * 10**18, False, id="more-than-any-disk-holds"),
    ],
)
def test_images_are_held_against_the_disk_of_the_run_folder(
    ledger: Ledger, tmp_path: Path, *, images: int, needed: int, is_enough: bool
) -> None:
    forecast = Forecast(rows=1, groups=[group(images, "4K")])

    disk = disk_of(ledger, tmp_path / "not" / "there" / "yet", forecast)

    assert disk.needed_bytes == needed
    assert disk.assumed
    assert disk.is_enough is is_enough
    assert ("THIS IS NOT ENOUGH" in disk_line(disk)) is not is_enough


@pytest.mark.parametrize(
    ("requests", "rpm", "concurrency", "least_s", "likely_s"),
    [
        pytest.param(1, None, 16, 0, 20, id="one"),
        pytest.param(100, None, 10, 0, 200, id="by-concurrency"),
        pytest.param(101, None, 10, 0, 220, id="a-round-more"),
        pytest.param(121, 60, 100, 120, 140, id="by-rate"),
        pytest.param(121, 60, 2, 120, 1220, id="both-and-concurrency-is-slower"),
    ],
)
def test_time_is_what_the_slower_limit_makes_it(
    requests: int, rpm: float | None, concurrency: int, least_s: float, likely_s: float
) -> None:
    pace = Pace(
        provider="gemini",
        requests=requests,
        rpm=rpm,
        concurrency=concurrency,
        latency_s=20.0,
        measured=0,
    )

    assert pace.min_s == least_s
    assert pace.likely_s == likely_s


def test_costs_add_up_bound_by_bound_and_leave_out_what_has_no_price() -> None:
    price = Price(
        expected=Decimal("0.10"),
        ceiling=Decimal("0.15"),
        lowest=Decimal("0.02"),
        page="a page",
    )
    agreed_price = Price.agreed(Decimal(1), "a letter")
    forecast = Forecast(
        rows=3,
        groups=[group(10, "1K", price), group(2, "2K", agreed_price), group(5, "4K")],
    )

    assert forecast.cost() == Cost(2_200_000_000, 3_000_000_000, 3_500_000_000)
    assert forecast.cost("openai") == Cost()
    assert forecast.images == 17
    assert forecast.unpriced == 5
