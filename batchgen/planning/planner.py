"""Write the rows of a manifest into the plan, slice by slice, as one generation."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import anyio

from batchgen.errors import BatchgenError
from batchgen.ledger import Ledger, PlanEntry, PlanWriter, Reader
from batchgen.ledger.edits import has_kept
from batchgen.ledger.plan import reference_files
from batchgen.ledger.resuming import (
    Bookmark,
    bookmark_to_carry_on,
    unplaced_positions,
)
from batchgen.manifest import FileState, Problem, Row, Slice, key_of
from batchgen.manifest.gaps import Gaps
from batchgen.manifest.manifest import Manifest
from batchgen.model import PriceList
from batchgen.model.row_scope import RowScope
from batchgen.output.member_names import folded_base_names
from batchgen.planning.plan_entries import plan_entry
from batchgen.planning.routing import Router
from batchgen.tracebacks import fault_message

if TYPE_CHECKING:
    from batchgen.storage.writer import Writer
    from batchgen.wire.offload import Offload

SLICE = 1000
"""Rows in one commit, which holds up the event loop for about 10 ms."""


class ReadingStopped(Exception):
    """`stop` was called; rows that are in the plan stay there."""


class Planner:
    """Writes one reading of a manifest as one generation of the plan.

    Attributes:
        columns: Columns of the manifest that batchgen reads.
        rows: Rows of the manifest that are in the plan.
        finished: Whether the plan is complete and in use.
    """

    def __init__(
        self,
        ledger: Reader,
        manifest: Manifest,
        router: Router,
        *,
        rebuy: bool = False,
    ) -> None:
        """Prepare to read.

        Args:
            ledger: Holds earlier readings.
            manifest: The table to read.
            router: Chooses the provider of each row.
            rebuy: Whether to buy rows again that were changed after they were bought,
                also those that kept their earlier image.
        """
        self._ledger = ledger
        self._rebuy = rebuy
        self._manifest = manifest
        self._router = router
        self._plan: PlanWriter | None = None
        self._bookmark: Bookmark | None = None
        self._is_stopped = False
        self._digest = ""
        self.columns = manifest.states
        self.rows = 0
        self.finished = False
        self.log = logging.getLogger("batchgen.run")
        manifest.checkpoint = self._raise_if_stopped

    @property
    def generation(self) -> int:
        """The generation that was written, or else the one in use."""
        return self._plan.generation if self._plan else self._ledger.generation

    @property
    def resumes_plan_in_use(self) -> bool:
        """Whether a generation in use is resumed: rows of it may have been bought."""
        bookmark = self._bookmark
        return bookmark is not None and bookmark.generation == self._ledger.generation

    def advice(self) -> Iterator[str]:
        """Yield advice that makes the table safer to edit; call it after `write`."""
        return self._manifest.advice()

    def stop(self) -> None:
        """Stop after the current slice; may be called from any thread.

        `is_current` and `write` then raise `ReadingStopped`.
        """
        self._is_stopped = True

    def _raise_if_stopped(self) -> None:
        if self._is_stopped:
            raise ReadingStopped

    def is_current(self) -> bool:
        """Tell whether the plan was made from the same manifest, settings and images.

        Raises:
            ReadingStopped: `stop` was called.
        """
        # Computed before the first row is read: if the file changes meanwhile, the next
        # run sees another digest and reads it again.
        digest = self._digest = self._compute_digest()
        is_to_rebuy = self._rebuy and has_kept(self._ledger)
        if self._ledger.meta.plan_digest == digest and not is_to_rebuy:
            return self._has_same_files(self._ledger.generation)
        bookmark = bookmark_to_carry_on(self._ledger, digest)
        if bookmark is not None and self._has_same_files(bookmark.generation):
            self._bookmark = bookmark
            self.rows = bookmark.rows
        return False

    def _has_same_files(self, generation: int) -> bool:
        files = reference_files(self._ledger, generation)
        return self._manifest.has_same_files(FileState(*file) for file in files)

    def gaps(self, scope: RowScope) -> Iterator[Gaps]:
        """Count rows that lack values which the prompt needs, slice by slice."""
        return self._manifest.gaps(scope)

    async def write(
        self,
        writer: Writer,
        offload: Offload,
        *,
        at_once: bool,
        pause: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        """Read the manifest to its end; `is_current` must have been called before.

        Args:
            writer: Commits the slices.
            offload: Runs the reading outside the event loop.
            at_once: Whether the plan is in use from its first slice on. If not, it
                comes into use when `adopt` is called.
            pause: Called after each slice with the seconds that it took.

        Raises:
            SpecError: the rest of the file cannot be read reliably.
            ReadingStopped: `stop` was called.
        """
        bookmark = self._bookmark
        # Created inside a commit: only there is the writing ledger at hand.
        plan = self._plan = await writer.commit(
            lambda ledger: PlanWriter(
                ledger,
                key_of,
                folded_base_names,
                dedupe=self._router.job.dedupe,
                reader=self._ledger,
                generation=bookmark.generation if bookmark else None,
            )
        )
        plan.id_column = self._router.job.columns.get("id", "id")
        with closing(plan):
            await offload(lambda: self._prepare(plan))
            slices = self._manifest.slices(SLICE, self.rows)
            began = anyio.current_time()
            begins = at_once
            while True:
                step = await offload(partial(self._next, slices, plan, begins=begins))
                if step is None:
                    break
                self.rows = await writer.commit(step, may_wait=True)
                begins = False
                if pause is not None:
                    await pause(anyio.current_time() - began)
                    began = anyio.current_time()
            await writer.commit(lambda _: plan.end(rebuy=self._rebuy))
        if at_once:
            await self.adopt(writer)

    async def adopt(self, writer: Writer) -> None:
        """Use the plan that was written from now on."""
        if (plan := self._plan) is not None and not self.finished:
            digest, rows = self._digest, self.rows
            schema = self._manifest.user_schema
            starts = json.dumps(dict(enumerate(self._manifest.starts)))

            def complete(ledger: Ledger) -> None:
                plan.complete(digest, schema, rows)
                ledger.meta.table_starts = starts

            await writer.commit(complete)
        self.finished = True

    def _prepare(self, plan: PlanWriter) -> None:
        """Load earlier rows from the ledger, and the state of a resumed reading."""
        plan.look_up(self._raise_if_stopped)
        if self._bookmark is None:
            return
        positions = unplaced_positions(self._ledger, plan.generation)
        entries = map(self._entry, self._manifest.rows_at(positions))
        plan.remember(
            entry.fingerprint for entry in entries if entry.fingerprint is not None
        )
        if self._router.round_robin is not None:
            self._router.round_robin.counts = dict(self._bookmark.dealt)

    def _next(
        self, slices: Iterator[Slice], plan: PlanWriter, *, begins: bool
    ) -> Callable[[Ledger], int] | None:
        """Read a slice and choose the provider of each row.

        Args:
            slices: Of the manifest.
            plan: The plan.
            begins: Whether the plan is in use from this slice on. Not earlier: a plan
                without rows must not replace the one in use.

        Returns:
            The step that writes the slice and returns how many rows the plan then
            has; None at the end of the manifest.
        """
        self._raise_if_stopped()
        part = next(slices, None)
        if part is None:
            return None
        first, rows = self.rows, self.rows + len(part.rows)
        entries = [self._entry(row) for row in part.rows]
        # With `dedupe` a row depends on the rows above: each is matched in the commit.
        matched = None if self._router.job.dedupe else plan.match(entries)
        round_robin = self._router.round_robin
        counts = {} if round_robin is None else dict(round_robin.counts)

        def step(_: Ledger) -> int:
            if begins:
                plan.begin(self._manifest.user_schema)
            if matched is None:
                plan.add(entries, part.user_columns, first)
            else:
                plan.add_matched(matched, part.user_columns, first)
            plan.keep_files(part.files)
            plan.bookmark(self._digest, rows, counts)
            return rows

        return step

    def _entry(self, row: Row) -> PlanEntry:
        """Return the entry of a row; an unexpected error makes it invalid."""
        try:
            return plan_entry(row, self._router)
        except BatchgenError:
            raise
        except Exception as fault:
            self.log.exception("row_fault", extra={"position": row.position})
            problem = Problem(column=None, message=fault_message(fault))
            invalid = replace(row, request=None, fingerprint=None, problem=problem)
            return plan_entry(invalid, self._router)

    def _compute_digest(self) -> str:
        """Return a digest of everything that decides what the plan says."""
        router, job = self._router, self._router.job
        terms = [
            (
                provider.name,
                job.terms_of(provider.name).model,
                router.capabilities[provider.name],
            )
            for provider in router.providers
        ]
        rules = (job.unsupported, job.references.shrink, job.dedupe, job.route)
        parts = (
            5,
            self._manifest.digest(),
            terms,
            rules,
            _sorted_prices(router.prices),
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def _sorted_prices(prices: Mapping[str, PriceList]) -> list[str]:
    # Sorted, since the order of a set differs between processes.
    return [
        f"{name}/{price.resolution}/{sorted(price.models)}/"
        f"{sorted(price.tiers, key=str)}={price.expected}+{price.per_reference}"
        for name, price_list in sorted(prices.items())
        for price in price_list
    ]
