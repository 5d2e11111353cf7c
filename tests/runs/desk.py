"""A job, its manifest and its run folder, run as often as a test wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

import batchgen
from batchgen.ledger import AttemptRecord, RowRecord, Totals, settle_charge
from batchgen.model import Job, Price, PriceList, Status, Terms, to_nano
from batchgen.providers.aimlapi import AimlApi
from batchgen.providers.apiai import ApiAi
from batchgen.providers.base import PollSchedule, Provider
from batchgen.providers.foxapi import FoxApi
from batchgen.runner.config import RunResult
from batchgen.runner.folder import open_folder, read_ledger
from batchgen.runner.handle import RunHandle
from batchgen.runner.progress import Progress
from tests.books import total_nano
from tests.drive import run_job
from tests.law import check_amounts
from tests.runs.shop import Shop

EVERY = 1 << 62
AGREED = Decimal("0.05")
KNOWN = ("aimlapi", "foxapi", "apiai")
PRICES: Mapping[str, PriceList] = {
    "aimlapi": AimlApi.prices,
    "foxapi": (Price.agreed(AGREED, "agreed"),),
    "apiai": (Price.agreed(AGREED, "agreed"),),
}


class QuickFox(FoxApi):
    """FoxAPI whose tasks are asked for without much waiting."""

    def __init__(self, deadline_s: float = 3600.0) -> None:
        self.polling = PollSchedule(
            first_s=0.01,
            every_s=0.01,
            factor=1.0,
            longest_s=0.01,
            deadline_s=deadline_s,
        )


def statuses(outcome: RunResult) -> dict[Status, int]:
    """Return how many rows ended in each way."""
    assert outcome.totals is not None
    return {status: count for status, count in outcome.totals.rows.items() if count}


def rows(count: int) -> list[str]:
    """Return prompts that tell rows apart."""
    return [f"row {number}" for number in range(count)]


@dataclass
class Desk:
    """What a user has on the desk; `run` is the command."""

    folder: Path
    shop: Shop
    provider: str = "foxapi"
    keys: Sequence[str] = KNOWN
    fox: QuickFox = field(default_factory=QuickFox)
    prices: Mapping[str, PriceList] = field(default_factory=lambda: PRICES)
    notices: list[str] = field(default_factory=list)
    others: Mapping[str, Provider] = field(default_factory=dict)
    key_suffix: str = ""
    secret: str | None = None
    handle: RunHandle = field(default_factory=RunHandle)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def write(self, *rows: str, ids: Sequence[str] | None = None) -> None:
        """Write the manifest: one prompt each row."""
        columns: dict[str, Sequence[str]] = {"prompt": rows}
        if ids is not None:
            columns = {"id": ids} | columns
        self.write_columns(**columns)

    def write_columns(self, **columns: Sequence[Any]) -> None:
        """Write the manifest, column by column."""
        pl.DataFrame(columns).write_csv(self.folder / "rows.csv")

    def job(self, **settings: Any) -> Job:
        terms = {
            name: Terms(base_url=f"{self.shop.url}/{name}", concurrency=1)
            for name in (*KNOWN, *self.others)
        }
        source = self.folder / "rows.csv"
        return Job(
            source=source,
            manifest=source,
            out=self.out,
            **({"providers": (self.provider,), "terms": terms} | settings),
        )

    async def run(self, *, rebuy: bool = False, **settings: Any) -> RunResult:
        """Run the job to its end; `settings` stands above what the desk says."""
        self.handle = RunHandle()
        providers: dict[str, Provider] = {
            "aimlapi": AimlApi(),
            "foxapi": self.fox,
            "apiai": ApiAi(),
            **self.others,
        }
        return await run_job(
            self.job(**settings),
            providers=providers,
            keys={
                name: self.secret or f"key-of-{name}{self.key_suffix}"
                for name in (*self.keys, *self.others)
            },
            prices=self.prices,
            rebuy=rebuy,
            progress=Progress(notice=self.notices.append),
            handle=self.handle,
            seed=7,
        )

    def wide(self, provider: str, concurrency: int, **terms: Any) -> dict[str, Terms]:
        """Return terms that let a provider have more purchases under way."""
        usual = self.job().terms
        wider = replace(usual[provider], concurrency=concurrency, **terms)
        return {**usual, provider: wider}

    # -- what came of it

    def table(self) -> list[dict[str, Any]]:
        return pl.read_parquet(self.out / "results.parquet").to_dicts()

    def row(self) -> dict[str, Any]:
        (only,) = self.table()
        return only

    def totals(self) -> Totals:
        ledger = read_ledger(self.out)
        try:
            return ledger.totals(EVERY)
        finally:
            ledger.close()

    def attempts(self) -> list[AttemptRecord]:
        """Return all attempts of the folder, oldest first."""
        ledger = read_ledger(self.out)
        try:
            ids = ledger._connection.execute("SELECT row_id FROM rows")
            attempts = [ledger.attempts_of(row_id) for (row_id,) in ids.fetchall()]
        finally:
            ledger.close()
        return sorted(
            (attempt for of_row in attempts for attempt in of_row),
            key=lambda attempt: attempt.attempt_id,
        )

    def rows(self) -> list[RowRecord]:
        ledger = read_ledger(self.out)
        try:
            ids = ledger._connection.execute("SELECT row_id FROM rows")
            return [ledger.row(row_id) for (row_id,) in ids.fetchall()]
        finally:
            ledger.close()

    def retry(self, status: str) -> int:
        """Mark rows as `batchgen retry` does."""
        return batchgen.open(self.out).retry(status=status)

    def settle(self, attempt_id: int, usd: Decimal) -> None:
        """Write down what a bill says of an attempt."""
        with open_folder(self.out, None, None) as folder, folder.ledger.transaction():
            settle_charge(folder.ledger, attempt_id, to_nano(usd))

    def check_money(self) -> None:
        """Check the law of money against the shop's own bill."""
        totals = self.totals()
        spent = totals.spent + totals.superseded
        check_amounts(spent, self.shop.billed_nano, totals.at_risk)
        assert total_nano(row["cost_usd"] for row in self.table()) == totals.spent
