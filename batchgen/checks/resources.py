"""Say how long a job takes, and whether budgets and disk are enough."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
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
from batchgen.checks.findings import Cost, Disk, Forecast, Limit, Pace
from batchgen.ledger import Reader, Totals
from batchgen.ledger.outstanding import last_latencies, mean_image_bytes
from batchgen.model import Job
from batchgen.providers.base import Provider

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
