"""What a run does before it buys: read the manifest, and get the user's consent."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import anyio

from batchgen.admission.run_context import Run
from batchgen.errors import SpecError, StorageError
from batchgen.ledger import Ledger
from batchgen.ledger.edits import keep
from batchgen.ledger.estimate import EVERY_ROW, estimate_of
from batchgen.ledger.resuming import drop_bookmark
from batchgen.model import Status
from batchgen.output.archive import Archive
from batchgen.planning.member_renames import rename_rows
from batchgen.planning.planner import Planner, ReadingStopped
from batchgen.planning.routing import Router
from batchgen.runner.config import RunConfig, RunResult
from batchgen.runner.consent import (
    is_priced,
    refuse_rebuy,
    refuse_unpriced,
    refuse_unpriced_rows,
)
from batchgen.runner.incomplete_rows import refuse_many_gaps
from batchgen.runner.manifest_edits import edit_notices, rebuy_of
from batchgen.runner.wait_reasons import wait_reasons

PAUSE_S = 0.25
"""The reading of a manifest rests after each slice, while requests are under way, as
long as the slice took, but no longer than this: half the time is the purchases'."""


def scope_end(limit: int | None) -> int:
    """Return the position behind the last row in scope."""
    return EVERY_ROW if limit is None else limit


class Preparation:
    """Makes the plan of one run, and asks for what must be agreed to."""

    def __init__(
        self,
        run: Run,
        planner: Planner,
        choice: Router,
        config: RunConfig,
        result: RunResult,
    ) -> None:
        self._run = run
        self._planner = planner
        self._choice = choice
        self._config = config
        self._result = result
        self._end = scope_end(run.job.limit)

    async def prepare(self, archive: Archive) -> bool:
        """Make the plan as far as it must stand before money is spent.

        Returns:
            Whether the plan is still to be made while rows are bought already.

        Raises:
            UsageError: consent is missing, for spending or for buying again.
            ReadingStopped: it was asked to stop before the plan stood.
        """
        run, planner = self._run, self._planner
        self._show_planning()
        await refuse_many_gaps(run, planner, is_planned=False)
        if run.budget.limits:
            refuse_unpriced(run, self._choice.capabilities)
        limits = run.budget.limits.dump()
        if run.ledger.meta.limits != limits:
            await run.writer.commit(partial(_remember_limits, limits=limits))
        if await run.offload(planner.is_current):
            planner.finished = True
            run.planning = False
            # What is bought now, another reading was not judged by.
            await run.writer.commit(drop_bookmark)
        elif self._may_begin():
            if planner.counts_already:
                await self.count()
            return True
        else:
            await self._plan_whole()
        # The new reading counts only now: a refusal leaves all as it was.
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
        progress.budgets = run.budget.words
        progress.wait_reasons = lambda: wait_reasons(queues.values())
        progress.budget_levels = run.budget.levels

    async def _get_consent(self) -> None:
        run, planner = self._run, self._planner
        if run.budget.limits:
            refuse_unpriced_rows(run, self._end, planner.generation)
        await self._consent_to_changes()
        await refuse_many_gaps(run, planner, is_planned=True)
        estimate = estimate_of(run.ledger, self._end, planner.generation)
        if estimate.rows and not self._config.consented:
            self._config.ask(estimate)

    async def _rename_rows(self, archive: Archive) -> None:
        """Give rows names of their own, where an edit, or keeping, may need that."""
        run, planner = self._run, self._planner
        if run.ledger.has_attempts() and (self._config.keep or not planner.finished):
            await rename_rows(
                run.ledger, archive, run.writer, run.offload, planner.generation
            )

    async def _consent_to_changes(self) -> None:
        """Say what was edited since it was bought, and do what was agreed to.

        Raises:
            UsageError: nothing was agreed to.
        """
        run, end = self._run, self._end
        generation, notice = self._planner.generation, run.progress.notice
        if self._config.keep:
            await run.writer.commit(lambda ledger: keep(ledger, generation, end))
        if not self._planner.finished:  # it was told when the reading was new
            for line in edit_notices(run.ledger, end, generation):
                notice(line)
        if self._config.rebuy:
            if (again := rebuy_of(run.ledger, end, generation)) is not None:
                them = "them" if again.rows != 1 else "it"
                notice(f"{again.event}; --rebuy buys {them} again for {again.price}")
            return
        refuse_rebuy(run.ledger, end, generation)

    def _may_begin(self) -> bool:
        """Say whether rows may be bought of which the plan does not stand yet."""
        run, planner = self._run, self._planner
        # No plan stands but, perhaps, a part of this one: none can be bought from that
        # the manifest lost.
        is_first = not (run.ledger.generation or run.ledger.has_attempts())
        if not self._config.consented or not (is_first or planner.counts_already):
            return False
        return not run.budget.limits or is_priced(run, planner.states)

    async def _plan_whole(self) -> None:
        await self.plan()
        if self._result.error is not None:
            raise self._result.error
        if self._result.stop_reason is not None:
            raise ReadingStopped  # of a part nothing is judged, nor asked

    async def plan(self) -> None:
        """Read the manifest to its end, or until the planner is stopped."""
        run, planner = self._run, self._planner
        counts = planner.counts_already or not run.ledger.has_attempts()
        try:
            await planner.write(
                run.writer,
                run.offload,
                at_once=counts,
                propose=not counts,
                pause=self._planned_more,
            )
        except ReadingStopped:
            pass
        except (SpecError, StorageError) as error:
            # No room for what planning looks up is not yet none for images: what is in
            # flight comes in. Should the writer have failed, it ends all by itself.
            run.end(error)
        finally:
            run.planning = False
            run.wake()
        for line in planner.advice():
            run.progress.notice(line)
        await self.count()

    async def _planned_more(self, took_s: float) -> None:
        run = self._run
        run.progress.total = min(self._planner.rows, self._end)
        run.wake()
        if run.live:
            # Whatever judges rows holds the interpreter, and purchases wait for it.
            await anyio.sleep(min(took_s, PAUSE_S))

    async def count(self) -> None:
        """Count the rows anew, in turn with the steps that settle them."""
        progress, planner = self._run.progress, self._planner

        def count(rows: Mapping[Status, int]) -> None:
            progress.rows.clear()
            progress.rows.update(rows)
            progress.total = sum(rows.values())
            progress.planned = planner.finished

        await self._run.writer.commit(
            lambda ledger: ledger.rows_by_status(self._end), then=count
        )


def _remember_limits(ledger: Ledger, limits: str) -> None:
    ledger.meta.limits = limits
