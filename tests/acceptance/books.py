"""The books of a run folder, kept by both sides, and the laws that they must keep.

What batchgen says is read from its table, its ledger and its ZIP with other means than
its own; what the sandbox says is asked of a sandbox that serves the folder's state.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import struct
import subprocess
import zipfile
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

from batchgen.sandbox import SandboxProcess, start_sandbox
from tests.acceptance.batch import Batch

Record = dict[str, Any]

ATTEMPTS = """
  SELECT attempts.*, json_extract(rows.request, '$.prompt') AS prompt, rows.n,
         EXISTS (SELECT 1 FROM plan WHERE plan.row_id = attempts.row_id) AS planned
  FROM attempts JOIN rows USING (row_id) ORDER BY attempt_id
"""
_AT_RISK = ("sent", "accepted")
# A task that ended without its image; a lost link is bought again by `retry` alone.
_ENDED_TASK = ("generation_failed", "refused", "link_lost")


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
        return sum(entry["amount_nano_usd"] for entry in self.bill)

    @property
    def in_table(self) -> int:
        """Return what the table says was spent, in nano-dollars."""
        known = (row["cost_usd"] for row in self.rows)
        return sum(nano_of(usd) for usd in known if usd is not None)

    @property
    def retired(self) -> int:
        return sum(it["cost"] or 0 for it in self.attempts if not it["planned"])

    @property
    def spent(self) -> int:
        return self.in_table + self.retired

    @property
    def at_risk(self) -> int:
        table = sum(nano_of(row["at_risk_usd"]) for row in self.rows)
        gone: int = sum(risk_of(it) for it in self.attempts if not it["planned"])
        return table + gone

    def bought(self) -> Counter[str]:
        """Return how often each prompt stands on the bill."""
        return Counter(entry["prompt"] for entry in self.bill)


def nano_of(usd: Decimal) -> int:
    """Return whole nano-dollars; nothing may be lost by that."""
    nano = usd.scaleb(9)
    assert nano == int(nano)
    return int(nano)


def is_at_risk(attempt: Record) -> bool:
    return attempt["charge"] == "unknown" or attempt["state"] in _AT_RISK


def risk_of(attempt: Record) -> int:
    """Return the nano-dollars that an attempt may have cost beyond what is spent."""
    risk: int = attempt["ceiling"] if is_at_risk(attempt) else attempt["uncertain"]
    return risk


def ledger_rows(path: Path, query: str) -> list[Record]:
    """Read a ledger, as any program may while a run works."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
        ledger.row_factory = sqlite3.Row
        return [dict(row) for row in ledger.execute(query)]


def prompt_in(body: Any) -> str:  # as its provider wants it
    """Return the prompt of a purchase request, in any provider's words."""
    match body:
        case {"contents": [{"parts": parts}]}:
            [prompt] = [it["text"] for it in parts if "text" in it]
        case [*_]:
            [prompt] = [it["value"] for it in body if it["name"] == "PROMPT"]
        case {"prompt": prompt}:
            pass
        case _:
            raise AssertionError(f"a request without a prompt: {body}")
    return str(prompt)


def read_books(batch: Batch, sandbox: SandboxProcess | None = None) -> Books:
    """Read both sides.

    Args:
        batch: The batch.
        sandbox: Where it was bought; None for the one of its own rehearsals.
    """
    if sandbox is None:
        with start_sandbox(batch.out / "sandbox", latency=0) as own:
            return read_books(batch, own)
    return Books(
        folder=batch.out,
        rows=pl.read_parquet(batch.table).to_dicts(),
        attempts=ledger_rows(batch.ledger, ATTEMPTS),
        bill=sandbox.bill()["entries"],
        requests=sandbox.requests(),
    )


def check_all(books: Books) -> None:
    """Check every law that holds at every orderly stop."""
    check_table(books)
    check_archive(books)
    check_images(books)
    check_money(books)
    check_nothing_is_bought_again(books)


def check_table(books: Books) -> None:
    """One line for each manifest row, in manifest order."""
    assert [row["row"] for row in books.rows] == list(range(len(books.rows)))


def check_archive(books: Books) -> None:
    """The ZIP is whole, for Python and for unzip, and no member stands twice."""
    path = books.folder / "images.zip"
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert len(set(names)) == len(names)
    listed = [it["name"] for row in books.rows for it in row["files"]]
    assert sorted(names) == sorted({*listed, "metadata.jsonl"})
    if unzip := shutil.which("unzip"):
        tested = subprocess.run([unzip, "-tq", path], capture_output=True, check=False)
        assert tested.returncode == 0, tested.stdout


