"""Leave on the disk what a power loss leaves: what was synced, and parts of the rest.

A killed process leaves all that it wrote; the system still has it. Here the syncs are
noted while it works. Then what no sync had covered is dropped or torn, in the ZIP and
in the ledger's log, and the last renaming may not have reached the disk.
"""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchgen.ledger import Ledger
from batchgen.output.diskfile import DiskFile

SECTOR_BYTES = 512

POWER_POINTS = (
    *("planned-after-commit", "sent-after-commit", "accepted-after-commit"),
    *("delivered-after-commit", "stored-after-commit", "ended-after-commit"),
    *("zip-half-appended", "zip-before-sync", "zip-after-sync"),
    *("metadata-written", "entries-written", "end-written", "directory-after"),
    *("outputs-writing-after-commit", "outputs-fresh-after-commit"),
    *("table-written", "table-renamed"),
)
"""Where there is something that was written and may not be on the disk.

At the point after a commit, its sync is taken for the one that the power loss cut
short: nobody had been told yet that it was done.
"""


def note_syncs(path: Path) -> None:
    """Note each sync of the ZIP, and how each commit lets the ledger's log grow."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sync_now, commit = DiskFile._sync_now, Ledger.commit

    def note(**sizes: int) -> None:
        os.write(descriptor, json.dumps(sizes).encode() + b"\n")

    def synced(file: DiskFile) -> None:
        sync_now(file)
        note(zip=max(0, file.size_bytes()))

    def committed(ledger: Ledger) -> None:
        log = ledger.path.with_name(f"{ledger.path.name}-wal")
        before = size_of(log)
        commit(ledger)
        note(log=before)

    replaced: Any = (DiskFile, Ledger)
    replaced[0]._sync_now, replaced[1].commit = synced, committed


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@dataclass(frozen=True, slots=True)
class PowerLoss:
    """What a power loss at a point may have taken."""

    out: Path
    notes: Path
    point: str
    rng: random.Random

    def strike(self) -> None:
        """Take it."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        last: dict[str, int] = {}
        for line in lines:
            last |= json.loads(line)
        self._tear(self.out / "images.zip", last.get("zip", 0))
        if self.point.endswith("-after-commit"):
            self._tear(self.out / "run.db-wal", last["log"])
        if self.point == "table-renamed" and self.rng.random() < 0.5:
            table = self.out / "results.parquet"
            table.rename(table.with_name("results.parquet.partial"))
        # Its content is memory that processes share; none is left.
        (self.out / "run.db-shm").unlink(missing_ok=True)

    def _tear(self, path: Path, safe: int) -> None:
        """Keep what is safe; of the rest some sectors, up to some length."""
        if size_of(path) <= safe:
            return
        data = bytearray(path.read_bytes())
        fate = self.rng.choice(["dropped", "cut", "torn"])
        if fate == "dropped":
            del data[safe:]
        elif fate == "cut":
            del data[self.rng.randint(safe, len(data)) :]
        else:
            for start in range(safe, len(data), SECTOR_BYTES):
                if self.rng.random() < 0.4:
                    length = min(SECTOR_BYTES, len(data) - start)
                    data[start : start + length] = bytes(length)
        path.write_bytes(data)
