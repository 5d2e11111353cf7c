"""Live through one night: run, die, carry on, and let the books be judged."""

from __future__ import annotations

import csv
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import anyio

from batchgen.model import Job, Price, PriceList, Status, Terms
from batchgen.providers.aimlapi import AimlApi
from batchgen.providers.base import Provider
from batchgen.providers.foxapi import FoxApi
from batchgen.runner.config import RunResult
from batchgen.runner.handle import RunHandle
from tests.drive import run_job
from tests.prices import at
from tests.simulation.audit import broken_laws, max_in_a_minute
from tests.simulation.case import Seen, open_case
from tests.simulation.power import Power, PowerCut
from tests.simulation.schedule import BEGAN, Interruption, Schedule
from tests.simulation.service import FORBIDDEN, HOST, Service
from tests.simulation.transport import KEY, SimulatedTransport
from tests.virtual import live_through

AGREED = Decimal("0.05")
LIVES = 60
PATIENCE = 4
"""How often the user says the same command again while rows are left."""

AGAIN_S = 1800.0

PROVIDERS: dict[str, Callable[[], Provider]] = {"aimlapi": AimlApi, "foxapi": FoxApi}


@dataclass(kw_only=True)
class Report:
    """What came of a night.

    Attributes:
        broken: What broke each law that was broken.
        digest: Of every request and reply.
        hours: To the end of the last run, in the night's own time.
        billed: Nano-dollars, as are `at_risk` and `budget`; 0 for no budget.
    """

    schedule: Schedule
    broken: dict[str, list[str]]
    digest: str
    took_s: float
    hours: float
    requests: int
    purchases: int
    throttled: int
    max_in_a_minute: int
    billed: int
    budget: int
    at_risk: int
    statuses: Counter[str]
    lives: Counter[str]


