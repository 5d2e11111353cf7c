"""A batch that is driven as a user drives it: through real processes alone."""

from __future__ import annotations

import csv
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from tests.warm import Ended, call

BATCHGEN = (sys.executable, "-P", "-m", "batchgen")
WITHIN_S = 120.0
"""A run that takes longer hangs; nothing else depends on it."""

HASTE = 8.0
"""How much faster time runs in commands whose end is waited for."""

_LOOK_EVERY_S = 0.001

_STEPS = """
  SELECT 'sent', count(*) FROM attempts
  UNION ALL SELECT 'accepted', count(accepted_at) FROM attempts
  UNION ALL SELECT 'delivered', count(*) FROM attempts
            WHERE state IN ('delivered', 'stored')
  UNION ALL SELECT 'stored', count(*) FROM attempts WHERE state = 'stored'
"""
_NOTES = frozenset({"started", "signal"})

Row = Mapping[str, object]


def product_rows(numbers: Iterable[int]) -> list[dict[str, object]]:
    """Return rows whose prompts differ, so that each purchase tells its row."""
    return [
        {"id": f"p{number:04}", "prompt": f"Product {number}, “naïve” 青, on a table"}
        for number in numbers
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One manifest and its run folder.

    Attributes:
        folder: Where the commands are given.
        options: Of every `run`, the provider among them.
        keys: What is added to an environment that holds no key.
    """

    folder: Path
    options: tuple[str, ...]
    keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        return self.folder / "catalog.csv"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def archive(self) -> Path:
        return self.out / "images.zip"

    @property
    def table(self) -> Path:
        return self.out / "results.parquet"

    @property
    def ledger(self) -> Path:
        return self.out / "run.db"

    @property
    def log(self) -> Path:
        return self.out / "run.log"

    def steps(self) -> Counter[str]:
        """Return how many attempts came how far, as the ledger has it now."""
        if not self.ledger.exists():
            return Counter()
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as found:
            try:
                rows = found.execute(_STEPS).fetchall()
            except sqlite3.OperationalError:
                return Counter()  # it is being made
        return Counter(dict(rows))

    def notes(self) -> Counter[str]:
        """Return how often the log has each event."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return Counter(it for line in lines for it in line.split()[2:3] if it in _NOTES)

    def having(self, *options: str) -> Self:
        """Return the same batch with more options on its run command."""
        return replace(self, options=(*self.options, *options))

    def write(self, rows: Sequence[Row]) -> None:
        """Write the manifest."""
        columns = list(dict.fromkeys(name for row in rows for name in row))
        with self.source.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def run_arguments(self, *more: str) -> tuple[str, ...]:
        return ("run", "catalog.csv", "--out", "out", *self.options, *more)

    def run(self, *more: str) -> Ended:
        """Run to the end."""
        return self.call(*self.run_arguments(*more))

    def call(self, *arguments: str) -> Ended:
        """Give any command and wait for its end."""
        return call(
            arguments,
            at=self.folder,
            env=self._environment(),
            within_s=WITHIN_S,
            haste=HASTE,
        )

    def carry_on(self, words: str) -> Ended:
        """Give the command that a message prints to carry on."""
        [line] = {
            it.strip() for it in words.splitlines() if it.startswith("  batchgen run ")
        }
        return self.call(*shlex.split(line)[1:])

    def running(
        self, *more: str, before: Sequence[str] = ()
    ) -> AbstractContextManager[Running]:
        """Run until the block ends; what still runs then is killed.

        Args:
            more: Options.
            before: A command that starts it, such as nohup.
        """
        return self.calling(*self.run_arguments(*more), before=before)

    @contextmanager
    def calling(self, *arguments: str, before: Sequence[str] = ()) -> Iterator[Running]:
        """Give any command that runs until the block ends, at most."""
        before_it = self.steps() + self.notes()
        with (
            (self.folder / "stdout").open("w+") as out,
            (self.folder / "stderr").open("w+") as err,
            subprocess.Popen(
                [*before, *BATCHGEN, *arguments],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                process_group=0,
                stdout=out,
                stderr=err,
            ) as process,
        ):
            try:
                yield Running(self, process, before_it)
            finally:
                process.kill()

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.endswith("_KEY") and not name.lower().endswith("_proxy")
        }
        return {**kept, "BATCHGEN_LOOPBACK_ONLY": "1", **self.keys}


@dataclass(frozen=True, slots=True)
class Running:
    """A run under way, and what can be seen of it from outside.

    Attributes:
        earlier: What had happened in its folder before it began.
    """

    batch: Batch
    process: subprocess.Popen[bytes]
    earlier: Counter[str]

    def events(self) -> Counter[str]:
        """Return how often each step was made, and each note logged, since it began."""
        return self.batch.steps() + self.batch.notes() - self.earlier

    def comes_to(self, moment: Callable[[], bool]) -> bool:
        """Wait for a moment; False when the process ended before it."""
        give_up = time.monotonic() + WITHIN_S
        while not moment():
            assert time.monotonic() < give_up, "the moment never comes"
            try:
                self.process.wait(_LOOK_EVERY_S)
            except subprocess.TimeoutExpired:
                continue
            return False
        return self.process.poll() is None

    def until(self, event: str, times: int = 1) -> None:
        """Wait until the run has made a step, or logged a note, so many times."""
        assert self.comes_to(lambda: self.events()[event] >= times), self.said()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to its whole group, as a terminal does."""
        os.killpg(self.process.pid, number)

    def end(self) -> Ended:
        """Wait for its end."""
        code = self.process.wait(WITHIN_S)
        return Ended(code, *self.said())

    def kill(self) -> None:
        """Kill it, and nothing else, at once."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def said(self) -> tuple[str, str]:
        """Return what it wrote to stdout and stderr."""
        folder = self.batch.folder
        return (folder / "stdout").read_text(), (folder / "stderr").read_text()
