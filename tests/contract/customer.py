"""A customer of one provider: runs manifests at a sandbox, and looks at both books."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from batchgen.engines.config import RunConfig, RunResult
from batchgen.engines.folder import open_folder
from batchgen.engines.rehearsal import prices_from
from batchgen.model import Job, PriceList, Terms
from batchgen.provider import PollSchedule, Provider, TaskProvider
from batchgen.providers import PROVIDERS
from batchgen.sandbox import KEY, SandboxProcess
from batchgen.sandbox.drawing import stand_in
from tests.books import Books, Record, read_books
from tests.drive import never_ask, run_job
from tests.law import check_archive, check_money, check_table

MANIFEST = "rows.parquet"
QUICK = PollSchedule(first_s=0.01, every_s=0.01, factor=1.0, longest_s=0.01)

Tariff = Mapping[str, Mapping[str, str]]
Hook = Callable[[Provider], Provider]


def quick(provider: Provider) -> Provider:
    """Return a provider's twin whose tasks are asked for without much waiting."""
    twin = copy(provider)
    if isinstance(provider, TaskProvider):
        vars(twin)["polling"] = QUICK
    return twin


@dataclass
class Customer:
    """One manifest and one run folder at one provider of a sandbox.

    Attributes:
        folder: Of the manifest; the run folder is in it.
        bank: The sandbox; what it did for others before is none of ours.
        twin: What the provider is replaced with.
        prices: The sandbox's tariff as a rehearsal has it.
    """

    folder: Path
    bank: SandboxProcess
    provider: str
    twin: Hook = quick
    tariff: Tariff = field(init=False)
    prices: PriceList = field(init=False)
    _billed_before: frozenset[str] = field(init=False)
    _asked_before: int = field(init=False)

    def __post_init__(self) -> None:
        document = self.bank.tariff()
        self.tariff = document[self.provider]
        self.prices = prices_from(document, self.provider)
        entries = self.bank.bill(self.provider)["entries"]
        self._billed_before = frozenset(it["id"] for it in entries)
        self._asked_before = 0
        self._asked_before = len(self.requests())

    @property
    def cheapest(self) -> str:
        return next(iter(self.tariff))

    def row(self, prompt: str, **stated: Any) -> Record:
        """Return a small image's row."""
        small = {"aspect_ratio": "1:1", "resolution": self.cheapest, "n": 1}
        return {"id": prompt, "prompt": prompt, **small, **stated}

    def write(self, rows: Sequence[Record]) -> None:
        """Write the manifest."""
        table = pl.DataFrame(rows, infer_schema_length=None)
        table.write_parquet(self.folder / MANIFEST)

    def job(self, terms: Mapping[str, Any], **said: Any) -> Job:
        at = Terms(
            base_url=self.bank.provider_url(self.provider),
            **{"concurrency": 1, **terms},
        )
        source = self.folder / MANIFEST
        job = Job(
            source=source,
            manifest=source,
            out=self.folder / "out",
            providers=(self.provider,),
            terms={self.provider: at},
            max_failures=None,  # what is wrong here is wrong on purpose
        )
        return replace(job, **said)

    async def run(self, **said: Any) -> RunResult:
        """Run the manifest to its end; `terms` are the provider's."""
        return await self.run_job(self.job(said.pop("terms", {}), **said))

    async def run_job(self, job: Job) -> RunResult:
        """Run a job to its end, as a rehearsal does."""
        config = RunConfig(
            providers={**PROVIDERS, self.provider: self.twin(PROVIDERS[self.provider])},
            keys=dict.fromkeys(PROVIDERS, KEY),
            prices={self.provider: self.prices},
            consented=True,
            ask=never_ask,
            seed=7,
            stand_in=stand_in(),
        )
        return await run_job(job, config)

    def retry(self, status: str) -> int:
        """Mark rows as `batchgen retry` does."""
        out = self.folder / "out"
        with open_folder(out, None, None) as folder, folder.ledger.transaction():
            values = (status, folder.ledger.generation)
            return folder.ledger.run("retry_by_status", values).rowcount

    # -- what came of it

    def requests(self) -> list[Record]:
        """Return the purchase requests that arrived from us, oldest first."""
        ours = [it for it in self.bank.requests() if it["provider"] == self.provider]
        return ours[self._asked_before :]

    def books(self, out: Path | None = None) -> Books:
        """Return what both sides wrote down; `out` is the run folder if another."""
        entries = self.bank.bill(self.provider)["entries"]
        bill = [entry for entry in entries if entry["id"] not in self._billed_before]
        folder = out or self.folder / "out"
        return read_books(folder, bill=bill, requests=self.requests())


def check_books(books: Books) -> None:
    """Check the laws that hold whatever happened."""
    check_table(books)
    if any(row["files"] for row in books.rows):
        check_archive(books)
    check_money(books)
