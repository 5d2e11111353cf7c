"""Closed streams, odd bytes, rings of links, pipes, endless numbers: a message each."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from batchgen.drives import message_for, ring_of_links
from tests.cli.command import COMMAND, TIMEOUT_S, batchgen, environment

GEMINI = ("--provider", "gemini")
REHEARSAL = (*GEMINI, "--rehearse", "--quiet")


@pytest.fixture
def shop_folder(tmp_path: Path) -> Path:
    (tmp_path / "m.csv").write_text("id,prompt\na,a mug\n")
    return tmp_path


def shell(folder: Path, words: str, streams: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command as a shell does that closes or redirects its streams."""
    line = f"exec {shlex.join(COMMAND)} {words} {streams}"
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment(None),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize(
    "streams",
    [
        pytest.param("<&- >&- 2>&-", id="all-closed"),
        pytest.param(">/dev/full", id="output-full"),
    ],
)
def test_a_run_whose_words_nobody_reads_succeeds(
    shop_folder: Path, streams: str
) -> None:
    words = "run m.csv --provider gemini --rehearse --quiet"

    done = shell(shop_folder, words, streams)

    assert b"Traceback" not in done.stderr
    assert done.returncode == 0
    folder = shop_folder / "out" / "m-rehearsal"
    # Nothing that was meant for the terminal stands in a file of the run.
    assert (folder / "images.zip").read_bytes()[:4] == b"PK\x03\x04"
    assert (folder / "run.db").read_bytes()[:15] == b"SQLite format 3"


@pytest.mark.parametrize("words", ["check m.csv --provider gemini", "providers"])
def test_a_reader_that_leaves_changes_no_exit_code(
    shop_folder: Path, words: str
) -> None:
    done = shell(shop_folder, words, "> >(exec true); sleep 0").returncode
    closed = shell(shop_folder, words, ">&-")

    assert done == closed.returncode == 0
    assert closed.stderr == b""


def test_a_result_that_a_full_disk_did_not_take_is_told(shop_folder: Path) -> None:
    done = shell(shop_folder, "providers --json", ">/dev/full")

    assert done.returncode == 1
    assert done.stderr == (
        b"batchgen: the output is not complete: No space left on device\n"
    )


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        pytest.param([b"run", b"caf\xe9.csv"], "rename the file or", id="manifest"),
        pytest.param([b"check", b"caf\xe9.csv"], "rename the file or", id="check"),
        pytest.param([b"run", b"m.csv", b"--out", b"caf\xe9"], "type it", id="out"),
        pytest.param([b"run", b"m.csv", b"--prompt", b"\xe9"], "type it", id="prompt"),
        pytest.param([b"costs", b"caf\xe9"], "type it", id="costs"),
    ],
)
def test_a_word_that_is_no_utf8_is_refused_with_the_way_out(
    shop_folder: Path, words: list[bytes], remedy: str
) -> None:
    # Not every file system takes such a name.
    try:
        (shop_folder / os.fsdecode(b"caf\xe9.csv")).write_text("prompt\na\n")
    except OSError:
        pytest.skip("the file system takes UTF-8 names alone")

    done = subprocess.run(
        [*map(os.fsencode, COMMAND), *words, b"--provider", b"gemini"],
        cwd=shop_folder,
        env=environment(None),
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )

    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("batchgen: ")
    assert (
        f"\\xe9{'.csv' if 'rename' in remedy else ''} is not written in UTF-8" in line
    )
    assert f": {remedy}" in line
    assert not (shop_folder / "out").exists()


@pytest.mark.parametrize(
    ("addition", "words"),
    [
        pytest.param("x = " + "[" * 20_000 + "]" * 20_000, "nested too", id="lists"),
        pytest.param("x = " + "{a=" * 20_000 + "}" * 20_000, "nested too", id="tables"),
        pytest.param("[a" + ".a" * 20_000 + "]", "nested too", id="dotted-name"),
        pytest.param("limit = " + "9" * 5000, "too many digits", id="digits"),
        pytest.param("limit = 0x" + "f" * 5000, "too many digits", id="hexadecimal"),
        pytest.param("max_cost = 1e999999999999999999999", "too many", id="exponent"),
        pytest.param("max_cost = 1e999999", "too many digits", id="decimal"),
    ],
)
def test_a_job_file_that_is_a_burden_is_refused_in_words(
    shop_folder: Path, addition: str, words: str
) -> None:
    job = shop_folder / "j.toml"
    job.write_text(f'manifest = "m.csv"\nprovider = "gemini"\n{addition}\n')

    done = batchgen("check", "j.toml", at=shop_folder)

    assert done.code == 1
    assert done.message.startswith("j.toml: ")
    assert words in done.message


