"""One run of batchgen as a process with a limit, judged by its server's own bill."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import polars as pl

from batchgen.providers import PROVIDERS, key_variable

KEY = "sk-live-Qz7Rt2Lm9Xv4Bn8Kw1PdYc5H"
COMMAND = [sys.executable, "-m", "batchgen"]
PROTOCOLS = {"aimlapi": "links", "apiai": "inline", "foxapi": "tasks"}


@dataclass(frozen=True, slots=True)
class Bill:
    """What the server charged, and the connections it saw, the question's included.

    Attributes:
        max_open: At a time.
    """

    purchases: int
    max_open: int
    connections: int


@dataclass(frozen=True, slots=True)
class Server:
    """The provider's process."""

    url: str

    def bill(self) -> Bill:
        """Ask for the bill."""
        with urlopen(f"{self.url}/bill", timeout=30) as reply:
            return Bill(**json.loads(reply.read()))


@contextmanager
def server(latency_s: float) -> Iterator[Server]:
    """Serve until the block ends."""
    command = [sys.executable, "-m", "tests.scarce.server", str(latency_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Server(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.kill()


@contextmanager
def no_files_left() -> Iterator[None]:
    """Let this process open nothing more until the block ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/dev/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    with ExitStack() as opened:
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with suppress(OSError):
            while True:
                opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        yield


def limited(kind: int, soft: int, hard: int | None = None) -> Callable[[], None]:
    """Return what a child calls to limit itself."""
    return lambda: resource.setrlimit(kind, (soft, soft if hard is None else hard))


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


def command(
    *words: str | Path, at: Path, limit: Callable[[], None], **env: str
) -> Ended:
    """Run a command as a fresh process under a limit."""
    keys = {key_variable(name): KEY for name in PROVIDERS}
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        cwd=at,
        env={**os.environ, **keys, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        preexec_fn=limit,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


def write_manifest(folder: Path, rows: int) -> None:
    """Write rows that differ, so that none shares a purchase."""
    lines = [f"r{number},lamp {number}" for number in range(rows)]
    (folder / "m.csv").write_text("\n".join(["id,prompt", *lines, ""]))


def words_for(provider: str, url: str, at_once: int) -> list[str]:
    """Return the words of the command that runs the manifest at a provider."""
    words = ["run", "m.csv", "--provider", provider, "--base-url", f"{url}/{provider}"]
    words += ["--concurrency", str(at_once), "--rpm", "600000", "--yes", "--quiet"]
    return words if provider == "aimlapi" else [*words, "--price", "0.05"]


def assert_all_kept(folder: Path, bill: Bill, rows: int) -> None:
    """Hold the run folder against the bill: each row bought once, and stored."""
    out = folder / "out/m"
    table = pl.read_parquet(out / "results.parquet")
    assert table["status"].to_list() == ["succeeded"] * rows
    assert bill.purchases == rows
    assert sum(table["at_risk_attempts"]) == 0
    assert sum(table["cost_usd"]) * 20 == bill.purchases
    with zipfile.ZipFile(out / "images.zip") as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == rows + 1
