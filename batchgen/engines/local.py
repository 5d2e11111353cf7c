"""Run a job on this machine: recover, plan, buy, fetch, write the outputs."""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

from batchgen.admission.provider_queue import Lane
from batchgen.admission.reference_uploads import References
from batchgen.admission.run_context import Run, Time
from batchgen.engines.assembly import Hands, assemble, resume
from batchgen.engines.capacity import Capacity, capacity_now
from batchgen.engines.consent import (
    is_priced,
    refuse_rebuy,
    refuse_unpriced,
    refuse_unpriced_rows,
)
from batchgen.engines.edited import edit_notices, rebuy_of
from batchgen.engines.emptiness import refuse_many_gaps
from batchgen.engines.ending import cut_reading, log_end, write_outputs_at_end
from batchgen.engines.estimate import EVERY_ROW, estimate_of
from batchgen.engines.folder import LOG, RunFolder
from batchgen.engines.notices import notices_of
from batchgen.engines.older_ledger import refuse_older_than_log
from batchgen.engines.setting import Outcome, Setting
from batchgen.engines.shortfall import remember_needed
from batchgen.engines.stops import open_attempts, watch_signals
from batchgen.errors import (
    BatchgenError,
    BudgetReached,
    GroupsFull,
    LedgerMissing,
    NearlyAllFailed,
    SpecError,
    StorageError,
)
from batchgen.ledger import OpenAttempts, Reader
from batchgen.ledger.edits import keep
from batchgen.ledger.resuming import drop_bookmark
from batchgen.manifest.manifest import Manifest
from batchgen.model import Job, State, Status, utc
from batchgen.runner.choice import Choice
from batchgen.runner.feeding import work_off
from batchgen.runner.planner import Planner, ReadingStopped
from batchgen.runner.progress import Stop
from batchgen.runner.renaming import rename_rows
from batchgen.runner.resume import recover
from batchgen.runner.room import Room
from batchgen.runner.second_chances import try_lost_links
from batchgen.runner.wait_reasons import wait_reasons
from batchgen.runner.writer import Writer
from batchgen.tracebacks import drop_tracebacks
from batchgen.wire import MEGABYTE, Memory, scrubber_of
from batchgen.wire.connections import SocketLimits
from batchgen.wire.container import default_memory_bytes
from batchgen.wire.sender import Wire

PAUSE_S = 0.25
"""The reading of a manifest rests after each slice, while requests are under way, as
long as the slice took, but no longer than this: half the time is the purchases'."""


