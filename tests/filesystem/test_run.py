"""A file system that refuses a call costs no image, no purchase and no riddle.

The command ends in one message that says what, where and what to do; once the fault is
gone the same command completes, and the provider's bill is what the table says.
"""

from __future__ import annotations

import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.command import Shop, table
from tests.filesystem.faults import Fault, FaultySystem
from tests.law import check_table_money

ROWS = 4
MESSAGE = "batchgen: "
WORKS = "see that it works"
LOCAL = "name a folder on a local disk with --out"


def plain(shop: Shop) -> None:
    shop.catalogue(ROWS)


def with_references(shop: Shop) -> None:
    lines = []
    for number in range(ROWS):
        picture = shop.folder / f"picture{number}.png"
        Image.new("RGB", (64, 64), (number, 0, 0)).save(picture)
        lines.append(f"r{number},{shop.folder.name} lamp {number},{picture.name}")
    shop.write("m.csv", "\n".join(["id,prompt,references", *lines, ""]))


def without_an_image(shop: Shop) -> None:
    plain(shop)
    shop.sandbox.queue_fault(shop.provider, "malformed")


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, and what is told of it.

    Attributes:
        faults: All of it.
        says: Parts of the message, where the run cannot go on.
        notes: Parts of what is told of a run that goes on.
        is_free: Whether it shows before anything is bought.
        prepare: Writes the manifest.
    """

    faults: list[Fault]
    says: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    is_free: bool = False
    prepare: Callable[[Shop], None] = plain


def no_sync_of_folders(error: str) -> Case:
    return Case([Fault("sync", "*/out/m", error)])


def no_locks(call: str, pattern: str, error: str, *says: str) -> Case:
    return Case([Fault(call, pattern, error)], says=says, is_free=True)


LEDGER = "out/m/run.db"
ARCHIVE = "out/m/images.zip"
CASES = {
    "folder-sync-invalid": no_sync_of_folders("EINVAL"),
    "folder-sync-unsupported": no_sync_of_folders("ENOTSUP"),
    "folder-sync-broken": Case([Fault("sync", "*/out/m", "EIO")], (ARCHIVE, WORKS)),
    "archive-sync-broken": Case(
        [Fault("sync", "*.zip", "EIO", times=1)], (f"cannot sync {{}}/{ARCHIVE}", WORKS)
    ),
    "archive-sync-broken-later": Case(
        [Fault("sync", "*.zip", "EIO", skip=1, times=1)], (ARCHIVE, WORKS)
    ),
    "ledger-sync-broken": Case(
        [Fault("sync", "*-wal", "EIO", times=1, after=ARCHIVE)],
        (f"cannot use {{}}/{LEDGER}", "see that it is mounted"),
    ),
    "folder-without-locks": no_locks("lock", "*/m", "ENOLCK", "has no locks", "--out"),
    "folder-locks-unknown": no_locks("lock", "*/m", "ENOSYS", "has no locks"),
    "ledger-without-locks": no_locks("record-lock", "*/out/m/*", "ENOLCK", LOCAL),
    "ledger-locks-unsupported": no_locks("record-lock", "*/run.db", "ENOTSUP", LOCAL),
    "ledger-shared-memory-refused": no_locks("map", "*-shm", "ENODEV", LOCAL),
    "ledger-index-refused": no_locks("open", "*-shm", "EACCES", LEDGER, "permissions"),
    "archive-full": Case(
        [Fault("write", "*.zip", "ENOSPC", skip=1)], (ARCHIVE, "free some space")
    ),
    "archive-quota": Case(
        [Fault("write", "*.zip", "EDQUOT")], (ARCHIVE, "free some space")
    ),
    "archive-stale": Case(
        [Fault("write", "*.zip", "ESTALE", skip=1)], (ARCHIVE, WORKS)
    ),
    "no-room-by-quota": Case(
        [Fault("allocate", "*", "EDQUOT")],
        ("out/m", "a quota may be used up", "Free some space"),
        is_free=True,
    ),
    "no-room-can-be-held": Case([Fault("allocate", "*", "EOPNOTSUPP")]),
    "ledger-full": Case(
        [Fault("write", "*-wal", "ENOSPC", after=ARCHIVE)], (LEDGER, "free some space")
    ),
    "ledger-quota": Case(
        [Fault("write", "*/out/m/[!i]*", "EDQUOT", after=ARCHIVE)],
        (LEDGER, "quota", "free some space"),
    ),
    "ledger-reads-broken": Case(
        [Fault("read", "*/run.db", "EIO")], (LEDGER, "is mounted"), is_free=True
    ),
    "table-full": Case(
        [Fault("write", "*/results.parquet.partial", "ENOSPC")],
        ("results.parquet", "free some"),
    ),
    "table-rename-broken": Case(
        [Fault("rename", "*/attempts.parquet", "EIO")], ("attempts.parquet", WORKS)
    ),
    "table-rename-across": Case(
        [Fault("rename", "*/results.parquet", "EXDEV")],
        ("results.parquet", "use a folder on a local disk"),
    ),
    "log-full": Case([Fault("write", "*.log", "ENOSPC", skip=1)], notes=("run.log",)),
    "log-refused": Case(
        [Fault("open", "*/run.log", "EACCES")],
        notes=("run.log: Permission denied", "nothing else is"),
    ),
    "kept-full": Case(
        [Fault("write", "*/kept/*", "ENOSPC")],
        notes=("could not be kept",),
        prepare=without_an_image,
    ),
    "manifest-reads-broken": Case(
        [Fault("read", "*/m.csv", "EIO")], ("m.csv", WORKS), is_free=True
    ),
    "manifest-mount-dead": Case(
        [Fault("stat", "*m.csv", "ENOTCONN")], ("m.csv", WORKS), is_free=True
    ),
    "reference-reads-broken": Case(
        [Fault("read", "*/picture?.png", "ESTALE")],
        ("picture0.png", WORKS),
        is_free=True,
        prepare=with_references,
    ),
    "reference-mount-dies-later": Case(
        [Fault("read", "*/picture?.png", "ENOTCONN", skip=5 * ROWS)],
        (".png", WORKS),
        prepare=with_references,
    ),
    "ledger-cannot-be-looked-at": Case(
        [Fault("stat", "*/run.db", "EACCES")], (LEDGER, "permissions"), is_free=True
    ),
    "archive-cannot-be-looked-at": Case(
        [Fault("stat", "*/images.zip", "EACCES")],
        (ARCHIVE, "permissions"),
        is_free=True,
    ),
    "nothing-is-unlinked": Case(
        [Fault("unlink", "*/out/m/*", "EBUSY")], (LEDGER,), is_free=True
    ),
    "read-only": Case(
        [Fault("mkdir", "*/out*", "EROFS")], ("out/m", "--out"), is_free=True
    ),
    "mount-dies-in-mid-run": Case(
        [
            Fault(call, "*/out/*", "ENOTCONN", after=ARCHIVE)
            for call in ("write", "sync", "stat", "open", "rename", "unlink", "cut")
        ],
        ("out/m/", "the drive or its connection failed"),
    ),
}
"""The ids are their names: they must be the same in each worker."""


@pytest.mark.parametrize("name", CASES)
def test_a_fault_of_the_file_system_costs_nothing_and_says_what_to_do(
    name: str, system: FaultySystem, shop: Shop
) -> None:
    case = CASES[name]
    case.prepare(shop)
    before = bill(shop)
    command = ["run", "m.csv", *shop.options, "--max-cost", "5", "--quiet"]

    first = system.batchgen(*command, at=shop.folder, faults=case.faults)

    message = " ".join(first.stderr.split())
    ends = 3 if case.prepare is without_an_image else 0
    assert first.code == (1 if case.says else ends), first
    if case.says:
        assert message.count(MESSAGE) == 1, "one message"
    for part in case.says:
        assert part.format(shop.folder) in message
    for part in case.notes:
        assert part in message
    if not case.says and not case.notes:
        assert not message
    if case.is_free:
        assert bill(shop) == before, "nothing was bought yet"

    second = shop.run("m.csv", "--max-cost", "5", "--quiet")

    assert second.code == ends, second
    check_books(shop, bill(shop) - before)


def bill(shop: Shop) -> int:
    nano: int = shop.sandbox.bill(shop.provider)["total_nano_usd"]
    return nano


def check_books(shop: Shop, billed: int) -> None:
    """Check that all that was billed is in the table, and all images in the ZIP."""
    folder = shop.folder / "out" / "m"
    rows = table(folder)
    check_table_money(rows.to_dicts(), billed)
    at_risk = any(rows["at_risk_usd"])
    if not at_risk:
        assert rows["attempts"].to_list() == [1] * ROWS, "nothing was bought twice"
    succeeded = rows.filter(rows["status"] == "succeeded").height
    assert succeeded == ROWS or at_risk
    assert images_in(folder) == succeeded


def images_in(folder: Path) -> int:
    with zipfile.ZipFile(folder / "images.zip") as archive:
        assert archive.testzip() is None
        return sum(name != "metadata.jsonl" for name in archive.namelist())


def test_a_ledger_that_cannot_be_looked_at_for_a_moment_is_not_one_that_is_lost(
    system: FaultySystem, shop: Shop
) -> None:
    shop.catalogue(ROWS)
    fault = Fault("stat", "*/run.db", "EIO", times=1, after=ARCHIVE)
    command = ["run", "m.csv", *shop.options, "--max-cost", "5", "--quiet"]

    ended = system.batchgen(*command, at=shop.folder, faults=[fault])

    assert ended.code == 0, ended.stderr
    assert not ended.stderr
    with closing(sqlite3.connect(shop.folder / LEDGER)) as ledger:
        assert ledger.execute("SELECT count(*) FROM images").fetchone() == (ROWS,)
