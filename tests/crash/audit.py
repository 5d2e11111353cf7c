"""Audit what a kill left, and what came of it in the end."""

from __future__ import annotations

import shutil
import sqlite3
import struct
import tempfile
import zlib
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.books import Books, ledger_rows
from tests.crash.modes import Loss
from tests.law import (
    check_archive,
    check_images,
    check_money,
    check_no_image_is_forgotten,
    check_nothing_is_bought_again,
    check_table,
)
from tests.warm import Ended

REFUSED = tuple(f"REFUSE-ME, no. {number}" for number in range(3))
_STATES = "SELECT attempt_id, row_id, state FROM attempts"
_STORED = """
  SELECT attempt_id, count(*) AS images FROM images WHERE name IS NOT NULL
  GROUP BY attempt_id
"""


@dataclass(slots=True)
class KillEffects:
    """What came of one kill or many.

    Attributes:
        kills: Processes that were killed.
        again: Purchases that were made again.
        at_risk: Attempts without an answer, which the table lists as at risk.
        spared: Of what was bought again, images whose price is known.
        adopted: Images that only the ZIP had.
    """

    kills: int = 0
    again: int = 0
    at_risk: int = 0
    spared: int = 0
    adopted: int = 0

    def add(self, other: KillEffects) -> None:
        for name in KillEffects.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True, slots=True)
class DiskState:
    """What stood on the disk after a kill.

    Attributes:
        states: Of each attempt that the ledger had.
        rows: Those that had an attempt.
        whole: Images in the ZIP, whole, that the ledger did not name.
    """

    states: dict[int, str]
    rows: frozenset[int]
    whole: int

    @classmethod
    def of(cls, out: Path) -> DiskState:
        """Read it, changing nothing."""
        path = out / "run.db"
        if not path.exists() or path.stat().st_size == 0:
            return cls({}, frozenset(), 0)
        # A copy: whoever opens the last connection of a killed run tidies up after it.
        with tempfile.TemporaryDirectory() as aside:
            for path_of_part in out.glob("run.db*"):
                shutil.copy(path_of_part, aside)
            copy = Path(aside) / "run.db"
            check_integrity(copy.parent)
            try:
                rows = ledger_rows(copy, _STATES)
                ends = ledger_rows(
                    copy, "SELECT value FROM meta WHERE name = 'archive_end'"
                )
            except sqlite3.OperationalError:
                return cls({}, frozenset(), 0)  # killed before it had a table
        end = ends[0]["value"] if ends else 0
        states = {row["attempt_id"]: row["state"] for row in rows}
        begun = frozenset(row["row_id"] for row in rows)
        return cls(states, begun, whole_members(out / "images.zip", end))


def whole_members(path: Path, offset: int) -> int:
    """Return how many images stand whole behind an offset, by a reading of our own."""
    data = path.read_bytes() if path.exists() else b""
    count = 0
    while data[offset : offset + 4] == b"PK\x03\x04":
        crc32, size, _, name, extra = struct.unpack_from("<LLLHH", data, offset + 14)
        start = offset + 30 + name + extra
        if data[offset + 30 : offset + 30 + name] == b"metadata.jsonl":
            break
        image = data[start : start + size]
        if len(image) < size or zlib.crc32(image) != crc32:
            break
        count, offset = count + 1, start + size
    return count


def compare(disk: DiskState, books: Books, rows: int) -> KillEffects:
    """Say what was bought again; nothing may be whose reply was written down.

    Raises:
        AssertionError: something was bought again without need, or in silence.
    """
    now = {attempt["attempt_id"]: attempt for attempt in books.attempts}
    for attempt_id, state in disk.states.items():
        if state in ("accepted", "delivered"):
            assert now[attempt_id]["state"] in ("stored", "failed"), now[attempt_id]
        if state == "stored":
            assert now[attempt_id]["state"] == "stored", now[attempt_id]
    unanswered = [name for name, state in disk.states.items() if state == "sent"]
    lost = [
        attempt_id for attempt_id in unanswered if now[attempt_id]["state"] == "unknown"
    ]
    kept = [
        attempt_id for attempt_id in unanswered if now[attempt_id]["state"] == "stored"
    ]
    assert len(lost) + len(kept) == len(unanswered)
    images = ledger_rows(books.folder / "run.db", _STORED)
    stored = {image["attempt_id"]: image["images"] for image in images}
    halves = [reply for reply in kept if stored[reply] < now[reply]["images"]]
    again = len(books.attempts) - len(disk.states) - (rows - len(disk.rows))
    assert again == len(lost) + len(halves), books.attempts
    return KillEffects(
        kills=1,
        again=again,
        at_risk=len(lost),
        spared=len(halves),
        adopted=disk.whole,
    )


def check(books: Books, rows: Sequence[str], n: int, ended: Ended) -> None:
    """Check all that holds after the same command was given again."""
    refused = len({*rows} & {*REFUSED})
    assert ended.code == (3 if refused else 0), ended
    expected = Counter({"succeeded": len(rows) - refused, "refused": refused})
    assert books.statuses == +expected, books.rows
    for row in books.rows:
        images = n if row["status"] == "succeeded" else 0
        assert len(row["files"]) == images, row
    check_table(books)
    check_money(books)
    check_nothing_is_bought_again(books)
    if len(rows) > refused:
        check_archive(books)
        check_images(books)
        check_no_image_is_forgotten(books)
    check_integrity(books.folder)
    assert not list(books.folder.glob("*.partial"))


def check_integrity(folder: Path) -> None:
    """The ledger is whole, for SQLite itself."""
    with closing(sqlite3.connect(folder / "run.db")) as ledger:
        assert ledger.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def check_loss(loss: Loss, effects: KillEffects, books: Books) -> None:
    """A run of one row loses exactly what its point may lose."""
    expected = {"nothing": (0, 0, 0), "reply": (1, 1, 0), "part": (1, 0, 1)}
    assert (effects.again, effects.at_risk, effects.spared) == expected[loss]
    if loss != "reply":
        assert books.billed == books.spent
        assert len(books.requests) == 1 + effects.again
