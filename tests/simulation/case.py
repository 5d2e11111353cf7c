"""What is judged after a night: the provider's books and the run folder's.

The folder is read by other means than batchgen's own.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from batchgen.model import Job
from tests.books import (
    ATTEMPTS,
    Record,
    ledger_rows,
    named_places,
    written_places,
)
from tests.simulation.schedule import Schedule
from tests.simulation.service import Books
from tests.simulation.shapes import Purchase


@dataclass(frozen=True, slots=True)
class Seen:
    """What stands in neither book.

    Attributes:
        max_underway: Purchases that were on the wire at once.
        begun_s: When each process began.
    """

    max_underway: int
    begun_s: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is judged: both books, and the manifest.

    Attributes:
        asked: Id, prompt and number of images of each manifest row.
        files: Digest of each member of the ZIP, by its name.
        written: Where images begin in the ZIP, whether its directory has them or not.
        named: Where they begin by the ledger's word.
    """

    schedule: Schedule
    job: Job
    books: Books
    asked: Sequence[tuple[str, str, int]]
    table: Sequence[Record]
    attempts: Sequence[Record]
    files: dict[str, str]
    written: Sequence[int]
    named: Sequence[int]
    seen: Seen

    def by_prompt(self, count: Callable[[Record], int]) -> Counter[str]:
        """Return a sum over the ledger's attempts for each prompt."""
        sums: Counter[str] = Counter()
        for attempt in self.attempts:
            sums[attempt["prompt"]] += count(attempt)
        return sums

    def bought_by_prompt(self, count: Callable[[Purchase], int]) -> Counter[str]:
        """Return a sum over the provider's purchases for each prompt."""
        sums: Counter[str] = Counter()
        for purchase in self.books.purchases:
            sums[purchase.prompt] += count(purchase)
        return sums


def open_case(
    schedule: Schedule,
    job: Job,
    books: Books,
    asked: Sequence[tuple[str, str, int]],
    seen: Seen,
) -> Case:
    """Read the run folder."""
    return Case(
        schedule=schedule,
        job=job,
        books=books,
        asked=asked,
        table=pl.read_parquet(job.out / "results.parquet").to_dicts(),
        attempts=ledger_rows(job.out / "run.db", ATTEMPTS),
        files=_files(job.out / "images.zip"),
        written=written_places(job.out / "images.zip"),
        named=named_places(job.out),
        seen=seen,
    )


def _files(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert len(set(names)) == len(names), "a name stands twice in the ZIP"
        # Reading checks the CRC, too.
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in names}