def check_no_image_is_forgotten(books: Books) -> None:
    """Each image that was written to the ZIP is one that the ledger has, and once."""
    data = (books.folder / "images.zip").read_bytes()
    written, offset = [], 0
    while data[offset : offset + 4] == b"PK\x03\x04":
        sizes = struct.unpack_from("<LLHH", data, offset + 18)
        start = offset + 30 + sizes[2]
        if data[offset + 30 : start] != b"metadata.jsonl":
            written.append(offset)
        offset = start + sizes[3] + sizes[0]
    stored = ledger_rows(books.folder / "run.db", "SELECT place FROM images")
    assert written == sorted(it["place"] for it in stored if it["place"] is not None)


def check_images(books: Books) -> None:
    """Each row that succeeded has all its own images, as the table describes them."""
    digests: Counter[str] = Counter()
    with zipfile.ZipFile(books.folder / "images.zip") as archive:
        described = [
            json.loads(line) for line in archive.read("metadata.jsonl").splitlines()
        ]
        for row in books.rows:
            for it in row["files"]:
                data = archive.read(it["name"])
                with Image.open(BytesIO(data)) as image:
                    image.load()
                    assert _prompt_of(image) == row["prompt"]
                    assert image.size == (it["width_px"], it["height_px"])
                assert len(data) == it["size_bytes"]
                assert hashlib.sha256(data).hexdigest() == it["sha256"]
                digests[it["sha256"]] += 1
    assert set(digests.values()) <= {1}
    assert [(it["file_name"], it["prompt"]) for it in described] == [
        (it["name"], row["prompt"]) for row in books.rows for it in row["files"]
    ]


def _prompt_of(image: Image.Image) -> str:
    """Return the prompt that the sandbox wrote into an image."""
    prompt = image.info.get("prompt") or image.info["comment"].decode()
    assert isinstance(prompt, str)
    return prompt


def check_money(books: Books) -> None:
    """Spent <= bill <= spent + at risk: as a whole, by prompt, and by entry."""
    assert books.spent <= books.billed <= books.spent + books.at_risk
    assert sum(it["cost"] or 0 for it in books.attempts) == books.spent
    billed: Counter[str] = Counter()
    for entry in books.bill:
        billed[entry["prompt"]] += entry["amount_nano_usd"]
    spent: Counter[str] = Counter()
    at_risk: Counter[str] = Counter()
    by_id = {entry["id"]: entry for entry in books.bill}
    for it in books.attempts:
        spent[it["prompt"]] += it["cost"] or 0
        at_risk[it["prompt"]] += risk_of(it)
        if it["cost"] and it["request_id"] is not None:
            amount = by_id[it["request_id"]]["amount_nano_usd"]
            assert it["cost"] <= amount <= it["cost"] + it["uncertain"]
    for prompt in {*billed, *spent, *at_risk}:
        most = spent[prompt] + at_risk[prompt]
        assert spent[prompt] <= billed[prompt] <= most, prompt


def check_nothing_is_bought_again(books: Books) -> None:
    """What was accepted or delivered has no later purchase; the rest is admitted."""
    parts: dict[tuple[int, int], list[Record]] = defaultdict(list)
    for it in books.attempts:
        parts[it["row_id"], it["first_image"]].append(it)
    for attempts in parts.values():
        for it in attempts[:-1]:
            assert it["state"] not in ("accepted", "delivered", "stored"), attempts
            assert it["task_id"] is None or it["error"] in _ENDED_TASK, attempts
    stored = Counter(it["prompt"] for it in books.attempts if it["state"] == "stored")
    risky = Counter(it["prompt"] for it in books.attempts if is_at_risk(it))
    lost = Counter(
        it["prompt"]
        for it in books.attempts
        if it["cost"] and it["state"] in ("failed", "delivered")
    )
    for prompt, times in books.bought().items():
        assert times <= stored[prompt] + lost[prompt] + risky[prompt], prompt
    admitted = {row["prompt"]: row["at_risk_attempts"] for row in books.rows}
    for prompt, attempts_at_risk in admitted.items():
        assert attempts_at_risk == risky[prompt], prompt
    arrived = Counter(prompt_in(it["body"]) for it in books.requests)
    sent = Counter(it["prompt"] for it in books.attempts)
    for prompt, times in arrived.items():
        assert times <= sent[prompt], prompt
