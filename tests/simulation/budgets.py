"""Random budgets against providers that do their worst, 64 purchases in flight.

`python -m tests.simulation.budgets [--runs 1000 --seed 0]`: each run is drawn from its
own seed, and one that breaks a law is printed with the command that replays it. The
provider's own bill is what counts, in all, for each UTC day and for each value.
"""

from __future__ import annotations

import argparse
import csv
import logging
import os
import random
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import anyio

from batchgen.admission import row_scan as scan
from batchgen.budget import ColumnValue, Limits, column_values_of, day_of, limits_of
from batchgen.errors import BudgetReached, DayFull, GroupsFull
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.model import Job, Price, PriceList, Status, Terms, by_resolution
from batchgen.providers.aimlapi import AimlApi
from batchgen.providers.base import Provider
from batchgen.providers.gccai import Gccai
from batchgen.runner.config import RunResult
from batchgen.runner.folder import read_ledger
from tests.drive import run_job
from tests.law import money_problems
from tests.simulation.power import Power, PowerCut
from tests.simulation.till import HOST, KEY, UNIT, Goods, Habits, Prices, Till
from tests.virtual import live_through

MIDNIGHT = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp())
PROVIDERS: Mapping[str, Callable[[], Provider]] = {
    "aimlapi": AimlApi,
    "gccai": Gccai,
}
RESOLUTIONS = ("1K", "2K", "4K")
BRANDS = ("Acme", "Ümlaut & Söhne", "", 'no "name"', "E")
KINDS = ("shoe", "hat")
IN_FLIGHT = 64
MAX_ROWS = 90
SLICE = 8
LIVES = 40
PATIENCE = 2
"""How often the user says the same command again while rows are left."""

ON_THE_WAY_S = 1.0
"""From the ledger's word to the wire, at most: that much later a day may end."""

