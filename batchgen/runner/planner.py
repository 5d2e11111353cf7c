"""Read the manifest into the plan, slice by slice, as one generation of it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from batchgen.errors import BatchgenError
from batchgen.ledger import Ledger, PlanEntry, PlanWriter, Reader
from batchgen.ledger.edits import has_kept
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

SLICE = 1000
"""Rows to a step of the plan: it holds up the event loop for some 10 ms."""


class Planner:
    """Turns one reading of a manifest into one generation of the plan."""

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
        self.states = manifest.states
        self.rows = 0
        self.finished = False
        self._written_digest = ""

    @property
    def generation(self) -> int:
        """The reading that was written, or else the one that counts."""
        return self._plan.generation if self._plan else self._ledger.generation

    def advice(self) -> Iterator[str]:
        """Yield what would make the table safer to edit, all of it being read."""
        return self._manifest.id_advice()

    def is_current(self) -> bool:
        """Say whether the plan was made from the same manifest, settings and images."""
        if self._rebuy and has_kept(self._ledger):
            return False
        if self._ledger.get("plan_digest") != self._digest():
            return False
        values = (self._ledger.generation,)
        files = (FileState(*it) for it in self._ledger.run("files_all", values))
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
        told: Callable[[], None] = lambda: None,
    ) -> None:
        """Read the manifest to its end.

        Args:
            writer: Where slices go.
            offload: Where the reading is done.
            at_once: Whether the plan counts from its first slice on.
            propose: Whether it counts only once `adopt` is called.
            told: Called when a slice is in the plan.

        Raises:
            SpecError: the file cannot be read on with certainty.
        """
        # Made by the writer: the plan is written through the ledger that it owns.
        plan = self._plan = await writer.commit(
            lambda ledger: PlanWriter(
                ledger,
                key_of,
                claimed_stems,
                dedupe=self._choice.job.dedupe,
                rebuy=self._rebuy,
                reader=self._ledger,
            )
        )
        # The digest is taken before the first row is read: a file that is changed
        # while it is read is read again by the next run.
        self._written_digest = await offload(self._digest)
        schema = self._manifest.own_schema
        if at_once:
            await writer.commit(lambda _: plan.begin(schema))
        self.rows = 0
        slices = self._manifest.slices(SLICE)
        with closing(plan):
            while (step := await offload(lambda: self._next(slices, plan))) is not None:
                await writer.commit(step)
                told()
            await writer.commit(lambda _: plan.end())
        if not propose:
            await self.adopt(writer)

    async def adopt(self, writer: Writer) -> None:
        """Let the plan that was written count from now on."""
        if (plan := self._plan) is not None and not self.finished:
            digest, rows = self._written_digest, self.rows
            schema = self._manifest.own_schema
            await writer.commit(lambda _: plan.complete(digest, schema, rows))
        self.finished = True

    def _next(
        self, slices: Iterator[Slice], plan: PlanWriter
    ) -> Callable[[Ledger], None] | None:
        """Read and judge a slice; return the step that writes it, None at the end."""
        part = next(slices, None)
        if part is None:
            return None
        first = self.rows
        self.rows += len(part.rows)
        entries = [self._judged(row) for row in part.rows]
        # Rows that share are judged one by one, by what was written of those above.
        judged = None if self._choice.job.dedupe else plan.judge(entries)

        def step(_: Ledger) -> None:
            if judged is None:
                plan.add(entries, part.own, first)
            else:
                plan.add_judged(judged, part.own, first)
            plan.keep_files(part.files)

        return step

    def _judged(self, row: Row) -> PlanEntry:
        """Judge a row; an unexpected fault makes that row alone invalid."""
        try:
            return entry_of(row, self._choice)
        except BatchgenError:
            raise
        except Exception as fault:
            logging.getLogger("batchgen.run").exception(
                "row_fault", extra={"position": row.position}
            )
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


def _priced(prices: Mapping[str, PriceList]) -> list[str]:
    # A set has no order of its own that would be the same in the next process.
    return [
        f"{name}/{price.resolution}/{sorted(price.models)}/"
        f"{sorted(price.tiers, key=str)}={price.expected}+{price.per_reference}"
        for name, listed in sorted(prices.items())
        for price in listed
    ]
