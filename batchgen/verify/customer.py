"""A customer of one provider: runs manifests at a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from batchgen.errors import SpecError
from batchgen.ledger.estimate import Estimate
from batchgen.model import Job, PriceList, Terms
from batchgen.output.plain_tables import Record, write_records
from batchgen.providers import PROVIDERS
from batchgen.providers.base import PollSchedule, Provider, TaskProvider
from batchgen.runner.config import RunConfig, RunResult
from batchgen.runner.engine import Engine
from batchgen.runner.folder import open_folder
from batchgen.runner.progress import Progress
from batchgen.runner.rehearsal import prices_from
from batchgen.sandbox import KEY, SandboxProcess
from batchgen.sandbox.drawing import stand_in
from batchgen.verify.books import Books, check_money, read_tables

MANIFEST = "rows.parquet"
QUICK = PollSchedule(first_s=0.01, every_s=0.01, factor=1.0, longest_s=0.01)

Tariff = Mapping[str, Mapping[str, str]]
Hook = Callable[[Provider], Provider]


def quick(provider: Provider) -> Provider:
    """Return a copy of a provider whose tasks are polled without much waiting."""
    quick_provider = copy(provider)
    if isinstance(provider, TaskProvider):
        vars(quick_provider)["polling"] = QUICK
    return quick_provider


def never_ask(estimate: Estimate) -> None:
    """Raise: a run that has consent must not ask for it."""
    raise SpecError(f"the run asked for consent that it had: {estimate}")


@dataclass
class Customer:
    """One manifest and one run folder at one provider of a sandbox.

    Attributes:
        folder: Of the manifest; the run folder is in it.
        sandbox: What it did for others before does not count.
        replace_provider: Returns the provider that the runs use in place of ours.
        tariff: Of the sandbox, for this provider.
        prices: The prices of a rehearsal, from the tariff.
        outcomes: The result of each run, in order.
    """

    folder: Path
    sandbox: SandboxProcess
    provider: str
    replace_provider: Hook = quick
    tariff: Tariff = field(init=False)
    prices: PriceList = field(init=False)
    outcomes: list[RunResult] = field(init=False, default_factory=list)
    _billed_before: frozenset[str] = field(init=False)
    _requests_before: int = field(init=False)

    def __post_init__(self) -> None:
        document = self.sandbox.tariff()
        self.tariff = document[self.provider]
        self.prices = prices_from(document, self.provider)
        entries = self.sandbox.bill(self.provider)["entries"]
        self._billed_before = frozenset(entry["id"] for entry in entries)
        self._requests_before = 0
        self._requests_before = len(self.requests())

    @property
    def cheapest(self) -> str:
        """The resolution that costs least."""
        return next(iter(self.tariff))

    @property
    def out(self) -> Path:
        """The run folder."""
        return self.folder / "out"

    def row(self, prompt: str, **columns: Any) -> Record:
        """Return the row of a small image."""
        small = {"aspect_ratio": "1:1", "resolution": self.cheapest, "n": 1}
        return {"id": prompt, "prompt": prompt, **small, **columns}

    def write(self, rows: Sequence[Record]) -> None:
        """Write the manifest."""
        write_records(self.folder / MANIFEST, rows)

    def job(self, terms: Mapping[str, Any], **settings: Any) -> Job:
        """Return a job; `terms` are the provider's."""
        at = Terms(
            base_url=self.sandbox.provider_url(self.provider),
            **{"concurrency": 1, **terms},
        )
        source = self.folder / MANIFEST
        job = Job(
            source=source,
            manifest=source,
            out=self.out,
            providers=(self.provider,),
            terms={self.provider: at},
            max_failures=None,  # the faults are intended
        )
        return replace(job, **settings)

    async def run(self, **settings: Any) -> RunResult:
        """Run the manifest to its end; `terms` are the provider's."""
        return await self.run_job(self.job(settings.pop("terms", {}), **settings))

    async def run_job(self, job: Job) -> RunResult:
        """Run a job to its end, as a rehearsal does."""
        provider = self.replace_provider(PROVIDERS[self.provider])
        config = RunConfig(
            providers={**PROVIDERS, self.provider: provider},
            keys=dict.fromkeys(PROVIDERS, KEY),
            prices={self.provider: self.prices},
            paid_hosts=False,
            consented=True,
            rebuy=False,
            ask=never_ask,
            progress=Progress(),
            seed=7,
            stand_in=stand_in(),
        )
        with open_folder(job.out, job.source, "loopback") as folder:
            outcome = await Engine(job, folder, config).run()
        self.outcomes.append(outcome)
        return outcome

    # -- results

    def requests(self) -> list[Record]:
        """Return the purchase requests of this customer, oldest first."""
        requests = self.sandbox.requests()
        ours = [entry for entry in requests if entry["provider"] == self.provider]
        return ours[self._requests_before :]

    def read_books(self) -> Books:
        """Return the records of both sides.

        Raises:
            CheckFailed: They do not agree on the money.
        """
        rows, attempts = read_tables(self.out)
        books = Books(
            rows=rows, attempts=attempts, bill=self.bill(), requests=self.requests()
        )
        check_money(books)
        return books

    def bill(self) -> list[Record]:
        """Return the bill of this customer, oldest entry first."""
        entries = self.sandbox.bill(self.provider)["entries"]
        return [entry for entry in entries if entry["id"] not in self._billed_before]
