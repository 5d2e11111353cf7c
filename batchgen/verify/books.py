"""The records of a run folder and of its sandbox, from the files of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from batchgen.output.plain_tables import Record, read_records


class CheckFailed(Exception):
    """A check of a provider failed; the text says why."""


def expect(name: str, actual: object, expected: object) -> None:
    """Raise CheckFailed if a value differs from the expected one."""
    if actual != expected:
        raise CheckFailed(f"{name}: {actual!r}, not {expected!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Both sides of all purchases; sums are in nano-dollars.

    Attributes:
        rows: Lines of the result table.
        attempts: Lines of the purchase table.
        bill: Entries of the sandbox's bill.
        requests: Purchase requests that reached the sandbox.
    """

    rows: list[Record]
    attempts: list[Record]
    bill: list[Record]
    requests: list[Record]

    @property
    def statuses(self) -> Counter[str]:
        """Number of rows of each status."""
        return Counter(row["status"] for row in self.rows)

    @property
    def spent(self) -> int:
        """The charges in the result table."""
        return _sum(row["cost_usd"] for row in self.rows)

    @property
    def at_risk(self) -> int:
        """Possible further charges, by the result table."""
        return _sum(row["at_risk_usd"] for row in self.rows)

    @property
    def billed(self) -> int:
        """The charges on the sandbox's bill."""
        return sum(entry["amount_nano_usd"] for entry in self.bill)


def read_tables(folder: Path) -> tuple[list[Record], list[Record]]:
    """Return the lines of the result table and of the purchase table."""
    rows, attempts = (
        read_records(folder / f"{name}.parquet") for name in ("results", "attempts")
    )
    return rows, attempts


def check_money(books: Books) -> None:
    """Check the law of money for each row: spent <= bill <= spent + at risk."""
    bills: Counter[str] = Counter()
    for entry in books.bill:
        bills[entry["prompt"]] += entry["amount_nano_usd"]
    for row in books.rows:
        prompt, spent = row["prompt"], _sum([row["cost_usd"]])
        billed, at_risk = bills[prompt], _sum([row["at_risk_usd"]])
        if not spent <= billed <= spent + at_risk:
            amounts = f"{billed} billed, {spent} spent and {at_risk} at risk"
            raise CheckFailed(f"{prompt!r}, in nano-dollars: {amounts}")


def _sum(amounts: Iterable[Decimal | None]) -> int:
    return sum(int(usd.scaleb(9)) for usd in amounts if usd is not None)
