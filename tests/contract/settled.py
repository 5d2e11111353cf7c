"""Purchases that go wrong in every way, and what the provider's bill says of them.

`python -m tests.contract.settled` lets hundreds of rows live through a storm at each
provider, retires half of them, settles what is at risk by the sandbox's bill, and
fails unless both books are the same to the nano-dollar.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import polars as pl

from batchgen.billing.bill import BillFormat, read_bill
from batchgen.billing.comparison import Bill, Kind
from batchgen.billing.reconciliation import Reconciliation, reconcile
from batchgen.model import dollars, micros_of
from batchgen.providers import PROVIDERS
from batchgen.sandbox import start_sandbox
from batchgen.sandbox.faults import REPLY_NEVER_COMES, Fault
from batchgen.sandbox.services import SERVICES
from tests.books import Books, nano_of
from tests.contract.customer import Customer

UNSURE = REPLY_NEVER_COMES | {
    Fault.LOST_BEFORE,
    Fault.NO_IMAGE,
    Fault.GENERATION_FAILED,
    Fault.TASK_UNKNOWN,
}
"""After which nobody knows for certain what was charged, at some provider at least."""


def unsure_of(provider: str) -> list[Fault]:
    """Return such faults of a provider, in an order of their own."""
    faults = UNSURE & SERVICES[provider].faults  # type: ignore[attr-defined]
    return [fault for fault in Fault if fault in faults]


def bill_of(customer: Customer, *, days: int | None = 1) -> Bill:
    """Return what the provider exports; it covers some days around now, or no more."""
    path = customer.folder / "export.csv"
    path.write_bytes(customer.sandbox.bill_as_csv(customer.provider))
    mine = customer.books().bill
    names = {sale["id"] for sale in mine}
    lines = [sale for sale in read_bill(path, BillFormat()) if sale.id in names]
    now = datetime.now(UTC)
    around = timedelta(days=days or 0)
    covers = (micros_of(now - around), micros_of(now + around)) if days else None
    return Bill(
        provider=customer.provider, lines=lines, slack=120_000_000, covers=covers
    )


@dataclass(frozen=True, slots=True)
class Settled:
    """A run folder before and after its bill."""

    before: Books
    done: Reconciliation
    after: Books


async def buy_and_settle(customer: Customer, rows: int, **terms: Any) -> Settled:
    """Buy rows, retire half of them, and settle by the bill."""
    bowls = [customer.row(f"a bowl {index}") for index in range(rows)]
    for some in (bowls, bowls[rows // 2 :]):
        customer.write(some)
        await customer.run(max_unknown=1, terms=terms)
    before = customer.books()
    out = customer.folder / "out"
    done = reconcile(out, bill_of(customer), settles=True)
    return Settled(before, done, customer.books())


def check_settled(figures: Settled, customer: Customer) -> None:
    """Check that our books are the bill, in the ledger and in both tables."""
    totals = figures.done.totals
    assert (
        totals.spent + totals.superseded
        == figures.after.billed
        == figures.before.billed
    )
    assert (totals.at_risk, totals.at_risk_attempts) == (0, 0)
    assert totals.superseded == figures.after.superseded > 0
    assert (figures.after.spent, figures.after.at_risk) == (figures.after.billed, 0)
    purchases = pl.read_parquet(customer.folder / "out" / "attempts.parquet")
    costs = [nano_of(usd) for usd in purchases["cost_usd"] if usd is not None]
    assert sum(costs) == figures.after.billed
    assert not any(purchases["at_risk_usd"])
    assert [row["status"] for row in figures.after.rows] == [
        row["status"] for row in figures.before.rows
    ]
    settled = [
        line for line in figures.done.comparison.differences if line.kind in _SETTLED
    ]
    assert figures.done.comparison.remaining == []
    assert len(settled) == figures.done.settled > 0
    again = reconcile(customer.folder / "out", bill_of(customer), settles=False)
    assert again.comparison.differences == []
    assert again.comparison.matches == len(figures.after.bill)


_SETTLED = (Kind.NOW_KNOWN, Kind.NOT_CHARGED, Kind.OTHER_AMOUNT)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.contract.settled")
    parser.add_argument("--provider", choices=list(PROVIDERS), action="append")
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for provider in arguments.provider or PROVIDERS:
        sys.stdout.write(f"{summary(provider, arguments.rows, arguments.seed)}\n")
        sys.stdout.flush()


def summary(provider: str, rows: int, seed: int) -> str:
    """Settle one provider's storm and return the figures."""
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix=f"settled-{provider}-"))
    sys.stderr.write(f"{folder}\n")
    with start_sandbox(
        folder / "bank", faults="storm", seed=seed, latency=0.05
    ) as sandbox:
        customer = Customer(folder, sandbox, provider)
        settled = anyio.run(lambda: buy_and_settle(customer, rows, concurrency=16))
        check_settled(settled, customer)
    shutil.rmtree(folder)
    kinds = Counter(
        difference.kind for difference in settled.done.comparison.differences
    )
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    facts = (
        f"{len(settled.before.bill)} lines, {dollars(settled.before.billed)}",
        f"at risk before {dollars(settled.before.at_risk)}",
        counts,
        f"retired {dollars(settled.after.superseded)}",
        f"spent = bill, {time.monotonic() - started:.0f} s",
    )
    return f"{provider}: {'; '.join(facts)}"


if __name__ == "__main__":
    main()
