"""Without threads nothing is bought, and what was bought is stored all the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.scarce.runs import COMMAND, KEY, server, words_for, write_manifest

# The system limits the threads of root by nothing; another user must read what is
# root's, and python with it.
AS_ANOTHER = ["setpriv", "--reuid=54321", "--inh-caps=+dac_override"]
AS_ANOTHER += ["--ambient-caps=+dac_override", "prlimit"]

WITHOUT_A_THREAD = """
import anyio
from batchgen.storage.writer import to_thread

async def store():
    return await to_thread(lambda: "stored")

print(anyio.run(store))
"""


def limited(threads: int, command: Sequence[str], folder: Path) -> tuple[int, str, str]:
    if os.geteuid() or not shutil.which("setpriv") or not shutil.which("prlimit"):
        pytest.skip("only root can become a user without threads")
    folder.chmod(0o777)
    words = [*AS_ANOTHER, f"--nproc={threads}", "--", *command]
    keys = {"AIMLAPI_API_KEY": KEY, "HOME": str(folder)}
    path = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **keys, **path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_run_that_may_not_start_its_threads_buys_nothing(tmp_path: Path) -> None:
    write_manifest(tmp_path, 2)
    enough_to_read = 8 + 2 * (os.cpu_count() or 1)
    with server(0.0) as shop:
        words = [*COMMAND, *words_for("aimlapi", shop.url, 2)]
        code, _, error = limited(enough_to_read, words, tmp_path)
        purchases = shop.bill().purchases

    assert code == 1
    assert purchases == 0
    assert "too few threads" in error
    assert "`ulimit -u`" in error
    assert "Nothing was sent" in error
    assert "Traceback" not in error


def test_what_was_bought_is_stored_where_no_thread_starts(tmp_path: Path) -> None:
    code, out, error = limited(1, [sys.executable, "-c", WITHOUT_A_THREAD], tmp_path)

    assert (code, out) == (0, "stored\n"), error
