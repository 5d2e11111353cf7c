"""Compact the ZIP of a run folder, and be killed on the way.

python -m tests.crash.compacting FOLDER POINT [NTH]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from batchgen.cli import main as run_batchgen
from batchgen.ledger import Compaction, Ledger, Meta
from batchgen.output import switch
from batchgen.output.diskfile import DiskFile
from batchgen.report import compaction as compacting
from tests.crash.points import Passings, around

POINTS = (
    "compaction-begun",
    "member-half-copied",
    "member-copied",
    "images-dropped",
    "metadata-written",
    "directory-written",
    "verified",
    "before-commit",
    "after-commit",
    "renamed",
    "folder-synced",
    "before-forgotten",
    "forgotten",
)
"""In the order in which a compaction passes them."""


def install(passings: Passings) -> None:
    around(passings, compacting, "_measure", "compaction-begun", None)
    around(passings, compacting, "copy_member", None, "member-copied")
    around(passings, Compaction, "drop_others", None, "images-dropped")
    around(passings, compacting, "write_metadata", None, "metadata-written")
    around(passings, compacting, "write_directory", None, "directory-written")
    around(passings, compacting, "_verify", None, "verified")
    around(passings, switch, "sync_folder", "renamed", "folder-synced")
    _halve_writes(passings)
    _tell_commits(passings)


def _halve_writes(passings: Passings) -> None:
    """Let what is written be cut in two, so that a member may be torn."""
    write_at = DiskFile.write_at

    def by_halves(file: DiskFile, buffers: Any, offset: int) -> None:
        data = b"".join(buffers)
        middle = len(data) // 2
        write_at(file, [data[:middle]], offset)
        passings.at("member-half-copied")
        write_at(file, [data[middle:]], offset + middle)

    replaced: Any = DiskFile
    replaced.write_at = by_halves


def _tell_commits(passings: Passings) -> None:
    commit, write_meta = Ledger.commit, Ledger.write_meta
    pending: list[str] = []

    def noted(ledger: Ledger, name: str, value: Any) -> None:
        write_meta(ledger, name, value)
        if name == Meta.archive_switch.name:
            pending.append("commit" if value else "forgotten")

    def committed(ledger: Ledger) -> None:
        kind = pending.pop() if pending else None
        if kind is not None:
            passings.at(f"before-{kind}")
        commit(ledger)
        if kind is not None:
            passings.at("after-commit" if kind == "commit" else "forgotten")

    replaced: Any = Ledger
    replaced.commit, replaced.write_meta = committed, noted


def main() -> None:
    path, point, *nth = sys.argv[1:]
    install(Passings(point, int(nth[0]) if nth else 1))
    sys.argv = ["batchgen", "report", path, "--compact"]
    run_batchgen()


if __name__ == "__main__":
    if not Path(sys.argv[1]).is_dir():
        raise SystemExit(f"no such folder: {sys.argv[1]}")
    main()
