"""Read the manifest into the plan, slice by slice, as one generation of it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import anyio

from batchgen.errors import BatchgenError
from batchgen.ledger import Ledger, PlanEntry, PlanWriter, Reader
from batchgen.ledger.edits import has_kept
from batchgen.ledger.resuming import (
    Bookmark,
    bookmark_to_carry_on,
    unplaced_positions,
)
from batchgen.manifest import FileState, Problem, Row, Slice, key_of
from batchgen.manifest.gaps import Gaps
from batchgen.manifest.manifest import Manifest
from batchgen.model import PriceList
from batchgen.output.names import claimed_stems
from batchgen.runner.choice import Choice, entry_of
from batchgen.runner.fence import fault_words
from batchgen.runner.writer import Writer

if TYPE_CHECKING:
    from batchgen.wire.line import Offload

T = TypeVar("T")

SLICE = 1000
"""Rows to a step of the plan: it holds up the event loop for some 10 ms."""


class ReadingStopped(Exception):
    """The reading was told to stop; what is in the plan stays there."""


class Planner:
    """Turns one reading of a manifest into one generation of the plan.

    Attributes:
        states: Known columns of the manifest.
        rows: Rows of the manifest that are in the plan.
        finished: Whether the plan is whole, and counts.
        log: Where faults of single rows are written.
    """

    def __init__(
        self,
        ledger: Reader,
        manifest: Manifest,
        choice: Choice,
        *,
        rebuy: bool = False,
    ) -> None:
        """Prepare to read.

        Args:
            ledger: What is known of earlier readings.
            manifest: What is read.
            choice: What its rows are judged against.
            rebuy: Whether rows that were changed after they were bought are bought
                again, also those that kept what they had.
        """
        self._ledger = ledger
        self._rebuy = rebuy
        self._manifest = manifest
        self._choice = choice
        self._plan: PlanWriter | None = None
        self._bookmark: Bookmark | None = None
        self._is_stopped = False
        self._digest_read = ""
        self.states = manifest.states
        self.rows = 0
        self.finished = False
        self.log = logging.getLogger("batchgen.run")
        manifest.checkpoint = self._go_on

    @property
    def generation(self) -> int:
        """The reading that was written, or else the one that counts."""
        return self._plan.generation if self._plan else self._ledger.generation

    @property
    def counts_already(self) -> bool:
        """Whether it carries on a reading of which rows may have been bought."""
        bookmark = self._bookmark
        return bookmark is not None and bookmark.generation == self._ledger.generation

    def advice(self) -> Iterator[str]:
        """Yield what would make the table safer to edit, all of it being read."""
        return self._manifest.id_advice()

    def stop(self) -> None:
        """Let the reading end after the slice under way; for any thread.

        `is_current` and `write` raise `ReadingStopped` then.
        """
        self._is_stopped = True

    def _go_on(self) -> None:
        if self._is_stopped:
            raise ReadingStopped

    def is_current(self) -> bool:
        """Say whether the plan was made from the same manifest, settings and images.

        Raises:
            ReadingStopped: nobody waits for the answer any more.
        """
        # The digest is taken before the first row is read: a file that is changed
        # while it is read is read again by the next run.
        digest = self._digest_read = self._digest()
        is_to_rebuy = self._rebuy and has_kept(self._ledger)
        if self._ledger.get("plan_digest") == digest and not is_to_rebuy:
            return self._has_same_files(self._ledger.generation)
        bookmark = bookmark_to_carry_on(self._ledger, digest)
        if bookmark is not None and self._has_same_files(bookmark.generation):
            self._bookmark = bookmark
            self.rows = bookmark.rows
        return False

    def _has_same_files(self, generation: int) -> bool:
        files = (
            FileState(*row) for row in self._ledger.run("files_all", (generation,))
        )
        return self._manifest.has_same_files(files)

    def gaps(self, end: int | None) -> Iterator[Gaps]:
        """Count rows without values that the prompt needs, slice by slice."""
        return self._manifest.gaps(end)

    async def write(
        self,
        writer: Writer,
        offload: Offload,
        *,
        at_once: bool,
        propose: bool = False,
        pause: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        """Read the manifest to its end; `is_current` was asked before.

        Args:
            writer: Where slices go.
            offload: Where the reading is done.
            at_once: Whether the plan counts from its first slice on.
            propose: Whether it counts only once `adopt` is called.
            pause: Called when a slice is in the plan, with the seconds that it took.

        Raises:
            SpecError: the file cannot be read on with certainty.
            ReadingStopped: `stop` was called.
        """
        bookmark = self._bookmark
        # Made by the writer: the plan is written through the ledger that it owns.
        plan = self._plan = await writer.commit(
            lambda ledger: PlanWriter(
                ledger,
                key_of,
                claimed_stems,
                dedupe=self._choice.job.dedupe,
                reader=self._ledger,
                generation=bookmark.generation if bookmark else None,
            )
        )
        plan.id_column = self._choice.job.columns.get("id", "id")
        schema = self._manifest.own_schema
        with closing(plan):
            await offload(lambda: self._prepare(plan))
            slices = self._manifest.slices(SLICE, self.rows)
            began = anyio.current_time()
            while (step := await offload(lambda: self._next(slices, plan))) is not None:
                if at_once:
                    # Not before: a plan without rows must not take another's place.
                    step, at_once = _after(lambda _: plan.begin(schema), step), False
                self.rows = await writer.commit(step, may_wait=True)
                if pause is not None:
                    await pause(anyio.current_time() - began)
                    began = anyio.current_time()
            await writer.commit(lambda _: plan.end(rebuy=self._rebuy))
        if not propose:
            await self.adopt(writer)

    async def adopt(self, writer: Writer) -> None:
        """Let the plan that was written count from now on."""
        if (plan := self._plan) is not None and not self.finished:
            digest, rows = self._digest_read, self.rows
            schema = self._manifest.own_schema
            await writer.commit(lambda _: plan.complete(digest, schema, rows))
        self.finished = True

    def _prepare(self, plan: PlanWriter) -> None:
        """Look up what stands in the ledger, also of a reading that is carried on."""
        plan.look_up(self._go_on)
        if self._bookmark is None:
            return
        positions = unplaced_positions(self._ledger, plan.generation)
        entries = map(self._judged, self._manifest.rows_at(positions))
        plan.remember(
            entry.fingerprint for entry in entries if entry.fingerprint is not None
        )
        if self._choice.spread is not None:
            self._choice.spread.dealt = dict(self._bookmark.dealt)

    def _next(
        self, slices: Iterator[Slice], plan: PlanWriter
    ) -> Callable[[Ledger], int] | None:
        """Read and judge a slice.

        Returns:
            The step that writes it and returns how many rows are in the plan then;
            None at the end.
        """
        self._go_on()
        part = next(slices, None)
        if part is None:
            return None
        first, rows = self.rows, self.rows + len(part.rows)
        entries = [self._judged(row) for row in part.rows]
        # Rows that share are judged one by one, by what was written of those above.
        judged = None if self._choice.job.dedupe else plan.judge(entries)
        spread = self._choice.spread
        dealt = {} if spread is None else dict(spread.dealt)

        def step(_: Ledger) -> int:
            if judged is None:
                plan.add(entries, part.own, first)
            else:
                plan.add_judged(judged, part.own, first)
            plan.keep_files(part.files)
            plan.bookmark(self._digest_read, rows, dealt)
            return rows

        return step

    def _judged(self, row: Row) -> PlanEntry:
        """Judge a row; an unexpected fault makes that row alone invalid."""
        try:
            return entry_of(row, self._choice)
        except BatchgenError:
            raise
        except Exception as fault:
            self.log.exception("row_fault", extra={"position": row.position})
            problem = Problem(column=None, message=fault_words(fault))
            bare = replace(row, request=None, fingerprint=None, problem=problem)
            return entry_of(bare, self._choice)

    def _digest(self) -> str:
        choice, job = self._choice, self._choice.job
        terms = [
            (it.name, job.terms_of(it.name).model, choice.able[it.name])
            for it in choice.chosen
        ]
        ways = (job.unsupported, job.references.shrink, job.dedupe, job.route)
        stated = (5, self._manifest.digest(), terms, ways, _priced(choice.prices))
        return hashlib.sha256(repr(stated).encode()).hexdigest()


def _after(
    first: Callable[[Ledger], None], then: Callable[[Ledger], T]
) -> Callable[[Ledger], T]:
    def step(ledger: Ledger) -> T:
        first(ledger)
        return then(ledger)

    return step


def _priced(prices: Mapping[str, PriceList]) -> list[str]:
    # A set has no order of its own that would be the same in the next process.
    return [
        f"{name}/{price.resolution}/{sorted(price.models)}/"
        f"{sorted(price.tiers, key=str)}={price.expected}+{price.per_reference}"
        for name, listed in sorted(prices.items())
        for price in listed
    ]
