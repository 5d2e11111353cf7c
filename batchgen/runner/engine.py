"""Run one job in one folder: recover, plan, buy, fetch, write the outputs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace

import anyio
from anyio.abc import TaskGroup

from batchgen.admission.reference_uploads import References
from batchgen.admission.run_context import Run, Time
from batchgen.errors import (
    BatchgenError,
    BudgetReached,
    GroupsFull,
    LedgerMissing,
    SpecError,
    StorageError,
)
from batchgen.ledger import Reader
from batchgen.manifest.manifest import Manifest
from batchgen.model import Job, utc
from batchgen.planning.planner import Planner, ReadingStopped
from batchgen.planning.routing import Router
from batchgen.runner.assembly import Connections, assemble, resume
from batchgen.runner.capacity import Capacity, capacity_now
from batchgen.runner.completion import cut_reading, log_end, write_outputs_at_end
from batchgen.runner.config import RunConfig, RunResult
from batchgen.runner.feeding import feed_queue
from batchgen.runner.folder import LOG, RunFolder
from batchgen.runner.folder_checks import refuse_older_than_log
from batchgen.runner.notices import choice_notices, notices_of
from batchgen.runner.progress import stop_of
from batchgen.runner.required_budget import record_shortfall
from batchgen.runner.resume import recover
from batchgen.runner.run_preparation import Preparation
from batchgen.runner.second_chances import try_lost_links
from batchgen.storage.disk_room import DiskRoom
from batchgen.storage.writer import Writer
from batchgen.tracebacks import drop_tracebacks
from batchgen.wire import MEGABYTE, MemoryBudget, redactor_for
from batchgen.wire.memory import default_memory_bytes
from batchgen.wire.sender import Wire
from batchgen.wire.sockets import SocketLimits


class Engine:
    """Runs one job in one folder."""

    def __init__(self, job: Job, folder: RunFolder, config: RunConfig) -> None:
        self._job = job
        self._folder = folder
        self._config = config
        self._result = RunResult(provider_count=len(job.providers))
        self._time = Time(monotonic=anyio.current_time, now=config.now)
        self._feeders = anyio.CancelScope()
        self._work = anyio.CancelScope()
        self._run: Run | None = None
        self._planner: Planner | None = None

    async def run(self) -> RunResult:
        """Run to the end or to an orderly stop; both write the outputs.

        Raises:
            SpecError: the job cannot run; nothing was sent.
            StorageError: nothing more can be written.
        """
        manifest = Manifest.open(self._job)
        scope = await self._config.offload(manifest.in_scope)
        self._job = replace(self._job, scope=scope)
        self._result.scope = scope
        for notice in choice_notices(scope):
            self._config.progress.notice(notice)
        today = utc(self._time.now()).date()
        for notice in (
            *manifest.notices,
            *notices_of(self._job, self._config.providers, today),
        ):
            self._config.progress.notice(notice)
        ledger = self._folder.ledger
        ledger.holds_key = redactor_for(self._config.keys.values()).holds_key
        # Attached until the outputs are written: a stop must not interrupt the writing.
        async with self._config.handle.attached(self._stop):
            await self._recover()
            # Opened before the sockets are counted: storing needs it.
            self._folder.archive.open()
            capacity = self._capacity()
            async with self._writing() as writer:
                async with self._wire(capacity) as wire:
                    await self._buy(manifest, writer, wire, capacity)
                self._config.progress.phase = "writing"
                await write_outputs_at_end(self._folder, self._config, self._result)
                if not ledger.is_in_place():
                    self._end_without_ledger()
                    ledger.put_back()
        self._sum_up()
        return self._result

    def _sum_up(self) -> None:
        ledger, result, run = self._folder.ledger, self._result, self._run
        end = self._job.rows_in_scope
        result.totals = ledger.totals(end)
        queues = run.queues.values() if run else ()
        result.stopped = [queue.stopped for queue in queues if queue.stopped]
        if isinstance(result.error, BudgetReached) and run is not None:
            result.required = record_shortfall(ledger, run.budget, end, result.error)
        log_end(self._config.log, result.totals)

    async def _recover(self) -> None:
        ledger, archive = self._folder.ledger, self._folder.archive
        now = self._time.now()
        adopted = await self._config.offload(lambda: recover(ledger, archive, now))
        if not self._folder.is_new:
            refuse_older_than_log(ledger, self._folder.path / LOG)
        self._config.log.info(
            "started",
            extra={
                "purchases": ledger.newest_attempt(),
                "source": str(self._job.source),
                "manifest": str(self._job.manifest),
                "providers": ",".join(self._job.providers),
                "realm": ledger.mode,
                "adopted": adopted,
            },
        )

    # -- what the run works with

    def _capacity(self) -> Capacity:
        """Return what this process may have open; notify if it is too little.

        Raises:
            SpecError: it is too little even for a few purchases.
        """
        config = self._config
        if config.transport is not None:  # it opens no sockets here
            return Capacity(purchases={}, sockets=SocketLimits())
        capacity = capacity_now(self._job, config.providers)
        if capacity.notice is not None:
            config.progress.notice(capacity.notice)
        return capacity

    def _wire(self, capacity: Capacity) -> Wire:
        config, mb = self._config, self._job.memory_mb
        return Wire(
            config.transport,
            paid_hosts=config.paid_hosts,
            offload=config.offload,
            memory=MemoryBudget(
                default_memory_bytes() if mb is None else mb * MEGABYTE
            ),
            sockets=capacity.sockets,
        )

    def _disk_room(self) -> DiskRoom:
        ledger = self._folder.ledger
        return DiskRoom(
            self._folder.path, self._folder.archive, ledger.log, self._config.offload
        )

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Writer]:
        """Run the writer while the block lasts; if it fails, the block is cancelled."""
        writer = Writer(
            self._folder.ledger,
            self._folder.archive,
            self._config.offload,
            lost=self._end_without_ledger,
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run)
            try:
                yield writer
            finally:
                with anyio.CancelScope(shield=True):
                    await writer.close()

    # -- while rows are bought

    async def _buy(
        self, manifest: Manifest, writer: Writer, wire: Wire, capacity: Capacity
    ) -> None:
        config, result = self._config, self._result
        today = utc(self._time.now()).date()
        router = Router.of(self._job, config.providers, config.prices, today)
        preparation: Preparation | None = None
        with closing(Reader(self._folder.ledger.path)) as reader:
            planner = self._planner = Planner(
                reader, manifest, router, rebuy=config.rebuy
            )
            planner.log = config.log
            if result.stop_reason is not None:
                planner.stop()
            # The reading has its own task group: it goes on after an error has ended
            # the purchases, since the table has a line for each row.
            async with anyio.create_task_group() as reading:
                with self._work:
                    async with anyio.create_task_group() as tasks:
                        connections = Connections(
                            reader,
                            writer,
                            wire,
                            tasks,
                            self._disk_room(),
                            self._end,
                            capacity.purchases,
                        )
                        run = self._run = assemble(
                            self._job, config, connections, self._time
                        )
                        preparation = Preparation(run, planner, router, config, result)
                        await self._work_through(run, preparation, reading)
                if self._run and self._run.planning and result.stop_reason is None:
                    self._run.progress.phase = "planning"
            if result.stop_reason is not None and not planner.finished:
                result.cut = cut_reading(reader)
                if preparation is not None:
                    await preparation.count()

    async def _work_through(
        self, run: Run, preparation: Preparation, reading: TaskGroup
    ) -> None:
        with self._feeders:
            try:
                at_once = await preparation.prepare(self._folder.archive)
            except ReadingStopped:
                return
            if self._result.stop_reason is not None:
                return
            await resume(run, self._config, self._result)
            references = References(run, self._config.stand_in)
            if at_once:
                reading.start_soon(preparation.plan)
            async with anyio.create_task_group() as feeders:
                for queue in run.queues.values():
                    feeders.start_soon(feed_queue, run, queue, references)
            if full := sorted(run.full_column_values):
                self._end(GroupsFull(run.budget.explain_groups(full)))
        is_safe = not isinstance(self._result.error, SpecError | StorageError)
        if self._result.stop_reason is None and is_safe:
            await try_lost_links(run)

    # -- how the run ends

    def _end(self, error: BatchgenError) -> None:
        """Send nothing more; attempts in flight still finish."""
        if self._result.error is None:
            drop_tracebacks(error)  # kept until the end, its frames would hold images
            self._result.error = error
            self._config.log.error("stopping", extra={"why": error.kind})
        self._feeders.cancel()

    def _end_without_ledger(self) -> None:
        """Send nothing more, since the ledger file would not survive this process."""
        path = self._folder.ledger.path
        self._end(
            LedgerMissing(
                f"{path} was deleted, replaced or cut while batchgen worked with "
                "it. Nothing more is sent; what it knew is written back at the end"
            )
        )

    def _stop(self) -> None:
        """Send nothing more, leave tasks, and wait for replies for the grace time."""
        handle = self._config.handle
        grace_s = 0.0 if handle.is_now else self._job.grace_s
        self._work.deadline = min(self._work.deadline, anyio.current_time() + grace_s)
        if self._result.stop_reason is None:
            self._result.stop_reason = handle.reason
            if self._planner is not None:
                self._planner.stop()
            self._feeders.cancel()
            if (run := self._run) is not None:
                run.progress.stop = stop_of(
                    self._folder.ledger, handle.reason or "", grace_s
                )
                run.progress.phase = "stopping"
                run.stop()
