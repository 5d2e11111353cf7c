"""The books of a run folder, as both sides kept them: batchgen and the provider.

What batchgen says is read from its table, its ledger and its ZIP by other means than
its own code; what the sandbox says is asked of the sandbox. `tests.law` judges them.
"""

from __future__ import annotations

import sqlite3
import struct
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

Record = dict[str, Any]

ATTEMPTS = """
  SELECT attempts.*, json_extract(rows.request, '$.prompt') AS prompt, rows.n, rows.id,
         EXISTS (SELECT 1 FROM plan WHERE plan.row_id = attempts.row_id) AS planned
  FROM attempts JOIN rows USING (row_id) ORDER BY attempt_id
"""
_PLACES = "SELECT place FROM images WHERE place IS NOT NULL ORDER BY place"
_AT_RISK = ("sent", "accepted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """All that both sides wrote down.

    Attributes:
        rows: Lines of the result table.
        attempts: Of the ledger, with prompt and whether the manifest holds the row.
        bill: Entries of the sandbox's bill.
        requests: Purchase requests that reached the sandbox.
    """

    folder: Path
    rows: list[Record]
    attempts: list[Record]
    bill: list[Record]
    requests: list[Record]

    @property
    def prompts(self) -> list[str]:
        """What the manifest asks for, in its order."""
        return [row["prompt"] for row in self.rows]

    @property
    def statuses(self) -> Counter[str]:
        return Counter(row["status"] for row in self.rows)

    @property
    def billed(self) -> int:
        return sum(sale["amount_nano_usd"] for sale in self.bill)

    @property
    def billed_by_prompt(self) -> Counter[str]:
        amounts: Counter[str] = Counter()
        for sale in self.bill:
            amounts[sale["prompt"]] += sale["amount_nano_usd"]
        return amounts

    @property
    def in_table(self) -> int:
        """Return what the table says was spent, in nano-dollars."""
        return total_nano(row["cost_usd"] for row in self.rows)

    @property
    def superseded(self) -> int:
        return sum(
            attempt["cost"] or 0 for attempt in self.attempts if not attempt["planned"]
        )

    @property
    def spent(self) -> int:
        return self.in_table + self.superseded

    @property
    def at_risk(self) -> int:
        in_table = sum(nano_of(row["at_risk_usd"]) for row in self.rows)
        superseded: int = sum(
            risk_of(attempt) for attempt in self.attempts if not attempt["planned"]
        )
        return in_table + superseded

    def bought(self) -> Counter[str]:
        """Return how often each prompt stands on the bill."""
        return Counter(sale["prompt"] for sale in self.bill)


def nano_of(usd: Decimal) -> int:
    """Return whole nano-dollars; nothing may be lost by that."""
    nano = usd.scaleb(9)
    assert nano == int(nano)
    return int(nano)


def total_nano(amounts: Iterable[Decimal | None]) -> int:
    """Return the sum of a column of a table in nano-dollars; unknown counts as 0."""
    return sum(nano_of(usd) for usd in amounts if usd is not None)


def is_at_risk(attempt: Record) -> bool:
    return attempt["charge"] == "unknown" or attempt["state"] in _AT_RISK


def risk_of(attempt: Record) -> int:
    """Return the nano-dollars that an attempt may have cost beyond what is spent."""
    risk: int = attempt["ceiling"] if is_at_risk(attempt) else attempt["uncertain"]
    return risk


def read_books(out: Path, *, bill: list[Record], requests: list[Record]) -> Books:
    """Read a run folder, and put the provider's side beside it."""
    return Books(
        folder=out,
        rows=pl.read_parquet(out / "results.parquet").to_dicts(),
        attempts=ledger_rows(out / "run.db", ATTEMPTS),
        bill=bill,
        requests=requests,
    )


def ledger_rows(path: Path, query: str) -> list[Record]:
    """Read a ledger, as any program may while a run works."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
        ledger.row_factory = sqlite3.Row
        return [dict(row) for row in ledger.execute(query)]


def named_places(folder: Path) -> list[int]:
    """Return where images begin in the ZIP, according to the ledger."""
    return [row["place"] for row in ledger_rows(folder / "run.db", _PLACES)]


def written_places(archive: Path) -> list[int]:
    """Return where images begin in a ZIP, whether its directory lists them or not."""
    data = archive.read_bytes() if archive.exists() else b""
    places, offset = [], 0
    while data[offset : offset + 4] == b"PK\x03\x04":
        size, _, name, extra = struct.unpack_from("<LLHH", data, offset + 18)
        if data[offset + 30 : offset + 30 + name] != b"metadata.jsonl":
            places.append(offset)
        offset += 30 + name + extra + size
    return places


def prompt_in(body: Any) -> str:  # as its provider wants it
    """Return the prompt of a purchase request, whichever provider it is for."""
    match body:
        case {"contents": [{"parts": parts}]}:
            [prompt] = [part["text"] for part in parts if "text" in part]
        case [*_]:
            [prompt] = [part["value"] for part in body if part["name"] == "PROMPT"]
        case {"prompt": prompt}:
            pass
        case _:
            raise AssertionError(f"a request without a prompt: {body}")
    return str(prompt)
