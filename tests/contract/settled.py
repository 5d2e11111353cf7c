"""Purchases that go wrong in every way, and what the provider's bill says of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from batchgen.engines.bill import BillFormat, micros_of, read_bill
from batchgen.engines.comparing import Bill, Kind
from batchgen.engines.reconciling import Reconciled, reconcile
from batchgen.sandbox.app import SERVICES
from batchgen.sandbox.faults import REPLY_NEVER_COMES, Fault
from tests.acceptance.books import Books, nano_of
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
    return [it for it in Fault if it in faults]


def bill_of(customer: Customer, *, days: int | None = 1) -> Bill:
    """Return what the provider exports; it covers some days around now, or no more."""
    path = customer.folder / "export.csv"
    path.write_bytes(customer.bank.bill_as_csv(customer.provider))
    mine = customer.books().bill
    names = {it["id"] for it in mine}
    lines = [it for it in read_bill(path, BillFormat()) if it.id in names]
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
    done: Reconciled
    after: Books


async def buy_and_settle(customer: Customer, rows: int) -> Settled:
    """Buy rows through all that can go wrong, retire half, and settle by the bill."""
    for fault in unsure_of(customer.provider):
        customer.bank.queue_fault(customer.provider, fault)
    wanted = [customer.row(f"a bowl {it}") for it in range(rows)]
    customer.write(wanted)
    await customer.run(max_unknown=1)
    customer.write(wanted[rows // 2 :])
    await customer.run(max_unknown=1)
    before = customer.books()
    out = customer.folder / "out"
    done = reconcile(out, bill_of(customer), settles=True)
    return Settled(before, done, customer.books())


def check_settled(it: Settled, customer: Customer) -> None:
    """Check that our books are the bill, in the ledger and in both tables."""
    totals = it.done.totals
    assert totals.spent + totals.retired == it.after.billed == it.before.billed
    assert (totals.at_risk, totals.at_risk_attempts) == (0, 0)
    assert totals.retired == it.after.retired > 0
    assert (it.after.spent, it.after.at_risk) == (it.after.billed, 0)
    purchases = pl.read_parquet(customer.folder / "out" / "attempts.parquet")
    costs = [nano_of(usd) for usd in purchases["cost_usd"] if usd is not None]
    assert sum(costs) == it.after.billed
    assert not any(purchases["at_risk_usd"])
    assert [row["status"] for row in it.after.rows] == [
        row["status"] for row in it.before.rows
    ]
    settled = [line for line in it.done.found.differences if line.kind in _SETTLED]
    assert it.done.found.remaining == []
    assert len(settled) == it.done.settled > 0
    again = reconcile(customer.folder / "out", bill_of(customer), settles=False)
    assert again.found.differences == []
    assert again.found.agreed == len(it.after.bill)


_SETTLED = (Kind.NOW_KNOWN, Kind.NOT_CHARGED, Kind.OTHER_AMOUNT)
