"""A customer whose books are looked at by other means than batchgen's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import batchgen
from batchgen.providers import PROVIDERS
from batchgen.sandbox.faults import Fault
from batchgen.sandbox.services import SERVICES
from batchgen.verify.customer import Customer as Buyer
from batchgen.verify.customer import quick
from tests.books import Books, Record, read_books
from tests.law import check_archive, check_money, check_table

FAULTS: Mapping[str, frozenset[Fault]] = {
    name: service.faults  # type: ignore[attr-defined]
    for name, service in SERVICES.items()
}

__all__ = ["Customer", "Record", "check_books", "names_with", "quick"]


def names_with(fault: Fault) -> list[str]:
    """Return the providers at whose sandbox a fault can happen."""
    return [name for name in PROVIDERS if fault in FAULTS[name]]


class Customer(Buyer):
    """One manifest and one run folder at one provider of a sandbox."""

    def retry(self, status: str) -> int:
        """Mark rows as `batchgen retry` does."""
        return batchgen.open(self.out).retry(status=status)

    def books(self, out: Path | None = None) -> Books:
        """Return what both sides wrote down; `out` is the run folder if another."""
        folder = out or self.out
        return read_books(folder, bill=self.bill(), requests=self.requests())


def check_books(books: Books) -> None:
    """Check the laws that hold whatever happened."""
    check_table(books)
    if any(row["files"] for row in books.rows):
        check_archive(books)
    check_money(books)
