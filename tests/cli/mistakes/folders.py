"""Run folders that are in the way, and spending that nobody agreed to."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from batchgen.runner.folder import open_folder
from tests.cli.mistakes.mistake import GOOD, Mistake

PRICED = "{shop} --price 0.05"


def _of_another_table(folder: Path) -> None:
    (folder / "other.csv").write_text(GOOD)
    with open_folder(folder / "out/m", folder / "other.csv", "loopback"):
        pass


def _of_a_rehearsal(folder: Path) -> None:
    with open_folder(folder / "out/m", folder / "m.csv", "rehearsal"):
        pass


def _without_ledger(folder: Path) -> None:
    (folder / "out/m").mkdir(parents=True)
    (folder / "out/m/images.zip").write_bytes(b"PK\5\6" + bytes(18))
    (folder / "out/m/results.parquet").write_bytes(b"PAR1")


def _of_a_newer_version(folder: Path) -> None:
    with open_folder(folder / "out/m", folder / "m.csv", "loopback"):
        pass
    with closing(sqlite3.connect(folder / "out/m/run.db")) as ledger:
        ledger.execute("PRAGMA user_version = 9999")
        ledger.commit()


def _not_a_ledger(folder: Path) -> None:
    (folder / "out/m").mkdir(parents=True)
    (folder / "out/m/run.db").write_bytes(b"this is no database at all" * 100)


FOLDERS = (
    Mistake(
        name="out-is-a-file",
        command=f"run m.csv {PRICED} --max-cost 5 --out m.csv",
        names=("m.csv", "is a file"),
        remedy=("another --out",),
        code=1,
    ),
    Mistake(
        name="out-empty",
        command=f"run m.csv {PRICED} --max-cost 5 --out ''",
        names=("--out", "empty"),
        remedy=("name a folder",),
    ),
    Mistake(
        name="out-below-a-file",
        command=f"run m.csv {PRICED} --max-cost 5 --out m.csv/images",
        names=("m.csv/images", "is a file"),
        remedy=("another --out",),
        code=1,
    ),
    Mistake(
        name="out-not-writable",
        command=f"run m.csv {PRICED} --max-cost 5 --out /proc/batchgen",
        names=("cannot make the folder /proc/batchgen",),
        remedy=("--out",),
        code=1,
    ),
    Mistake(
        name="out-of-another-table",
        command=f"run m.csv {PRICED} --max-cost 5",
        names=("out/m belongs to", "other.csv"),
        remedy=("--out",),
        code=1,
        prepare=_of_another_table,
    ),
    Mistake(
        name="out-of-a-rehearsal",
        command=f"run m.csv {PRICED} --max-cost 5",
        names=("out/m holds a rehearsal",),
        remedy=("--out",),
        code=1,
        prepare=_of_a_rehearsal,
    ),
    Mistake(
        name="out-without-ledger",
        command=f"run m.csv {PRICED} --max-cost 5",
        names=("out/m", "run.db"),
        remedy=("--out",),
        code=1,
        prepare=_without_ledger,
    ),
    Mistake(
        name="out-of-a-newer-version",
        command=f"run m.csv {PRICED} --max-cost 5",
        names=("out/m", "newer"),
        remedy=("upgrade batchgen",),
        code=1,
        prepare=_of_a_newer_version,
    ),
    Mistake(
        name="out-with-no-ledger-in-it",
        command=f"run m.csv {PRICED} --max-cost 5",
        names=("run.db",),
        remedy=("--out",),
        code=1,
        prepare=_not_a_ledger,
    ),
    Mistake(
        name="rebuy-and-keep",
        command=f"run m.csv {PRICED} --max-cost 5 --rebuy --keep",
        names=("--rebuy", "--keep"),
        remedy=("say one of them",),
    ),
    Mistake(
        name="id-that-is-no-column",
        command=f"run m.csv {PRICED} --max-cost 5 --id sku",
        names=("m.csv", "no column `sku`"),
        remedy=("id, prompt",),
        code=1,
    ),
    Mistake(
        name="no-consent",
        command=f"run m.csv {PRICED}",
        names=("2 rows", "$0.10"),
        remedy=("--max-cost", "--yes", "Nothing was sent"),
        leaves=("out",),
    ),
    Mistake(
        name="no-price",
        command="run m.csv --provider foxapi --base-url {url} --max-cost 5",
        names=("no price", "foxapi"),
        remedy=("--price",),
        leaves=("out",),
    ),
)
