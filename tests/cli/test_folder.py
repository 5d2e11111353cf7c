"""A run folder that cannot be used says why, and what stands in it stays."""

from __future__ import annotations

import ctypes
import os
import resource
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from batchgen.sandbox import start_sandbox
from tests.cli.command import (
    COMMAND,
    KEY,
    TIMEOUT_S,
    Ended,
    Keepsake,
    Shop,
    batchgen,
    environment,
    money,
    table,
)
from tests.law import check_table_money

PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE = 1


def run_under(shop: Shop, prepare: Callable[[], None], *options: str) -> Ended:
    """Run in a process that gives up something first."""
    done = subprocess.run(
        [*COMMAND, "run", "m.csv", *shop.options, "--quiet", *options],
        cwd=shop.folder,
        env=environment(KEY),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        preexec_fn=prepare,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


@contextmanager
def running(shop: Shop, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run in a process that goes on while the test looks at it."""
    with subprocess.Popen(
        [*COMMAND, "run", "m.csv", *shop.options, "--quiet", *options],
        cwd=shop.folder,
        env=environment(KEY),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(moment: Callable[[], bool]) -> None:
    give_up = time.monotonic() + TIMEOUT_S
    while not moment():
        assert time.monotonic() < give_up, "the moment never comes"


def obey_modes() -> None:
    """Let root obey a file's mode, as everybody else does."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) == 0


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    mode = folder.stat().st_mode
    folder.chmod(0o500)
    try:
        yield
    finally:
        folder.chmod(mode)


def test_a_folder_belongs_to_the_source_that_made_it(shop: Shop) -> None:
    shop.catalogue(2)
    shop.catalogue(2, "other.csv")
    assert shop.run("m.csv", "--yes", "--out", "mine").code == 0
    keepsake, before = Keepsake.of(shop.folder / "mine"), shop.sent

    ended = shop.run("other.csv", "--yes", "--quiet", "--out", "mine")

    assert ended.code == 1
    assert f"{shop.folder}/mine belongs to {shop.folder}/m.csv" in ended.message
    assert f"not to {shop.folder}/other.csv" in ended.message
    assert "--out" in ended.message
    assert (Keepsake.of(shop.folder / "mine"), shop.sent) == (keepsake, before)


def test_rehearsed_and_real_do_not_mix(shop: Shop) -> None:
    shop.catalogue(2)
    assert shop.run("m.csv", "--yes", "--out", "real").code == 0
    assert shop.run("m.csv", "--rehearse", "--out", "tried").code == 0
    keepsake, before = Keepsake.of(shop.folder / "real"), shop.sent

    rehearsed = shop.run("m.csv", "--rehearse", "--quiet", "--out", "real")
    bought = shop.run("m.csv", "--yes", "--quiet", "--out", "tried")

    assert (rehearsed.code, bought.code) == (1, 1)
    assert "must not mix: name another folder with --out" in rehearsed.message
    assert "must not mix: name another folder with --out" in bought.message
    assert (Keepsake.of(shop.folder / "real"), shop.sent) == (keepsake, before)


def test_a_run_on_this_machine_and_one_at_a_paid_host_do_not_mix(shop: Shop) -> None:
    shop.catalogue(1)
    assert shop.run("m.csv", "--yes").code == 0

    ended = batchgen(
        *("run", "m.csv", "--provider", "aimlapi", "--yes", "--quiet"),
        at=shop.folder,
        key=KEY,
    )

    assert ended.code == 1
    assert "holds a loopback run and this is a real one" in ended.message


def test_out_that_is_a_file_is_refused(shop: Shop) -> None:
    shop.catalogue(1)
    shop.write("mine", "my own words")

    ended = shop.run("m.csv", "--yes", "--out", "mine")

    assert ended.code == 1
    assert "mine is a file, not a folder; name another --out" in ended.message
    assert (shop.folder / "mine").read_text() == "my own words"


@pytest.mark.skipif(
    sys.platform != "linux" and os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_folder_that_cannot_be_written_is_told_and_kept(shop: Shop) -> None:
    shop.catalogue(2)
    assert shop.run("m.csv", "--yes", "--limit", "1").code == 0
    keepsake, before = Keepsake.of(shop.folder / "out/m"), shop.sent

    with read_only(shop.folder / "out/m"):
        ended = run_under(shop, obey_modes, "--yes")

    assert ended.code == 1
    assert f"{shop.folder}/out/m" in ended.stderr
    assert "permission" in ended.stderr.lower() or "readonly" in ended.stderr.lower()
    assert len(ended.stderr.splitlines()) <= 3
    assert (Keepsake.of(shop.folder / "out/m"), shop.sent) == (keepsake, before)
    assert shop.run("m.csv", "--yes").code == 0


@pytest.mark.skipif(
    sys.platform != "linux" and os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_place_where_no_folder_can_be_made_is_told(shop: Shop) -> None:
    shop.catalogue(1)
    (shop.folder / "shelf").mkdir()

    with read_only(shop.folder / "shelf"):
        ended = run_under(shop, obey_modes, "--yes", "--out", "shelf/mine")

    assert ended.code == 1
    assert ended.message.startswith("cannot make the folder")
    assert ended.message.endswith("Permission denied; name another --out")


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    folder.mkdir(parents=True)
    options = f"size={megabytes}m"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no right to mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_too_small_a_disk_stops_before_money_is_spent(shop: Shop) -> None:
    shop.catalogue(2)
    before = shop.sent
    with small_disk(shop.folder / "out/m", 8):
        full = shop.run("m.csv", "--yes", "--quiet")

        assert full.code == 1
        assert "MB are free in" in full.message
        assert "free some space" in full.message
        assert "to carry on:" in full.stdout
        assert shop.sent == before
        roomy = ["mount", "-o", "remount,size=400m", str(shop.folder / "out/m")]
        subprocess.run(roomy, check=True)
        assert shop.run("m.csv", "--yes").code == 0


def test_a_disk_that_fills_up_in_mid_run_stops_before_more_is_bought(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        sandbox = stack.enter_context(start_sandbox(tmp_path / "bank", latency=0))
        shop = Shop(sandbox, tmp_path)
        shop.catalogue(12)
        sandbox.queue_fault("aimlapi", "slow", 4)
        stack.enter_context(small_disk(shop.folder / "out/m", 130))
        ballast = shop.folder / "out/m/ballast"

        with running(shop, "--yes", "--concurrency", "4") as run:
            wait_for(lambda: sandbox.faults()["held"] == 4)
            ballast.write_bytes(bytes(66_000_000))
            sandbox.release()
            out, err = run.communicate(timeout=TIMEOUT_S)

        assert run.returncode == 1, err
        assert "MB are free in" in err
        assert "to carry on:" in out
        rows = table(shop.folder / "out/m")
        bought = shop.sent
        assert 4 <= bought < 12
        assert (rows["status"] == "succeeded").sum() == bought
        assert money(rows, "cost_usd") == Decimal(sandbox.bill()["total_usd"])

        ballast.unlink()
        assert shop.run("m.csv", "--yes").code == 0
        assert shop.sent == 12


def test_a_disk_too_full_for_the_ledger_is_told(shop: Shop) -> None:
    shop.catalogue(2)
    before = shop.sent
    with small_disk(shop.folder / "out/m", 1):
        (shop.folder / "out/m/ballast").write_bytes(bytes(1_000_000))

        full = shop.run("m.csv", "--yes", "--quiet")

    assert full.code == 1
    assert "disk is full" in full.stderr or "No space left" in full.stderr
    assert len(full.stderr.splitlines()) <= 3
    assert shop.sent == before


def let_no_file_grow(process: subprocess.Popen[str], folder: Path) -> None:
    size = (folder / "images.zip").stat().st_size
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.skipif(
    not hasattr(resource, "prlimit"), reason="only Linux limits other processes"
)
@pytest.mark.parametrize("provider", ["aimlapi", "foxapi"])
def test_a_write_that_fails_in_mid_run_loses_nothing_that_is_paid_for(
    tmp_path: Path, provider: str
) -> None:
    with start_sandbox(tmp_path / "sandbox", latency=0.1) as sandbox:
        shop = Shop(sandbox, tmp_path, provider)
        shop.catalogue(40)
        price = ("--price", "0.05") if provider == "foxapi" else ()
        with running(shop, "--yes", *price) as run:
            wait_for(lambda: shop.sent >= 8)
            let_no_file_grow(run, shop.folder / "out/m")
            out, err = run.communicate(timeout=TIMEOUT_S)
        assert run.returncode == 1, err
        assert "may not grow beyond the system's limit" in err
        assert "`ulimit -f unlimited`" in err
        assert "carry on:" in out + err
        assert "Traceback" not in err
        assert shop.sent < 40

        carried_on = shop.run("m.csv", "--yes", "--quiet", *price)

        assert carried_on.code == 0, carried_on
        rows = table(shop.folder / "out/m")
        bought, risk = rows["attempts"].sum(), rows["at_risk_attempts"].sum()
        assert bought == 40 + risk
        assert shop.sent <= bought
        if provider == "aimlapi":
            check_table_money(rows.to_dicts(), sandbox.bill()["total_nano_usd"])
        with zipfile.ZipFile(shop.folder / "out/m/images.zip") as archive:
            assert archive.testzip() is None
            assert len(archive.namelist()) == 40 + 1


def test_a_table_that_cannot_be_replaced_is_told_and_written_later(shop: Shop) -> None:
    shop.catalogue(2)
    outcome = shop.folder / "out/m/results.parquet"
    outcome.mkdir(parents=True)
    (outcome / "in the way").touch()

    ended = shop.run("m.csv", "--yes", "--quiet")

    assert ended.code == 1
    assert f"cannot write {outcome}: Is a directory" in ended.stderr
    assert "when it is mended, carry on:" in ended.stderr
    bought = shop.sent
    (outcome / "in the way").unlink()
    outcome.rmdir()
    assert shop.run("m.csv", "--yes").code == 0
    assert shop.sent == bought
    assert table(shop.folder / "out/m")["status"].to_list() == ["succeeded"] * 2


def test_a_ledger_of_a_newer_version_is_left_alone(shop: Shop) -> None:
    shop.catalogue(1)
    assert shop.run("m.csv", "--yes").code == 0
    path, before = shop.folder / "out/m/run.db", shop.sent
    with closing(sqlite3.connect(path)) as ledger:
        ledger.execute("PRAGMA user_version = 99")

    commands = [
        shop.run("m.csv", "--yes", "--quiet"),
        *(
            batchgen(name, "out/m", at=shop.folder)
            for name in ("status", "report", "retry")
        ),
        batchgen("check", "m.csv", *shop.options, at=shop.folder),
    ]

    for ended in commands:
        assert ended.code == 1
        assert "written by a newer batchgen (ledger version 99" in ended.message
        assert ended.message.endswith("upgrade batchgen")
    with closing(sqlite3.connect(path)) as ledger:
        assert ledger.execute("PRAGMA user_version").fetchone() == (99,)
    assert shop.sent == before


def test_a_ledger_that_is_none_is_told(shop: Shop) -> None:
    shop.catalogue(1)
    (shop.folder / "out/m").mkdir(parents=True)
    (shop.folder / "out/m/run.db").write_bytes(b"my diary, not a database " * 100)

    ended = shop.run("m.csv", "--yes", "--quiet")

    assert ended.code == 1
    assert "run.db is damaged or no ledger" in ended.message
    diary = (shop.folder / "out/m/run.db").read_bytes()
    assert diary.startswith(b"my diary")


FSYNC = """
import errno, os, stat
fsync = os.fsync
def shim(descriptor):
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        raise OSError(errno.{error}, os.strerror(errno.{error}))
    fsync(descriptor)
os.fsync = shim
"""
FLOCK = """
import errno, fcntl, os
def shim(descriptor, operation):
    raise OSError(errno.{error}, os.strerror(errno.{error}))
fcntl.flock = shim
"""


def run_on(shop: Shop, shim: str) -> Ended:
    """Run in a process whose file system answers some calls otherwise."""
    code = f"{shim}\nfrom batchgen.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "m.csv", *shop.options, "--yes", "--quiet"],
        cwd=shop.folder,
        env=environment(KEY),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("error", ["EINVAL", "ENOTSUP"])
def test_a_file_system_that_cannot_sync_folders_gets_all_outputs(
    shop: Shop, error: str
) -> None:
    shop.catalogue(2)

    ended = run_on(shop, FSYNC.format(error=error))

    assert ended.code == 0, ended
    assert table(shop.folder / "out/m")["status"].to_list() == ["succeeded"] * 2


def test_a_disk_that_fails_to_sync_a_folder_is_told(shop: Shop) -> None:
    shop.catalogue(1)

    ended = run_on(shop, FSYNC.format(error="EIO"))

    assert ended.code == 1
    assert "Input/output error" in ended.stderr


@pytest.mark.parametrize("error", ["ENOLCK", "ENOTSUP", "ENOSYS"])
def test_a_file_system_without_locks_is_refused_with_the_way_out(
    shop: Shop, error: str
) -> None:
    shop.catalogue(1)
    before = shop.sent

    ended = run_on(shop, FLOCK.format(error=error))

    assert ended.code == 1
    assert "has no locks" in ended.message
    assert "--out" in ended.message
    assert shop.sent == before
