"""What is judged after a night: the provider's books and the run folder's.

The folder is read by other means than batchgen's own.
"""

from __future__ import annotations

import hashlib
import sqlite3
import struct
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from batchgen.model import Job
from tests.simulation.schedule import Schedule
from tests.simulation.service import Books
from tests.simulation.shapes import Purchase

Record = dict[str, Any]

_ATTEMPTS = """
  SELECT attempts.*, json_extract(rows.request, '$.prompt') AS prompt
  FROM attempts JOIN rows USING (row_id) ORDER BY attempt_id
"""
_PLACES = "SELECT place FROM images WHERE place IS NOT NULL ORDER BY place"


@dataclass(frozen=True, slots=True)
class Seen:
    """What stands in neither book.

    Attributes:
        most_underway: Purchases that were on the wire at once.
        begun_s: When each process began.
    """

    most_underway: int
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
        found: Counter[str] = Counter()
        for it in self.attempts:
            found[it["prompt"]] += count(it)
        return found

    def bought_by_prompt(self, count: Callable[[Purchase], int]) -> Counter[str]:
        """Return a sum over the provider's purchases for each prompt."""
        found: Counter[str] = Counter()
        for it in self.books.purchases:
            found[it.prompt] += count(it)
        return found


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
        attempts=_read(job.out / "run.db", _ATTEMPTS),
        files=_files(job.out / "images.zip"),
        written=_members(job.out / "images.zip"),
        named=[it["place"] for it in _read(job.out / "run.db", _PLACES)],
        seen=seen,
    )


def _read(path: Path, query: str) -> list[Record]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
        ledger.row_factory = sqlite3.Row
        return [dict(row) for row in ledger.execute(query)]


def _members(path: Path) -> list[int]:
    """Return where each image begins, found by walking from one to the next."""
    data, found, offset = path.read_bytes() if path.exists() else b"", [], 0
    while data[offset : offset + 4] == b"PK\x03\x04":
        size, _, name, extra = struct.unpack_from("<LLHH", data, offset + 18)
        if data[offset + 30 : offset + 30 + name] != b"metadata.jsonl":
            found.append(offset)
        offset += 30 + name + extra + size
    return found


def _files(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert len(set(names)) == len(names), "a name stands twice in the ZIP"
        # Reading checks the CRC, too.
        return {it: hashlib.sha256(archive.read(it)).hexdigest() for it in names}
