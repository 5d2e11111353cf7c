"""Runs that are killed at a point and then given the same command again."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl
from PIL import Image

from batchgen.planning.planner import SLICE
from batchgen.providers import PROVIDERS, key_variable
from batchgen.sandbox import SandboxProcess
from tests.books import Books, ledger_rows, read_books
from tests.crash.audit import (
    REFUSED,
    DiskState,
    KillEffects,
    check,
    check_loss,
    compare,
)
from tests.crash.modes import MODES, Case, Mode, loss_at
from tests.crash.power import PowerLoss
from tests.crash.stable import Errand, Stable
from tests.warm import Ended

KEY = "sk-0a1b2c3d4e5f60718293a4b5"
_CAME = """
  SELECT rows.id, max(images.link IS NOT NULL) AS is_link
  FROM rows JOIN attempts USING (row_id) JOIN images USING (attempt_id)
  GROUP BY rows.id ORDER BY rows.row_id
"""


@dataclass(slots=True)
class Ground:
    """Where runs are killed: one sandbox, one stable, and prompts for each mode."""

    bank: SandboxProcess
    stable: Stable
    folder: Path
    _prompts: dict[str, list[str]] = field(default_factory=dict)

    def prompts(self, name: str) -> list[str]:
        """Return prompts whose images come in the way that the mode means."""
        if name not in self._prompts:
            self._prompts[name] = self._scout(name)
        return self._prompts[name]

    def _scout(self, name: str) -> list[str]:
        mode = MODES[name]
        prompts = [f"a cup, no. {number}" for number in range(24)]
        if mode.way == "task":
            return prompts
        folder = self.folder / f"scout-{name}"
        customer = Customer(self.bank, self.stable, mode, folder)
        customer.write(prompts)
        ended = customer.run()
        assert ended.code == 0, ended
        rows = ledger_rows(folder / "out" / "run.db", _CAME)
        return [row["id"] for row in rows if row["is_link"] == (mode.way == "link")]

    def survive(self, case: Case) -> KillEffects:
        """Kill a run, let it end, check every law, and say what it cost.

        Raises:
            AssertionError: a law does not hold, or the point was never passed.
        """
        mode, rows = MODES[case.mode], self._rows(case)
        folder = Path(tempfile.mkdtemp(prefix=f"{case}-", dir=self.folder))
        customer = Customer(self.bank, self.stable, mode, folder)
        is_second = case.point.startswith("planned-") and case.nth > 1
        customer.write(rows, padding=SLICE if is_second else 0)
        if case.after is not None:
            customer.kill_at(case.after, 1)
        if case.power is None:
            customer.kill_at(case.point, case.nth)
        else:
            notes = folder / "notes"
            customer.kill_at(case.point, case.nth, notes)
            rng = random.Random(str(case))
            PowerLoss(folder / "out", notes, case.point, rng).strike()
        disk = DiskState.of(folder / "out")
        ended = customer.run()
        books = customer.books()
        check(books, rows, mode.n, ended)
        effects = compare(disk, books, len(rows))
        assert effects.adopted == customer.adopted()
        loss = loss_at(mode, case.point)
        is_exact = case.nth == 1 and case.after is None and case.power is None
        if is_exact and loss is not None:
            check_loss(loss, effects, books)
        shutil.rmtree(folder)
        return effects

    def _rows(self, case: Case) -> list[str]:
        prompts = self.prompts(case.mode)
        if case.nth > 1:
            return [
                prompt
                for pair in zip(prompts, REFUSED, strict=False)
                for prompt in pair
            ]
        is_refused = case.point.startswith("ended-")
        return [REFUSED[0] if is_refused else prompts[0]]


@dataclass(slots=True)
class Customer:
    """One manifest and its run folder.

    Attributes:
        options: Of every `run`, beyond what all runs here have.
    """

    bank: SandboxProcess
    stable: Stable
    mode: Mode
    folder: Path
    options: tuple[str, ...] = ("--concurrency", "2", "--max-unknown", "4")
    _limit: int = field(init=False, default=0)
    _billed_before: frozenset[str] = field(init=False)
    _asked_before: int = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        entries = self.bank.bill(self.mode.provider)["entries"]
        self._billed_before = frozenset(sale["id"] for sale in entries)
        self._asked_before = len(self.bank.requests())

    def write(self, prompts: Sequence[str], padding: int = 0) -> None:
        """Write the manifest; rows of the padding are never in scope."""
        self._limit = len(prompts)
        all_prompts = [*prompts, *(f"never, no. {index}" for index in range(padding))]
        rows = [
            {"id": prompt, "prompt": prompt, "n": self.mode.n} for prompt in all_prompts
        ]
        if self.mode.uploads:
            for number in range(2):
                colour = (number * 90, 40, 40)
                Image.new("RGB", (32, 32), colour).save(self.folder / f"{number}.png")
            rows = [
                prompt | {"references": f"{at % 2}.png"}
                for at, prompt in enumerate(rows)
            ]
        pl.DataFrame(rows).write_parquet(self.folder / "rows.parquet")

    def kill_at(self, point: str, nth: int, notes: Path | None = None) -> None:
        ended = self.run(point=point, nth=nth, notes=notes)
        assert ended.code == -9, (point, nth, ended)

    def run(
        self,
        *,
        limit: int | None = None,
        point: str | None = None,
        nth: int = 1,
        after_s: float | None = None,
        notes: Path | None = None,
    ) -> Ended:
        """Run to the end, or until it is killed."""
        mode, bank = self.mode, self.bank
        # A price that is given stands above tokens, which are what others charge.
        priced = PROVIDERS[mode.provider].prices
        fare = bank.tariff()[mode.provider][mode.resolution]
        price = () if priced else ("--price", fare["ceiling_usd"])
        arguments = (
            *("run", "rows.parquet", "--out", "out", "--provider", mode.provider),
            *("--base-url", bank.provider_url(mode.provider)),
            *(*price, "--resolution", mode.resolution),
            *("--aspect-ratio", "1:1", "--yes", "--quiet", *self.options),
            *("--limit", str(limit or self._limit)),
        )
        errand = Errand(
            folder=self.folder,
            arguments=arguments,
            point=point,
            nth=nth,
            after_s=after_s,
            notes=notes,
            environment={key_variable(mode.provider): KEY},
        )
        return self.stable.run(errand)

    def adopted(self) -> int:
        """Return how many images the last run found in the ZIP."""
        lines = (self.folder / "out" / "run.log").read_text().splitlines()
        started = [line for line in lines if "adopted=" in line]
        return int(started[-1].split("adopted=")[1].split()[0])

    def books(self) -> Books:
        """Return what both sides wrote down of this run alone."""
        entries = self.bank.bill(self.mode.provider)["entries"]
        bill = [sale for sale in entries if sale["id"] not in self._billed_before]
        requests = self.bank.requests()[self._asked_before :]
        books = read_books(self.folder / "out", bill=bill, requests=requests)
        in_scope = [row for row in books.rows if not row["prompt"].startswith("never")]
        return replace(books, rows=in_scope)
