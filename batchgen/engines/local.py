"""Run a job on this machine: recover, plan, buy, fetch, write the outputs."""

from __future__ import annotations

import logging
import random
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio
from anyio.abc import TaskGroup

from batchgen.budget import Budget, Group
from batchgen.engines.estimate import EVERY_ROW, Estimate, estimate_of, rebuy_of
from batchgen.engines.folder import RunFolder
from batchgen.engines.stops import watch_signals
from batchgen.errors import (
    BatchgenError,
    BudgetReached,
    DiskFull,
    ProviderStopped,
    SpecError,
    UsageError,
)
from batchgen.ledger import AttemptRecord, Ledger, Totals
from batchgen.limits import Departures
from batchgen.manifest import Manifest
from batchgen.model import Endpoint, Job, PriceList, find_price, to_nano
from batchgen.provider import Provider, key_variable
from batchgen.runner.context import Run, Time
from batchgen.runner.decide import Policy
from batchgen.runner.lane import Lane
from batchgen.runner.outputs import TABLE, write_outputs
from batchgen.runner.planner import Choice, Planner
from batchgen.runner.pool import feed
from batchgen.runner.progress import Progress
from batchgen.runner.resume import carry_on, flights_of, recover
from batchgen.runner.writer import Offload, Writer, to_thread
from batchgen.wire import Scrubber, Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a run needs beyond its job.

    Attributes:
        providers: Every provider by name.
        keys: Keys by provider; those of providers that are not chosen, too, for
            tasks that an earlier run left there.
        prices: Price lists by provider, the job's own words included.
        paid_hosts: Whether hosts other than loopback may be talked to.
        consented: Whether money may be spent without asking.
        rebuy: Whether rows may be bought again that were bought in another version.
        ask: Called with the estimate when consent is missing; raises to refuse.
        progress: Counters for whoever shows them.
        stop_at_once: Called on the second signal, just before the process ends.
    """

    providers: Mapping[str, Provider]
    keys: Mapping[str, str]
    prices: Mapping[str, PriceList]
    paid_hosts: bool
    consented: bool
    rebuy: bool
    ask: Callable[[Estimate], None]
    progress: Progress
    stop_at_once: Callable[[signal.Signals], None] = lambda _: None
    seed: int | None = None
    offload: Offload = to_thread


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How a run ended.

    Attributes:
        totals: The folder's money, and its rows in scope.
        signal: What stopped it, if a signal did.
        error: What stopped it otherwise.
        stopped: Providers that refused key, credit or model.
        chosen: How many providers the job chose.
        left: Variables whose keys would let tasks of other providers be fetched.
    """

    totals: Totals | None = None
    signal: signal.Signals | None = None
    error: BatchgenError | None = None
    stopped: list[ProviderStopped] = field(default_factory=list)
    chosen: int = 0
    left: list[str] = field(default_factory=list)