@dataclass
class Night:
    """One schedule, one folder, as many processes as it takes."""

    schedule: Schedule
    folder: Path
    lives: Counter[str] = field(default_factory=Counter)
    begun_s: list[float] = field(default_factory=list)
    ended_s: float = 0.0
    handle: RunHandle = field(default_factory=RunHandle)

    def __post_init__(self) -> None:
        schedule = self.schedule
        rng = random.Random(f"rows {schedule.seed}")
        self.asked = [_row(rng, schedule, number) for number in range(schedule.rows)]
        self.job = self._job()
        self.service = Service(schedule, anyio.current_time)
        disk = random.Random(f"disk {schedule.seed}")
        self.power = Power(self.job.out / "images.zip", disk, schedule.stalls)
        self.transport = SimulatedTransport(schedule, self.service, self.power)
        self._due = sorted(
            schedule.interruptions, key=lambda interruption: interruption.at_s
        )
        self._prices: dict[str, PriceList] = {
            "aimlapi": AimlApi.prices,
            "foxapi": (Price.agreed(AGREED, "agreed"),),
        }

    def _job(self) -> Job:
        schedule = self.schedule
        source = self.folder / "rows.csv"
        with source.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["id", "prompt", "n"])
            rows.writerows(self.asked)
        dearest = (
            at(AimlApi.prices, "1K").ceiling
            if schedule.provider == "aimlapi"
            else AGREED
        )
        whole = dearest * sum(n for _, _, n in self.asked)
        terms = Terms(
            base_url=f"{HOST}/{schedule.provider}",
            rpm=schedule.rpm,
            concurrency=schedule.concurrency,
        )
        return Job(
            source=source,
            manifest=source,
            out=self.folder / "out",
            providers=(schedule.provider,),
            terms={schedule.provider: terms},
            max_cost=None
            if schedule.budget is None
            else (whole * schedule.budget).quantize(AGREED),
            max_attempts=schedule.max_attempts,
            on_unknown=schedule.on_unknown,
            max_unknown=schedule.max_unknown,
        )

    async def live(self) -> None:
        """Say the same command until all is done, or nothing more will come of it."""
        patience = PATIENCE
        for _ in range(LIVES):
            interruption = self._due.pop(0) if self._due else None
            outcome = await self._live_once(interruption)
            self.ended_s = anyio.current_time()
            if outcome is None or outcome.stop_reason is not None:
                assert interruption is not None
                self.lives["killed" if outcome is None else "stopped"] += 1
                await anyio.sleep(interruption.pause_s)
                continue
            self.lives["ended"] += 1
            if outcome.stopped:
                await anyio.sleep(self._until_tomorrow_s())
            elif outcome.error is not None or not _is_left(outcome) or not patience:
                return
            else:
                patience -= 1
                await anyio.sleep(AGAIN_S)
        raise AssertionError(f"not at its end after {LIVES} runs")

    def _until_tomorrow_s(self) -> float:
        day_s = self.schedule.day_s
        return day_s - anyio.current_time() % day_s + 1.0

    async def _live_once(self, interruption: Interruption | None) -> RunResult | None:
        """Run the command once; None if it was killed."""
        outcome = None
        self.begun_s.append(anyio.current_time())
        try:
            async with anyio.create_task_group() as tasks:
                if interruption is not None:
                    tasks.start_soon(self._interrupt, interruption)
                outcome = await self._run()
                tasks.cancel_scope.cancel()
        except* PowerCut:
            outcome = None
        self.power.restore()
        return outcome

    async def _interrupt(self, interruption: Interruption) -> None:
        await anyio.sleep_until(interruption.at_s)
        if interruption.kind == "kill":
            self.power.arm(interruption.where)
        else:
            self.handle.stop()

    async def _run(self) -> RunResult:
        job, self.handle = self.job, RunHandle()
        return await run_job(
            job,
            providers={name: make() for name, make in PROVIDERS.items()},
            keys={job.providers[0]: KEY},
            prices=self._prices,
            handle=self.handle,
            seed=self.schedule.seed,
            offload=self.power.offload,
            transport=self.transport,
            now=lambda: BEGAN + int(anyio.current_time() * 1e6),
        )

    def report(self, took_s: float) -> Report:
        """Judge the night, and sum it up."""
        books, service = self.service.books, self.service
        seen = Seen(self.transport.max_underway, self.begun_s)
        case = open_case(self.schedule, self.job, books, self.asked, seen)
        at_risk = sum(
            int(row["at_risk_usd"].scaleb(9))
            for row in case.table
            if row["at_risk_usd"]
        )
        return Report(
            schedule=self.schedule,
            broken=broken_laws(case),
            digest=service.digest,
            took_s=took_s,
            hours=self.ended_s / 3600,
            requests=books.requests,
            purchases=len(books.purchases),
            throttled=books.throttled,
            max_in_a_minute=max_in_a_minute(books.arrivals),
            billed=books.billed,
            budget=int((self.job.max_cost or Decimal(0)).scaleb(9)),
            at_risk=at_risk,
            statuses=Counter(row["status"] for row in case.table),
            lives=self.lives,
        )


def live_through_night(schedule: Schedule, within: Path | None = None) -> Report:
    """Live through one night in a folder of its own.

    Args:
        schedule: The night.
        within: Where the folder is made; None for memory, where there is any.
    """
    memory = Path("/dev/shm")
    where = within or (memory if memory.is_dir() else None)
    with tempfile.TemporaryDirectory(dir=where, prefix="night-") as folder:
        began = time.perf_counter()
        night = Night(schedule, Path(folder))
        live_through(night.live, seed=schedule.seed)
        return night.report(time.perf_counter() - began)


def _row(rng: random.Random, schedule: Schedule, number: int) -> tuple[str, str, int]:
    """Return id, prompt and number of images; now and then a prompt comes twice."""
    if rng.random() < schedule.refused:
        return f"item-{number}", f"{FORBIDDEN} fruit {number}", 1
    prompt = f"a cup {number - number % 2 if rng.random() < 0.02 else number}"
    return f"item-{number}", prompt, 2 if rng.random() < schedule.twins else 1


def _is_left(outcome: RunResult) -> bool:
    """Say whether running it again may bring more."""
    rows = outcome.totals.rows if outcome.totals else {}
    return bool(rows.get(Status.PENDING) or rows.get(Status.HELD))