ORDERS = (
    "dearest last",
    "cheapest charge last",
    "latest first",
    "all at once",
    "random",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One random run, as its seed draws it.

    Attributes:
        ceilings: Most that an image costs, in units.
        began: Seconds since 1970 at which it begins.
        kills: Seconds after that at which the process dies.
        by: Dollars by column, then by value.
    """

    seed: int
    goods: Sequence[Goods]
    ceilings: Prices
    habits: Habits
    began: int
    kills: Sequence[float]
    rpm: float | None
    run: Decimal | None
    day: Decimal | None
    waits: bool
    by: Mapping[str, Mapping[str, Decimal]]


def draw(seed: int, max_rows: int = MAX_ROWS) -> Case:
    """Draw a run: rows, prices, budgets and the providers' habits."""
    rng = random.Random(f"budgets {seed}")
    names = rng.choice([["aimlapi"], ["gccai"], ["aimlapi", "gccai"]])
    goods = [_goods(rng, names, number) for number in range(rng.randint(20, max_rows))]
    ceilings = {
        (name, resolution): rng.randint(10_000, 400_000)
        for name in PROVIDERS
        for resolution in RESOLUTIONS
    }
    whole = sum(good.n * ceilings[good.provider, good.resolution] for good in goods)
    kinds = rng.sample(["run", "day", "by"], k=rng.choice([1, 1, 2, 3]))
    near = rng.random() < 0.6
    return Case(
        seed=seed,
        goods=goods,
        ceilings=ceilings,
        habits=Habits(
            order=rng.choice(ORDERS),
            charges=rng.choice(["ceiling", "low", "random"]),
            lost=rng.choice([0.0, 0.0, 0.1, 0.3]),
            empty=rng.choice([0.0, 0.0, 0.1]),
            refused=rng.choice([0.0, 0.0, 0.2]),
        ),
        began=MIDNIGHT + (-rng.randint(1, 300) if near else rng.randint(0, 86_399)),
        kills=sorted(rng.uniform(0, 600) for _ in range(rng.choice([0, 0, 0, 1, 2]))),
        rpm=rng.choice([None, None, 600.0, 12.0]),
        run=_share(rng, whole, 0.1, 1.0) if "run" in kinds else None,
        day=_share(rng, whole, 0.1, 0.5) if "day" in kinds else None,
        waits=rng.random() < 0.5,
        by=_by(rng, whole) if "by" in kinds else {},
    )


def _goods(rng: random.Random, names: Sequence[str], number: int) -> Goods:
    provider = rng.choice(names)
    return Goods(
        prompt=f"a cup {number}",
        provider=provider,
        resolution=rng.choice(RESOLUTIONS),
        n=rng.choice([1, 1, 1, 2, 5]),
        labels={"brand": rng.choice(BRANDS), "kind": rng.choice(KINDS)},
    )


def _share(
    rng: random.Random, whole: int, min_share: float, max_share: float
) -> Decimal:
    return Decimal(int(whole * rng.uniform(min_share, max_share)) * UNIT).scaleb(-9)


def _by(rng: random.Random, whole: int) -> dict[str, dict[str, Decimal]]:
    by = {"brand": {"*": _share(rng, whole // len(BRANDS), 0.2, 1.0)}}
    if rng.random() < 0.3:
        by["brand"]["Acme"] = _share(rng, whole // len(BRANDS), 0.0, 2.0)
    if rng.random() < 0.2:
        del by["brand"]["*"]
        by["brand"]["E"] = _share(rng, whole // len(BRANDS), 0.1, 0.8)
    if rng.random() < 0.4:
        by["kind"] = {"*": _share(rng, whole // len(KINDS), 0.2, 1.0)}
    return by


@dataclass(kw_only=True)
class RunReport:
    """What came of a run; sums in nano-dollars."""

    seed: int
    broken: list[str]
    ends: Counter[str]
    in_flight: int
    used: dict[str, float] = field(default_factory=dict)


class Spree:
    """One case, one folder, as many processes as it takes."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.job = _job(case, folder)
        self.limits: Limits = limits_of(self.job)
        self.power = Power(
            self.job.out / "images.zip", random.Random(f"disk {case.seed}")
        )
        self.till = Till(
            {good.prompt: good for good in case.goods},
            case.ceilings,
            case.habits,
            self.power,
            random.Random(f"till {case.seed}"),
        )
        self.ends: Counter[str] = Counter()
        self.last: RunResult | None = None
        self._kills = list(case.kills)

    async def live(self) -> None:
        """Say the same command until nothing more may be bought."""
        patience = PATIENCE
        for _ in range(LIVES):
            self.last = await self._live_once()
            if self.last is None:
                self.ends["killed"] += 1
                continue
            error = self.last.error
            self.ends[type(error).__name__ if error else "ended"] += 1
            if error is None and self._is_left() and patience:
                patience -= 1
            elif not isinstance(error, DayFull):
                assert error is None or isinstance(error, BudgetReached), error
                return
            else:
                assert not self.case.waits, "it was to wait"
                now_s = self.now() / 1e6
                await anyio.sleep(86_400 - now_s % 86_400 + 0.5)
        raise AssertionError(f"not at its end after {LIVES} runs")

    def now(self) -> int:
        """Return microseconds since 1970."""
        return self.case.began * 1_000_000 + int(anyio.current_time() * 1e6)

    def _is_left(self) -> bool:
        totals = self.last.totals if self.last else None
        return totals is not None and Status.PENDING in totals.rows

    async def _live_once(self) -> RunResult | None:
        outcome = None
        try:
            async with anyio.create_task_group() as tasks:
                if self._kills:
                    tasks.start_soon(self._kill, self._kills.pop(0))
                outcome = await self._run()
                tasks.cancel_scope.cancel()
        except* PowerCut:
            outcome = None
        self.power.restore()
        return outcome

    async def _kill(self, after_s: float) -> None:
        await anyio.sleep(after_s)
        self.power.arm("any")

    async def _run(self) -> RunResult:
        # So few rows are read ahead that full groups are passed over, as in a long job.
        with patch.object(scan, "SLICE", SLICE):
            return await run_job(
                self.job,
                providers={name: make() for name, make in PROVIDERS.items()},
                keys=dict.fromkeys(PROVIDERS, KEY),
                prices=_prices(self.case.ceilings),
                seed=self.case.seed,
                offload=self.power.offload,
                transport=self.till,
                now=self.now,
            )


def _job(case: Case, folder: Path) -> Job:
    source = folder / "rows.csv"
    with source.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["prompt", "resolution", "n", "provider", "brand", "kind"])
        for good in case.goods:
            labels = good.labels["brand"], good.labels["kind"]
            rows.writerow(
                [good.prompt, good.resolution, good.n, good.provider, *labels]
            )
    names = tuple(sorted({good.provider for good in case.goods}))
    places = IN_FLIGHT // len(names)
    terms = {
        name: Terms(
            base_url=f"{HOST}/{name}",
            rpm=case.rpm,
            concurrency=places,
            rates={"credit": Decimal("0.000001")} if name == "gccai" else {},
        )
        for name in names
    }
    return Job(
        source=source,
        manifest=source,
        out=folder / "out",
        providers=names,
        terms=terms,
        max_cost=case.run,
        max_cost_per_day=case.day,
        on_day_full="wait" if case.waits else "stop",
        max_cost_by=case.by,
        max_attempts=3,
        max_failures=None,
    )


def _prices(ceilings: Prices) -> dict[str, PriceList]:
    prices: dict[str, dict[str, Price]] = {name: {} for name in PROVIDERS}
    for (name, resolution), units in ceilings.items():
        ceiling = Decimal(units * UNIT).scaleb(-9)
        prices[name][resolution] = Price(
            expected=ceiling / 2, ceiling=ceiling, page="drawn"
        )
    return {name: by_resolution(listed) for name, listed in prices.items()}


# -- the laws


def judge(spree: Spree) -> Iterator[str]:
    """Yield what broke."""
    limits, till = spree.limits, spree.till
    if limits.run is not None and till.billed > limits.run:
        yield f"billed {till.billed} of {limits.run}"
    for share, nano in _billed_by_share(spree).items():
        if nano > _of(limits, share):
            yield f"{share} billed {nano} of {limits.of(share)}"
    if limits.day is not None:
        for day, nano in _billed_by_day(spree).items():
            if nano > limits.day:
                yield f"day {day} billed {nano} of {limits.day}"
    yield from _judge_ledger(spree)


def _of(limits: Limits, share: ColumnValue) -> float:
    limit = limits.of(share)
    return float("inf") if limit is None else limit


def _billed_by_share(spree: Spree) -> Counter[ColumnValue]:
    sums: Counter[ColumnValue] = Counter()
    for sale in spree.till.sales:
        for column, value in sale.goods.labels.items():
            sums[ColumnValue(column, value)] += sale.nano
    return sums


def _billed_by_day(spree: Spree) -> Counter[int]:
    """Add up by day of departure what cannot have been written down the day before."""
    sums: Counter[int] = Counter()
    for sale in spree.till.sales:
        at_s = spree.case.began + sale.at
        if at_s % 86_400 > ON_THE_WAY_S:
            sums[day_of(int(at_s * 1e6))] += sale.nano
    return sums


def _judge_ledger(spree: Spree) -> Iterator[str]:
    limits = spree.limits
    ledger = read_ledger(spree.job.out)
    try:
        totals = ledger.totals(EVERY_ROW)
        by_day = dict(ledger.money_by_day(0))
        by_group = ledger.money_by_group()
        rows = [
            ledger.waiting(name, -1, EVERY_ROW, EVERY_ROW)
            for name in spree.job.providers
        ]
    finally:
        ledger.close()
    spent = totals.spent + totals.superseded
    yield from money_problems(spent, spree.till.billed, totals.at_risk)
    if limits.day is not None:
        for day, nano in by_day.items():
            if nano > limits.day:
                yield f"day {day} has {nano} of {limits.day} in the ledger"
    error = spree.last.error if spree.last else None
    prompts = [planned.row.request.prompt for queue in rows for planned in queue]
    if error is None and prompts:
        yield f"{len(prompts)} rows are pending, and nothing says why"
    if isinstance(error, GroupsFull):
        used: Counter[ColumnValue] = Counter()
        for group, nano in by_group:
            used.update(dict.fromkeys(column_values_of(group), nano))
        yield from _judge_left(spree, prompts, used)
    elif limits.run is not None and type(error) is BudgetReached:
        dearest = 5 * UNIT * max(spree.case.ceilings.values())
        if limits.run - spent - totals.at_risk >= dearest:
            yield f"ended with {limits.run - spent - totals.at_risk} to spend"


def _judge_left(
    spree: Spree, prompts: Sequence[str], used: Counter[ColumnValue]
) -> Iterator[str]:
    """Judge that in each group with rows left one of them does not fit."""
    room: dict[tuple[str, ...], float] = {}
    dearest: Counter[tuple[str, ...]] = Counter()
    for goods in (good for good in spree.case.goods if good.prompt in prompts):
        column_values = [
            ColumnValue(column, goods.labels[column]) for column in spree.case.by
        ]
        group = (
            goods.provider,
            *(column_value.value for column_value in column_values),
        )
        price = goods.n * UNIT * spree.case.ceilings[goods.provider, goods.resolution]
        dearest[group] = max(dearest[group], price)
        room[group] = min(
            _of(spree.limits, column_value) - used[column_value]
            for column_value in column_values
        )
    for group, price in dearest.items():
        if price <= room[group]:
            yield f"rows of {group} were left, and {room[group]} as well"


def spend(seed: int, max_rows: int = MAX_ROWS) -> RunReport:
    """Live through the run of a seed, in memory where there is any, and judge it."""
    memory = Path("/dev/shm")
    where = memory if memory.is_dir() else None
    with tempfile.TemporaryDirectory(dir=where, prefix="budget-") as folder:
        spree = Spree(draw(seed, max_rows), Path(folder))
        live_through(spree.live, seed=seed)
        broken = list(judge(spree))
    limits, shares = spree.limits, {}
    if limits.run:
        shares["run"] = spree.till.billed / limits.run
    if limits.day:
        shares["day"] = max(_billed_by_day(spree).values(), default=0) / limits.day
    if limits.by:
        column_values = _billed_by_share(spree).items()
        shares["by"] = max(
            (nano / limit for key, nano in column_values if (limit := limits.of(key))),
            default=0,
        )
    return RunReport(
        seed=seed,
        broken=broken,
        ends=spree.ends,
        in_flight=spree.till.max_underway,
        used=shares,
    )


def spend_one(seed: int) -> RunReport | str:
    """Do it in a process of its own; the error's words if it did not end."""
    os.environ["BATCHGEN_LOOPBACK_ONLY"] = "1"
    logging.disable()
    try:
        return spend(seed)
    except Exception:  # noqa: BLE001 - told with its seed
        return traceback.format_exc()


def main(arguments: Sequence[str]) -> int:
    """Live through the runs that are asked for; 1 if a law was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.budgets")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="of the first run")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args(arguments)
    seeds = range(options.seed, options.seed + options.runs)
    runs: list[RunReport] = []
    bad = 0
    with ProcessPoolExecutor(options.processes) as pool:
        for seed, report in zip(seeds, pool.map(spend_one, seeds), strict=True):
            if isinstance(report, RunReport):
                runs.append(report)
            problem = report if isinstance(report, str) else "\n".join(report.broken)
            if problem:
                bad += 1
                replay = f"python -m tests.simulation.budgets --runs 1 --seed {seed}"
                sys.stdout.write(f"{seed}: {problem}\n  {replay}\n")
    sys.stdout.write("\n".join(summary(runs, bad)) + "\n")
    return int(bad > 0)


def summary(runs: Sequence[RunReport], bad: int) -> Iterator[str]:
    """Yield a table in Markdown."""
    ends: Counter[str] = sum((run.ends for run in runs), Counter())
    yield "| what | figure |"
    yield "| --- | ---: |"
    yield f"| runs | {len(runs)} |"
    yield f"| runs that broke a law | {bad} |"
    in_flight = max((run.in_flight for run in runs), default=0)
    yield f"| most purchases in flight | {in_flight} |"
    ends_text = ", ".join(f"{name} {count}" for name, count in ends.most_common())
    yield f"| how they ended | {ends_text} |"
    for kind in ("run", "day", "by"):
        shares = [run.used[kind] for run in runs if kind in run.used]
        max_used = f"{max(shares, default=0):.4f}"
        yield f"| limits of kind `{kind}` | {len(shares)}, used to {max_used} at most |"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