def test_a_bill_that_is_a_burden_is_refused_in_words(shop_folder: Path) -> None:
    batchgen("run", "m.csv", *REHEARSAL, "--out", "o", at=shop_folder)
    bills = {
        "list": "[" * 20_000,
        "line": '{"time": 1, "x": ' + "[" * 20_000 + "]" * 20_000 + "}",
        "exponent": '[{"amount": 1e999999999999999999999}]',
    }

    for name, bill in bills.items():
        (shop_folder / f"{name}.json").write_text(bill)
        done = batchgen("reconcile", "o", "--bill", f"{name}.json", at=shop_folder)

        assert done.code == 1
        assert done.message.startswith(f"{name}.json")


def test_a_table_that_is_deeply_nested_json_is_told_as_json(shop_folder: Path) -> None:
    (shop_folder / "j.csv").write_text("[" * 20_000 + "\n")

    done = batchgen("check", "j.csv", *GEMINI, at=shop_folder)

    assert done.code == 1
    assert done.message.startswith("j.csv, line 1: a list of objects is needed")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["check", "ring.csv", *GEMINI], id="manifest"),
        pytest.param(["check", "ring.toml"], id="job"),
        pytest.param(["check", "j.toml"], id="manifest-of-a-job"),
        pytest.param(["run", "m.csv", *REHEARSAL, "--out", "ring"], id="out"),
        pytest.param(["run", "m.csv", *REHEARSAL, "--out", "ring/x"], id="below-out"),
        pytest.param(["try", "a", *REHEARSAL[:3], "--out", "ring"], id="out-of-try"),
        pytest.param(["status", "ring"], id="run"),
        pytest.param(["costs", "ring.parquet"], id="table"),
    ],
)
def test_links_in_a_ring_are_told(shop_folder: Path, words: list[str]) -> None:
    for name in ("ring", "ring.csv", "ring.toml", "ring.parquet"):
        (shop_folder / name).symlink_to(name)
    (shop_folder / "j.toml").write_text('manifest = "ring.csv"\nprovider = "gemini"\n')

    done = batchgen(*words, at=shop_folder)

    assert done.code in (1, 2)
    assert "ring" in done.message


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["check", "pipe.csv", *GEMINI], id="manifest"),
        pytest.param(["check", "pipe.toml"], id="job"),
        pytest.param(["costs", "pipe.parquet"], id="table"),
        pytest.param(["retry", "o", "--ids", "pipe"], id="ids"),
        pytest.param(["reconcile", "o", "--bill", "pipe"], id="bill"),
        pytest.param(["run", "m.csv", *REHEARSAL, "--out", "p"], id="log"),
    ],
)
def test_a_pipe_that_nobody_writes_to_is_never_waited_for(
    shop_folder: Path, words: list[str]
) -> None:
    for name in ("pipe", "pipe.csv", "pipe.toml", "pipe.parquet", "p/run.log"):
        (shop_folder / name).parent.mkdir(exist_ok=True)
        os.mkfifo(shop_folder / name)
    if "o" in words:
        batchgen("run", "m.csv", *REHEARSAL, "--out", "o", at=shop_folder)

    done = batchgen(*words, at=shop_folder)

    assert done.code == 1
    assert re.search("is no regular file|is a device or a pipe", done.message)


@pytest.mark.skipif(sys.platform != "linux", reason="its own memory is a file there")
def test_a_disk_that_fails_is_told(shop_folder: Path) -> None:
    # Reading what is mapped nowhere fails with EIO, as a mount that died does.
    done = batchgen("check", "/proc/self/mem", *GEMINI, at=shop_folder)

    assert done.code == 1
    assert "nput/output error (the drive or its connection failed" in done.message


def test_the_system_is_quoted_and_a_fault_of_ours_is_not_hidden() -> None:
    dead = OSError(107, "Transport endpoint is not connected", "/mnt/shop/m.csv")

    assert message_for(dead) == (
        "cannot use /mnt/shop/m.csv: Transport endpoint is not connected (the drive or "
        "its connection failed: see that it works)"
    )
    assert ring_of_links(RuntimeError("a fault of ours")) is None


def test_a_reference_of_ten_gigabytes_is_refused_unread(shop_folder: Path) -> None:
    with (shop_folder / "huge.png").open("wb") as file:
        file.truncate(1 << 43)  # eight terabytes, of which no byte is on the disk
    os.mkfifo(shop_folder / "pipe.png")
    (shop_folder / "zero.png").symlink_to("/dev/zero")
    (shop_folder / "folder.png").mkdir()
    names = ("huge", "pipe", "folder", "zero")
    rows = "".join(f"a {name},{name}.png\n" for name in names)
    (shop_folder / "r.csv").write_text("prompt,references\n" + rows)

    done = batchgen("check", "r.csv", *GEMINI, "--json", at=shop_folder)

    assert done.code == 1
    text = json.dumps(json.loads(done.stdout))
    assert "huge.png: 8,796,093.0 MB are too large (at most 100 MB)" in text
    assert "pipe.png is no regular file: name the file of an image" in text
    assert "folder.png is a folder: name the file of an image" in text
    assert "zero.png lies outside" in text
