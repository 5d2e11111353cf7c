"""Prepare the purchases of a run: make the plan, and get the user's consent."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import anyio

from batchgen.admission.run_context import Run
from batchgen.errors import SpecError, StorageError, UsageError
from batchgen.ledger import Ledger
from batchgen.ledger.edits import keep
from batchgen.ledger.estimate import estimate_of
from batchgen.ledger.outstanding import has_unsent_rows
from batchgen.ledger.resuming import drop_bookmark
from batchgen.manifest.gaps import Gaps
from batchgen.model import Status
from batchgen.output.archive import Archive
from batchgen.planning.member_renames import rename_rows
from batchgen.planning.planner import Planner, ReadingStopped
from batchgen.planning.routing import Router
from batchgen.runner.config import RunConfig, RunResult
from batchgen.runner.consent import PriceCheck, refuse_unpriced_rows
from batchgen.runner.incomplete_rows import refusal_of
from batchgen.runner.manifest_edits import edit_notices, rebuy_of
from batchgen.runner.progress import outages_of, wait_reasons

PAUSE_S = 0.25
"""While requests are in flight, the reading pauses after each slice for as long as the
slice took, up to this maximum: half the time is left for the purchases."""


class Preparation:
    """Makes the plan of one run, and asks the user for consent."""

    def __init__(
        self,
        run: Run,
        planner: Planner,
        router: Router,
        config: RunConfig,
        result: RunResult,
    ) -> None:
        self._run = run
        self._planner = planner
        self._router = router
        self._config = config
        self._result = result
        self._price_check = PriceCheck(run.job, run.queues, run.prices)
        self._end = run.job.rows_in_scope

    async def prepare(self, archive: Archive) -> bool:
        """Make the part of the plan that must exist before money is spent.

        Returns:
            Whether rows may be bought already while the plan is made.

        Raises:
            UsageError: consent is missing, for spending or for buying again.
            ReadingStopped: the run was stopped before the plan was made.
        """
        run, planner = self._run, self._planner
        self._show_planning()
        await self._refuse_many_gaps(is_planned=False)
        if run.budget.limits:
            self._price_check.refuse_unpriced(self._router.capabilities)
        limits = run.budget.limits.dump()
        if run.ledger.meta.limits != limits:
            await run.writer.commit(partial(_remember_limits, limits=limits))
        if await run.offload(planner.is_current):
            planner.finished = True
            run.planning = False
            # Another reading did not consider what is bought now.
            await run.writer.commit(drop_bookmark)
        elif self._may_begin():
            if planner.resumes_plan_in_use:
                await self.count()
            return True
        else:
            await self._plan_whole()
        # Adopted only after the consent: a refusal must not change anything.
        await self._get_consent()
        await self._rename_rows(archive)
        await planner.adopt(run.writer)
        await self.count()
        return False

    def _show_planning(self) -> None:
        run = self._run
        progress, queues = run.progress, run.queues
        progress.phase = "planning"
        progress.in_flight = lambda: sum(queue.in_flight for queue in queues.values())
        progress.budgets = run.budget.describe
        progress.wait_reasons = lambda: wait_reasons(queues.values())
        progress.outages = lambda: outages_of(queues.values())
        progress.budget_levels = run.budget.levels

    async def _get_consent(self) -> None:
        run, planner = self._run, self._planner
        if run.budget.limits:
            refuse_unpriced_rows(run.ledger, run.queues, self._end, planner.generation)
        await self._consent_to_changes()
        await self._refuse_many_gaps(is_planned=True)
        estimate = estimate_of(run.ledger, self._end, planner.generation)
        if estimate.rows and not self._config.consented:
            self._config.ask(estimate)

    async def _refuse_many_gaps(self, *, is_planned: bool) -> None:
        """Refuse to buy from a table in which many rows lack a value.

        In a new folder this is decided before the plan is made, since rows are bought
        while it is made. In a folder with purchases the plan decides: only new rows
        count.

        Raises:
            UsageError: the text names how many, the columns, and the remedies.
        """
        run, planner = self._run, self._planner
        job, ledger = run.job, run.ledger
        if job.empty is not None or ledger.has_attempts() is not is_planned:
            return
        if is_planned and not has_unsent_rows(ledger, self._end, planner.generation):
            return
        gaps, counts = Gaps(), planner.gaps(self._end)
        # Slice by slice, so that a stop takes effect between two slices.
        while (count := await run.offload(lambda: next(counts, None))) is not None:
            gaps = count
        if gaps.are_many:
            raise UsageError(refusal_of(gaps, job.tables))

    async def _rename_rows(self, archive: Archive) -> None:
        """Make file names differ again, after an edit or after `--keep`."""
        run, planner = self._run, self._planner
        if run.ledger.has_attempts() and (self._config.keep or not planner.finished):
            await rename_rows(
                run.ledger, archive, run.writer, run.offload, planner.generation
            )

    async def _consent_to_changes(self) -> None:
        """Report rows that were edited after they were bought, and keep or rebuy them.

        Raises:
            UsageError: the user chose neither.
        """
        run, end = self._run, self._end
        generation, notice = self._planner.generation, run.progress.notice
        if self._config.keep:
            await run.writer.commit(lambda ledger: keep(ledger, generation, end))
        if not self._planner.finished:  # else an earlier run has reported them
            for line in edit_notices(run.ledger, end, generation):
                notice(line)
        rebuy = rebuy_of(run.ledger, end, generation)
        if rebuy is not None:
            if not self._config.rebuy:
                raise UsageError(f"{rebuy}. Nothing was sent")
            them = "them" if rebuy.rows.rows != 1 else "it"
            notice(f"{rebuy.event}; --rebuy buys {them} again for {rebuy.price}")

    def _may_begin(self) -> bool:
        """Say whether rows may be bought before the plan is complete."""
        run, planner = self._run, self._planner
        # Without an older plan no row is bought that the manifest no longer has.
        is_first = not (run.ledger.generation or run.ledger.has_attempts())
        if not self._config.consented or not (is_first or planner.resumes_plan_in_use):
            return False
        return not run.budget.limits or self._price_check.is_complete(planner.columns)

    async def _plan_whole(self) -> None:
        await self.plan()
        if self._result.error is not None:
            raise self._result.error
        if self._result.stop_reason is not None:
            raise ReadingStopped  # a part of a plan is no basis for consent

    async def plan(self) -> None:
        """Read the manifest to its end, or until the planner is stopped."""
        run, planner = self._run, self._planner
        counts = planner.resumes_plan_in_use or not run.ledger.has_attempts()
        try:
            await planner.write(
                run.writer,
                run.offload,
                at_once=counts,
                pause=self._planned_more,
            )
        except ReadingStopped:
            pass
        except (SpecError, StorageError) as error:
            # If only the planning's temporary tables lack room, attempts in flight can
            # still finish. If the writer failed, it cancels everything itself.
            run.end(error)
        finally:
            run.planning = False
            run.wake()
        for line in planner.advice():
            run.progress.notice(line)
        await self.count()

    async def _planned_more(self, took_s: float) -> None:
        run = self._run
        run.progress.total = self._end.count(self._planner.rows)
        run.wake()
        if run.live:
            # Planning holds the interpreter lock, and purchases wait for it.
            await anyio.sleep(min(took_s, PAUSE_S))

    async def count(self) -> None:
        """Count the rows anew, in a commit: ordered with the steps that settle rows."""
        progress, planner = self._run.progress, self._planner

        def show(rows: Mapping[Status, int]) -> None:
            progress.rows.clear()
            progress.rows.update(rows)
            progress.total = sum(rows.values())
            progress.planned = planner.finished

        await self._run.writer.commit(
            lambda ledger: ledger.rows_by_status(self._end), then=show
        )


def _remember_limits(ledger: Ledger, limits: str) -> None:
    ledger.meta.limits = limits
