"""What looks at an ended run, or writes it anew, meets the same file systems."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from batchgen.sandbox import SandboxProcess
from tests.cli.command import Keepsake, Shop, batchgen
from tests.filesystem.faults import Fault, FaultySystem
from tests.filesystem.test_run import LOCAL, ROWS, WORKS, images_in

PAGE = ("report", "--html")

CASES = {
    "status-shared-memory": (
        ("status",),
        Fault("map", "*-shm", "ENODEV"),
        ("run.db", LOCAL),
    ),
    "status-locks": (
        ("status",),
        Fault("record-lock", "*/run.db", "ENOTSUP"),
        ("run.db", LOCAL),
    ),
    "status-mount": (
        ("status",),
        Fault("open", "*/run.db", "ENOTCONN"),
        ("cannot open", "run.db", "its drive is mounted"),
    ),
    "retry-full": (
        ("retry", "--status", "failed"),
        Fault("write", "*/run/*", "ENOSPC"),
        ("run.db", "free some space"),
    ),
    "table-full": (
        ("report",),
        Fault("write", "*.partial", "ENOSPC"),
        ("results.parquet", "free some"),
    ),
    "archive-read": (
        ("report", "--verify"),
        Fault("read", "*/images.zip", "EIO"),
        ("cannot read", "images.zip", WORKS),
    ),
    "page-full": (PAGE, Fault("write", "*report.html*", "EDQUOT"), ("report.html",)),
    "page-held": (
        PAGE,
        Fault("rename", "*/report.html", "EBUSY"),
        ("report.html", "another program holds it"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_fault_leaves_what_is_there_and_says_what_to_do(
    name: str, system: FaultySystem, ended: Path, tmp_path: Path
) -> None:
    words, fault, says = CASES[name]
    run = tmp_path / "run"
    shutil.copytree(ended, run)
    first, *options = words
    command = [first, run.name, *options]

    refused = system.batchgen(*command, at=tmp_path, faults=[fault])

    assert refused.code == 1, refused
    assert refused.stderr.count("batchgen: ") == 1
    for part in says:
        assert part in refused.stderr

    again = batchgen(*command, at=tmp_path)

    assert again.code == 0, again.stderr
    assert Keepsake.of(run).ledger == Keepsake.of(ended).ledger
    assert images_in(run) == ROWS


@pytest.fixture(scope="module")
def ended(sandbox: SandboxProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    shop = Shop(sandbox, tmp_path_factory.mktemp("ended"))
    shop.catalogue(ROWS)
    assert shop.run("m.csv", "--max-cost", "5").code == 0
    return shop.folder / "out" / "m"
