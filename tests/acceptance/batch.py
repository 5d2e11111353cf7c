"""A batch that is driven as a user drives it: through real processes alone."""

from __future__ import annotations

import csv
import shlex
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from batchgen.sandbox import SandboxProcess, start_sandbox
from tests.books import Books, ledger_rows, read_books
from tests.drive import Underway, environment, run_command, underway
from tests.warm import Ended

_STEPS = """
  SELECT 'sent' AS step, count(*) AS attempts FROM attempts
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
        job: The job file, if the commands name one.
    """

    folder: Path
    options: tuple[str, ...]
    job: str | None = None
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
        try:
            steps = ledger_rows(self.ledger, _STEPS)
        except sqlite3.OperationalError:
            return Counter()  # it is being made
        return Counter({row["step"]: row["attempts"] for row in steps})

    def notes(self) -> Counter[str]:
        """Return how often the log has each event."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        events = [event for line in lines for event in line.split()[2:3]]
        return Counter(event for event in events if event in _NOTES)

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
        return ("run", self.job or "catalog.csv", "--out", "out", *self.options, *more)

    def run(self, *more: str) -> Ended:
        """Run to the end."""
        return self.call(*self.run_arguments(*more))

    def call(self, *arguments: str) -> Ended:
        """Give any command and wait for its end."""
        return run_command(*arguments, at=self.folder, env=environment(**self.keys))

    def books(self, sandbox: SandboxProcess | None = None) -> Books:
        """Read what both sides wrote down.

        Args:
            sandbox: Where it was bought; None for the one of its own rehearsals.
        """
        if sandbox is None:
            with start_sandbox(self.out / "sandbox", latency=0) as own:
                return self.books(own)
        entries = sandbox.bill()["entries"]
        return read_books(self.out, bill=entries, requests=sandbox.requests())

    def carry_on(self, words: str) -> Ended:
        """Give the command that a message prints to carry on."""
        lines = words.splitlines()
        [line] = {line.strip() for line in lines if line.startswith("  batchgen run ")}
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
        earlier = self.steps() + self.notes()
        env = environment(**self.keys)
        with underway(*arguments, at=self.folder, env=env, before=before) as command:
            yield Running(command.process, command.folder, self, earlier)


@dataclass(frozen=True, slots=True)
class Running(Underway):
    """A command of a batch under way.

    Attributes:
        earlier: What had happened in its folder before it began.
    """

    batch: Batch
    earlier: Counter[str]

    def events(self) -> Counter[str]:
        """Return how often each step was made, and each note logged, since it began."""
        return self.batch.steps() + self.batch.notes() - self.earlier

    def until(self, event: str, times: int = 1) -> None:
        """Wait until the run has made a step, or logged a note, so many times."""
        assert self.comes_to(lambda: self.events()[event] >= times), self.output