class LocalEngine:
    """Runs one job in one folder."""

    def __init__(self, job: Job, folder: RunFolder, setting: Setting) -> None:
        self._job = job
        self._folder = folder
        self._setting = setting
        self._outcome = Outcome(chosen=len(job.providers))
        self._log = logging.getLogger("batchgen.run")
        self._time = Time(monotonic=anyio.current_time, now=_now)
        self._feeders = anyio.CancelScope()
        self._work = anyio.CancelScope()
        self._run: Run | None = None

    async def run(self) -> Outcome:
        """Run to the end, or to an orderly stop; the outputs are written either way.

        Raises:
            SpecError: nothing was begun.
            StorageError: nothing more can be written; run it again when mended.
        """
        manifest = Manifest.open(self._job)
        for notice in manifest.notices:
            self._setting.progress.notice(notice)
        ledger, archive = self._folder.ledger, self._folder.archive
        offload = self._setting.offload
        now = self._time.now()
        adopted = await offload(lambda: recover(ledger, archive, now))
        self._log.info(
            "started",
            extra={
                "manifest": str(self._job.manifest),
                "providers": ",".join(self._job.providers),
                "adopted": adopted,
            },
        )
        async with self._writing() as writer:
            async with Wire(paid_hosts=self._setting.paid_hosts) as wire:
                await self._buy(manifest, writer, wire)
            self._setting.progress.phase = "writing"
            await self._write_outputs(offload)
        self._outcome.totals = ledger.totals(self._below)
        lanes = self._run.lanes.values() if self._run else ()
        self._outcome.stopped = [it.stopped for it in lanes if it.stopped]
        self._log_end(self._outcome.totals)
        return self._outcome

    @property
    def _below(self) -> int:
        return EVERY_ROW if self._job.limit is None else self._job.limit

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Writer]:
        """Keep the writer alive; when it fails, all else is cancelled."""
        writer = Writer(
            self._folder.ledger, self._folder.archive, self._setting.offload
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run)
            try:
                yield writer
            finally:
                with anyio.CancelScope(shield=True):
                    await writer.close()

    async def _buy(self, manifest: Manifest, writer: Writer, wire: Wire) -> None:
        reader = Ledger(self._folder.ledger.path, write=False)
        try:
            async with anyio.create_task_group() as watch:
                await watch.start(watch_signals, self._stop, self._setting.stop_at_once)
                planner = Planner(reader, manifest, self._choice())
                with self._work:
                    async with anyio.create_task_group() as tasks:
                        self._run = self._assemble(writer, wire, reader, tasks)
                        await self._work_through(self._run, planner)
                if not planner.finished and self._outcome.error is None:
                    # The table has a line for each manifest row, whatever stopped us.
                    await planner.write(writer, self._setting.offload, at_once=False)
                watch.cancel_scope.cancel()
        finally:
            reader.close()

    async def _work_through(self, run: Run, planner: Planner) -> None:
        with self._feeders:
            at_once = await self._prepare(run, planner)
            if self._outcome.signal is not None:
                return
            self._resume(run)
            async with anyio.create_task_group() as feeders:
                if at_once:
                    feeders.start_soon(self._plan, run, planner)
                for lane in run.lanes.values():
                    feeders.start_soon(self._feed, run, lane)

    # -- before anything is bought

    def _assemble(
        self, writer: Writer, wire: Wire, reader: Ledger, tasks: TaskGroup
    ) -> Run:
        setting, job = self._setting, self._job
        seed = setting.seed
        prices = dict(setting.prices)

        def ceiling(group: Group) -> int | None:
            price = find_price(prices.get(group[0], {}), group[1] or "")
            return None if price is None else to_nano(price.ceiling)

        limit = None if job.max_cost is None else to_nano(job.max_cost)
        return Run(
            job=job,
            folder=self._folder.path,
            policy=Policy(
                max_attempts=job.max_attempts,
                on_unknown=job.on_unknown,
                max_unknown=job.max_unknown,
            ),
            ledger=reader,
            writer=writer,
            wire=wire,
            budget=Budget(limit, 0, ceiling),
            lanes={name: self._lane(name, reader) for name in job.providers},
            prices=prices,
            progress=setting.progress,
            scrubber=Scrubber(setting.keys.values()),
            time=self._time,
            rng=random.Random(seed),
            offload=setting.offload,
            log=self._log,
            tasks=tasks,
        )

    def _lane(self, name: str, reader: Ledger) -> Lane:
        provider, terms = self._setting.providers[name], self._job.terms_of(name)
        defaults = provider.defaults
        base_url = terms.base_url or defaults.base_url
        if base_url is None:
            raise SpecError(
                f"{name} publishes no address: give one with --base-url, or in the job"
            )
        departures = Departures(terms.rpm or defaults.rpm, self._time.monotonic)
        now = self._time.now()
        since = now - int(departures.window_s * 1e6)
        departures.seed((now - it) / 1e6 for it in reader.sent_since(name, since))
        return Lane(
            provider,
            Endpoint(base_url.rstrip("/"), self._setting.keys[name]),
            departures,
            terms.concurrency or defaults.concurrency,
            self._time.monotonic,
        )

    def _choice(self) -> Choice:
        providers = self._setting.providers
        return Choice(
            job=self._job,
            chosen=[providers[name] for name in self._job.providers],
            others=providers,
            prices=self._setting.prices,
        )

    async def _prepare(self, run: Run, planner: Planner) -> bool:
        """Make the plan as far as it must stand before money is spent.

        Returns:
            Whether the plan is still to be made while rows are bought already.

        Raises:
            UsageError: consent is missing, for spending or for buying again.
        """
        run.progress.phase = "planning"
        run.progress.in_flight = lambda: sum(it.in_flight for it in run.lanes.values())
        is_new = not run.ledger.has_attempts()
        needs_price = run.budget.limit is not None
        if needs_price:
            self._refuse_unpriced()
        if await run.offload(planner.is_current):
            planner.finished = True
            run.planning = False
        elif is_new and self._setting.consented:
            return True
        else:
            await self._plan(run, planner)
            if self._outcome.error is not None:
                raise self._outcome.error
        self._count(run)
        if not self._setting.rebuy:
            self._refuse_rebuy(run)
        estimate = estimate_of(run.ledger, self._below)
        if estimate.rows and not self._setting.consented:
            self._setting.ask(estimate)
        return False

    def _refuse_unpriced(self) -> None:
        for name in self._job.providers:
            if not self._setting.prices.get(name):
                raise UsageError(
                    f"no price is known for {name}, so a budget cannot hold: give one "
                    f"with --price, or in the job under [prices.{name}]"
                )

    def _refuse_rebuy(self, run: Run) -> None:
        found = rebuy_of(run.ledger, self._below)
        if found is not None:
            raise UsageError(
                f"bought already in another version: {found}; say --rebuy to buy them "
                "again. Nothing was sent"
            )

    async def _plan(self, run: Run, planner: Planner) -> None:
        try:
            await planner.write(
                run.writer,
                run.offload,
                at_once=not run.ledger.has_attempts(),
                told=lambda: self._planned_more(run, planner),
            )
        except SpecError as error:
            self._end(error)
        finally:
            run.planning = False
            run.wake()
        self._count(run)

    def _planned_more(self, run: Run, planner: Planner) -> None:
        run.progress.total = min(planner.rows, self._below)
        run.wake()

    def _count(self, run: Run) -> None:
        progress = run.progress
        totals = run.ledger.totals(self._below)
        progress.rows.clear()
        progress.rows.update(totals.rows)
        progress.total = sum(totals.rows.values())
        progress.planned = True

    # -- while rows are bought

    def _resume(self, run: Run) -> None:
        """Start from the money that the ledger knows, and carry on what is open."""
        open_attempts = run.ledger.open_attempts()
        lanes = {(it.name, it.endpoint.base_url): it for it in run.lanes.values()}
        self._add_lanes_of(open_attempts, lanes)
        flights = flights_of(run, lanes, open_attempts)
        totals = run.ledger.totals(self._below)
        run.progress.spent = totals.spent + totals.retired
        resumed = sum(it.attempt.ceiling or 0 for it in flights if it.attempt.at_risk)
        run.progress.at_risk = totals.at_risk - resumed
        run.budget.committed = run.progress.spent + run.progress.at_risk
        run.progress.phase = "running"
        carry_on(run, flights)

    def _add_lanes_of(
        self,
        attempts: list[AttemptRecord],
        lanes: dict[tuple[str, str], Lane],
    ) -> None:
        """Add where earlier runs left tasks: asked there, with that provider's key."""
        for attempt in attempts:
            place = (attempt.provider, attempt.base_url)
            if place in lanes:
                continue
            provider = self._setting.providers.get(attempt.provider)
            key = self._setting.keys.get(attempt.provider)
            if provider is None or key is None:
                self._outcome.left.append(key_variable(attempt.provider))
                continue
            lanes[place] = Lane(
                provider,
                Endpoint(attempt.base_url, key),
                Departures(None, self._time.monotonic),
                provider.defaults.concurrency,
                self._time.monotonic,
            )
        self._outcome.left = sorted(set(self._outcome.left))

    async def _feed(self, run: Run, lane: Lane) -> None:
        try:
            await feed(run, lane)
        except (BudgetReached, DiskFull, SpecError) as error:
            self._end(error)

    # -- how it ends

    def _end(self, error: BatchgenError) -> None:
        """Send nothing more; what is in flight comes in."""
        if self._outcome.error is None:
            self._outcome.error = error
            self._log.error("stopping", extra={"why": error.kind})
        self._feeders.cancel()

    def _stop(self, number: signal.Signals) -> None:
        """Send nothing more, leave tasks, and wait for replies as long as agreed."""
        self._outcome.signal = number
        self._log.warning("signal", extra={"number": int(number)})
        run = self._run
        self._feeders.cancel()
        self._work.deadline = anyio.current_time() + self._job.grace_s
        if run is not None:
            run.stopping = True
            run.progress.phase = "stopping"
            for scope in list(run.following):
                scope.cancel()
            run.wake()

    def _log_end(self, totals: Totals) -> None:
        rows = {status.value: count for status, count in totals.rows.items()}
        money = {
            "spent": totals.spent,
            "retired": totals.retired,
            "at_risk": totals.at_risk,
        }
        self._log.info(
            "ended", extra=rows | {f"{name}_nano": it for name, it in money.items()}
        )

    async def _write_outputs(self, offload: Offload) -> None:
        ledger, folder = self._folder.ledger, self._folder
        if ledger.get("outputs") == "fresh" and (folder.path / TABLE).exists():
            return
        with anyio.CancelScope(shield=True):
            await offload(lambda: write_outputs(ledger, folder.archive, folder.path))
            await offload(lambda: _mark_fresh(ledger))


def _now() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000_000)


def _mark_fresh(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.put("outputs", "fresh")