class LocalEngine:
    """Runs one job in one folder."""

    def __init__(self, job: Job, folder: RunFolder, setting: Setting) -> None:
        self._job = job
        self._folder = folder
        self._setting = setting
        self._outcome = Outcome(chosen=len(job.providers))
        self._log = logging.getLogger("batchgen.run")
        self._time = Time(monotonic=anyio.current_time, now=setting.now)
        self._feeders = anyio.CancelScope()
        self._work = anyio.CancelScope()
        self._run: Run | None = None
        self._planner: Planner | None = None

    async def run(self) -> Outcome:
        """Run to the end, or to an orderly stop; the outputs are written either way.

        Raises:
            SpecError: nothing was begun.
            StorageError: nothing more can be written; run it again when mended.
        """
        manifest = Manifest.open(self._job)
        today = utc(self._time.now()).date()
        told = notices_of(self._job, self._setting.providers, today)
        for notice in (*manifest.notices, *told):
            self._setting.progress.notice(notice)
        ledger = self._folder.ledger
        ledger.holds_key = scrubber_of(self._setting.keys.values()).holds_key
        # Signals are heeded until all is written: one in between would be a crash.
        async with anyio.create_task_group() as watch:
            await watch.start(watch_signals, self._stop, self._stop_now)
            await self._recover()
            # All that storing needs is open before the sockets are counted.
            self._folder.archive.open()
            capacity = self._capacity()
            async with self._writing() as writer:
                async with self._wire(capacity) as wire:
                    await self._buy(manifest, writer, wire, capacity)
                self._setting.progress.phase = "writing"
                await write_outputs_at_end(self._folder, self._setting, self._outcome)
                if not ledger.is_in_place():
                    self._lost_ledger()
                    ledger.put_back()
            watch.cancel_scope.cancel()
        self._outcome.totals = ledger.totals(self._below)
        lanes = self._run.lanes.values() if self._run else ()
        self._outcome.stopped = [lane.stopped for lane in lanes if lane.stopped]
        error, run = self._outcome.error, self._run
        if isinstance(error, BudgetReached) and run is not None:
            self._outcome.needed = remember_needed(run, ledger, self._below, error)
        log_end(self._log, self._outcome.totals)
        return self._outcome

    async def _recover(self) -> None:
        ledger, archive = self._folder.ledger, self._folder.archive
        now = self._time.now()
        adopted = await self._setting.offload(lambda: recover(ledger, archive, now))
        if not self._folder.is_new:
            refuse_older_than_log(ledger, self._folder.path / LOG)
        self._log.info(
            "started",
            extra={
                "purchases": ledger.newest_attempt(),
                "source": str(self._job.source),
                "manifest": str(self._job.manifest),
                "providers": ",".join(self._job.providers),
                "realm": ledger.realm,
                "adopted": adopted,
            },
        )

    @property
    def _below(self) -> int:
        return EVERY_ROW if self._job.limit is None else self._job.limit

    def _capacity(self) -> Capacity:
        """Share out what this process may open, and say what that holds back.

        Raises:
            SpecError: it may open too little.
        """
        setting = self._setting
        if setting.transport is not None:  # it opens no sockets of ours
            return Capacity(purchases={}, sockets=SocketLimits())
        capacity = capacity_now(self._job, setting.providers)
        if capacity.notice is not None:
            setting.progress.notice(capacity.notice)
        return capacity

    def _wire(self, capacity: Capacity) -> Wire:
        it, mb = self._setting, self._job.memory_mb
        return Wire(
            it.transport,
            paid_hosts=it.paid_hosts,
            offload=it.offload,
            memory=Memory(default_memory_bytes() if mb is None else mb * MEGABYTE),
            sockets=capacity.sockets,
        )

    def _room(self) -> Room:
        ledger = self._folder.ledger
        return Room(
            self._folder.path, self._folder.archive, ledger.log, self._setting.offload
        )

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Writer]:
        """Keep the writer alive; when it fails, all else is cancelled."""
        writer = Writer(
            self._folder.ledger,
            self._folder.archive,
            self._setting.offload,
            lost=self._lost_ledger,
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run)
            try:
                yield writer
            finally:
                with anyio.CancelScope(shield=True):
                    await writer.close()

    async def _buy(
        self, manifest: Manifest, writer: Writer, wire: Wire, capacity: Capacity
    ) -> None:
        reader = Reader(self._folder.ledger.path)
        try:
            planner = self._planner = Planner(
                reader, manifest, self._choice(), rebuy=self._setting.rebuy
            )
            if self._outcome.signal is not None:
                planner.stop()
            # Only a signal ends a reading that is under way, for the next run carries
            # it on: the table has a line for each row.
            async with anyio.create_task_group() as reading:
                with self._work:
                    async with anyio.create_task_group() as tasks:
                        hands = Hands(
                            reader,
                            writer,
                            wire,
                            tasks,
                            self._room(),
                            self._end,
                            capacity.purchases,
                        )
                        self._run = assemble(
                            self._job, self._setting, hands, self._time
                        )
                        await self._work_through(self._run, planner, reading)
                is_read_on = self._outcome.signal is None
                if self._run is not None and self._run.planning and is_read_on:
                    self._run.progress.phase = "planning"
            if self._outcome.signal is not None and not planner.finished:
                self._outcome.cut = cut_reading(reader)
                if self._run is not None:  # wherever the signal met it
                    await self._count(self._run, planner)
        finally:
            reader.close()

    async def _work_through(
        self, run: Run, planner: Planner, reading: TaskGroup
    ) -> None:
        with self._feeders:
            try:
                at_once = await self._prepare(run, planner)
            except ReadingStopped:
                return
            if self._outcome.signal is not None:
                return
            left = await resume(run, self._setting)
            self._outcome.left = [*left.variables]
            self._outcome.unnamed = [*left.unnamed]
            references = References(run, self._setting.stand_in)
            if at_once:
                reading.start_soon(self._plan, run, planner)
            async with anyio.create_task_group() as feeders:
                for lane in run.lanes.values():
                    feeders.start_soon(self._feed, run, lane, references)
            if run.full:
                self._end(GroupsFull(run.budget.explain_groups(sorted(run.full))))
        is_safe = not isinstance(self._outcome.error, SpecError | StorageError)
        if self._outcome.signal is None and is_safe:
            await try_lost_links(run)

    # -- before anything is bought

    def _choice(self) -> Choice:
        it = self._setting
        today = utc(self._time.now()).date()
        return Choice.of(self._job, it.providers, it.prices, today)

    async def _prepare(self, run: Run, planner: Planner) -> bool:
        """Make the plan as far as it must stand before money is spent.

        Returns:
            Whether the plan is still to be made while rows are bought already.

        Raises:
            UsageError: consent is missing, for spending or for buying again.
        """
        run.progress.phase = "planning"
        run.progress.in_flight = lambda: sum(it.in_flight for it in run.lanes.values())
        run.progress.budgets = run.budget.words
        run.progress.wait_reasons = lambda: wait_reasons(run.lanes.values())
        run.progress.budget_levels = run.budget.levels
        await refuse_many_gaps(run, planner, is_planned=False)
        if run.budget.limits:
            refuse_unpriced(run, self._choice().able)
        limits = run.budget.limits.dump()
        if run.ledger.get("limits") != limits:
            await run.writer.commit(lambda ledger: ledger.put("limits", limits))
        if await run.offload(planner.is_current):
            planner.finished = True
            run.planning = False
            # What is bought now, another reading was not judged by.
            await run.writer.commit(drop_bookmark)
        elif self._may_begin(run, planner):
            if planner.counts_already:
                await self._count(run, planner)
            return True
        else:
            await self._plan_whole(run, planner)
        # The new reading counts only now: a refusal leaves all as it was.
        if run.budget.limits:
            refuse_unpriced_rows(run, self._below, planner.generation)
        await self._consent_to_changes(run, planner)
        await refuse_many_gaps(run, planner, is_planned=True)
        estimate = estimate_of(run.ledger, self._below, planner.generation)
        if estimate.rows and not self._setting.consented:
            self._setting.ask(estimate)
        await self._rename_rows(run, planner)
        await planner.adopt(run.writer)
        await self._count(run, planner)
        return False

    async def _rename_rows(self, run: Run, planner: Planner) -> None:
        """Give rows names of their own, where an edit, or keeping, may need that."""
        if run.ledger.has_attempts() and (self._setting.keep or not planner.finished):
            archive, offload = self._folder.archive, run.offload
            await rename_rows(
                run.ledger, archive, run.writer, offload, planner.generation
            )

    async def _consent_to_changes(self, run: Run, planner: Planner) -> None:
        """Say what was edited since it was bought, and do what was agreed to.

        Raises:
            UsageError: nothing was agreed to.
        """
        generation, notice = planner.generation, run.progress.notice
        if self._setting.keep:
            await run.writer.commit(
                lambda ledger: keep(ledger, generation, self._below)
            )
        if not planner.finished:  # it was told when the reading was new
            for line in edit_notices(run.ledger, self._below, generation):
                notice(line)
        if self._setting.rebuy:
            if (again := rebuy_of(run.ledger, self._below, generation)) is not None:
                them = "them" if again.rows != 1 else "it"
                notice(f"{again.happened}; --rebuy buys {them} again for {again.price}")
            return
        refuse_rebuy(run.ledger, self._below, generation)

    def _may_begin(self, run: Run, planner: Planner) -> bool:
        """Say whether rows may be bought of which the plan does not stand yet."""
        # No plan stands but, perhaps, a part of this one: none can be bought from that
        # the manifest lost.
        is_first = not (run.ledger.generation or run.ledger.has_attempts())
        if not self._setting.consented or not (is_first or planner.counts_already):
            return False
        return not run.budget.limits or is_priced(run, planner.states)

    async def _plan_whole(self, run: Run, planner: Planner) -> None:
        await self._plan(run, planner)
        if self._outcome.error is not None:
            raise self._outcome.error
        if self._outcome.signal is not None:
            raise ReadingStopped  # of a part nothing is judged, nor asked

    async def _plan(self, run: Run, planner: Planner) -> None:
        async def pause(took_s: float) -> None:
            await self._planned_more(run, planner, took_s)

        counts = planner.counts_already or not run.ledger.has_attempts()
        try:
            await planner.write(
                run.writer,
                run.offload,
                at_once=counts,
                propose=not counts,
                pause=pause,
            )
        except ReadingStopped:
            pass
        except (SpecError, StorageError) as error:
            # No room for what planning looks up is not yet none for images: what is in
            # flight comes in. Should the writer have failed, it ends all by itself.
            self._end(error)
        finally:
            run.planning = False
            run.wake()
        for line in planner.advice():
            run.progress.notice(line)
        await self._count(run, planner)

    async def _planned_more(self, run: Run, planner: Planner, took_s: float) -> None:
        run.progress.total = min(planner.rows, self._below)
        run.wake()
        if run.live:
            # Whatever judges rows holds the interpreter, and purchases wait for it.
            await anyio.sleep(min(took_s, PAUSE_S))

    async def _count(self, run: Run, planner: Planner) -> None:
        """Count the rows anew, in turn with the steps that settle them."""

        def count(rows: Mapping[Status, int]) -> None:
            run.progress.rows.clear()
            run.progress.rows.update(rows)
            run.progress.total = sum(rows.values())
            run.progress.planned = planner.finished

        await run.writer.commit(
            lambda ledger: ledger.rows_by_status(self._below), then=count
        )

    # -- while rows are bought

    async def _feed(self, run: Run, lane: Lane, references: References) -> None:
        try:
            await work_off(run, lane, references)
        except (BudgetReached, NearlyAllFailed, SpecError, StorageError) as error:
            # Where the writer failed, it ends all by itself; else nothing keeps what
            # is in flight from coming in.
            self._end(error)

    # -- how it ends

    def _end(self, error: BatchgenError) -> None:
        """Send nothing more; what is in flight comes in."""
        if self._outcome.error is None:
            drop_tracebacks(error)  # it is told at the end, and would hold images
            self._outcome.error = error
            self._log.error("stopping", extra={"why": error.kind})
        self._feeders.cancel()

    def _lost_ledger(self) -> None:
        """Send nothing more where the ledger would not outlive this process."""
        path = self._folder.ledger.path
        self._end(
            LedgerMissing(
                f"{path} was deleted, replaced or cut while batchgen worked with "
                "it. Nothing more is sent; what it knew is written back at the end"
            )
        )

    def _stop(self, number: signal.Signals) -> None:
        """Send nothing more, leave tasks, and wait for replies as long as agreed."""
        self._outcome.signal = number
        self._log.warning("signal", extra={"number": int(number)})
        run = self._run
        if self._planner is not None:
            self._planner.stop()
        self._feeders.cancel()
        self._work.deadline = anyio.current_time() + self._job.grace_s
        if run is not None:
            left = self._open_attempts() or {}
            counts = {state: some.attempts for state, some in left.items()}
            run.progress.stop = Stop(
                number,
                requests=counts.get(State.SENT, 0),
                grace_s=self._job.grace_s,
                tasks=counts.get(State.ACCEPTED, 0),
            )
            run.stopping = True
            run.progress.phase = "stopping"
            for scope in list(run.following):
                scope.cancel()
            run.wake()

    def _stop_now(self, _: signal.Signals) -> None:
        """Tell what is left at risk as the process ends; nothing is waited for long."""
        self._setting.stop_at_once(self._open_attempts())

    def _open_attempts(self) -> dict[State, OpenAttempts] | None:
        ledger = self._folder.ledger
        return open_attempts(ledger.path) if ledger.is_in_place() else None
