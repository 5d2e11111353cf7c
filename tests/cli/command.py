"""The command line as a user meets it: a process, its exit code and its two streams."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import polars as pl

from batchgen.model import Status
from batchgen.sandbox import SandboxProcess
from tests.drive import HASTE, keys_of_all, run_command
from tests.warm import Ended as Ended

KEY = "sk-live-Qz7Rt2Lm9Xv4Bn8Kw1PdYc5H"
TIMEOUT_S = 120
COMMAND = [sys.executable, "-m", "batchgen"]


def batchgen(
    *words: str | Path,
    at: Path,
    key: str | None = None,
    preload: Path | None = None,
    variables: Mapping[str, str] | None = None,
    haste: float = HASTE,
) -> Ended:
    """Run a command in a folder, with nobody at the keyboard.

    Args:
        words: The arguments.
        at: The folder.
        key: Of every provider; None for none.
        preload: A library whose functions take the place of the system's.
        variables: More of the environment.
        haste: How much faster its time runs: 1 where a clock outside judges it, such
            as that of a server that lets so many requests a second through.
    """
    env = {**environment(key), **(variables or {})}
    ended = run_command(*words, at=at, env=env, preload=preload, haste=haste)
    assert "Traceback" not in ended.terminal, ended.stderr
    return ended


def environment(key: str | None) -> dict[str, str]:
    """Return the environment as the test has set it, with a key of every provider."""
    return {**os.environ, **(keys_of_all(key) if key else {})}


@dataclass(frozen=True, slots=True)
class Shop:
    """A provider on this machine, as real as any to who buys there."""

    sandbox: SandboxProcess
    folder: Path
    provider: str = "aimlapi"

    @property
    def options(self) -> list[str]:
        url = self.sandbox.provider_url(self.provider)
        return ["--provider", self.provider, "--base-url", url]

    @property
    def sent(self) -> int:
        return len(self.sandbox.requests())

    def run(self, source: str, *options: str, key: str | None = KEY) -> Ended:
        words = ("run", source, *self.options, *options)
        return batchgen(*words, at=self.folder, key=key)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def catalogue(self, rows: int, name: str = "m.csv") -> None:
        """Write a manifest with rows of their own ids and prompts."""
        lines = [f"r{index},{self.folder.name} lamp {index}" for index in range(rows)]
        self.write(name, "\n".join(["id,prompt", *lines, ""]))


def table(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "results.parquet")


def money(rows: pl.DataFrame, column: str) -> Decimal:
    return sum(rows[column], Decimal(0))


def by_status(**rows: int) -> dict[str, int]:
    """Return numbers of rows as JSON documents have them: each status stands there."""
    return {status.value: rows.get(status.value, 0) for status in Status}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def ledger_dump(folder: Path) -> list[tuple[object, ...]]:
    """Return every attempt and every image of the ledger."""
    with closing(sqlite3.connect(folder / "run.db")) as ledger:
        attempts = ledger.execute("SELECT * FROM attempts ORDER BY attempt_id")
        images = ledger.execute("SELECT * FROM images ORDER BY attempt_id, image")
        return [*attempts.fetchall(), *images.fetchall()]


@dataclass(frozen=True, slots=True)
class Keepsake:
    """What an earlier run left, to see that it is left alone."""

    archive: str
    table: str
    ledger: list[tuple[object, ...]]

    @classmethod
    def of(cls, folder: Path) -> Keepsake:
        archive, outcome = folder / "images.zip", folder / "results.parquet"
        return cls(digest(archive), digest(outcome), ledger_dump(folder))
