"""Buy at a service with the real command, and judge what every run promises."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from tests.cases.dialects import dialect
from tests.cases.server import PRICE, Service
from tests.drive import Underway, environment, run_command, underway
from tests.fake_provider.server import serve_in_threads
from tests.law import money_problems
from tests.providers.expected import facts_of
from tests.warm import Ended

KEY = "sk-case-Rt7Zq2Lm9Xv4Bn8Kw1PdYc5H"
WITHIN_S = 60.0
PATIENCE = float(os.environ.get("BATCHGEN_CASES_PATIENCE", "1"))
"""Every longest time of a run is multiplied by it: above 1 for slow machines."""
HASTE = 8 / PATIENCE
"""How much faster time runs for a customer, unless the clock of the service judges."""
FORBIDDEN = ("a fault of batchgen itself", "Traceback (most recent call last)")
Row = Mapping[str, Any]


@contextmanager
def open_service(provider: str) -> Iterator[Service]:
    """Serve as a provider does until the block ends."""
    service = Service(dialect(provider))
    with serve_in_threads(service):
        yield service


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run, and all before it in its folder, left behind.

    Attributes:
        rows: The result table, by id, in its order.
        members: Content of the archive's images, by name.
        kept: Files under `kept/`, by path relative to the run folder.
        spent: What all attempts together cost, as far as it is known.
        bill: What the services charged.
    """

    code: int
    stdout: str
    stderr: str
    rows: Mapping[str, Row]
    members: Mapping[str, bytes]
    kept: Mapping[str, bytes]
    spent: Decimal
    at_risk: Decimal
    bill: Decimal

    @property
    def terminal(self) -> str:
        return f"{self.stdout}\n{self.stderr}"

    def statuses(self) -> dict[str, str]:
        return {id_: row["status"] for id_, row in self.rows.items()}

    def count(self, status: str) -> int:
        return [*self.statuses().values()].count(status)

    def ends(self, code: int, /, **statuses: str) -> None:
        """Assert the exit code and how rows ended; `others` stands for the rest."""
        others = statuses.pop("others", None)
        expected = {id_: statuses.get(id_, others) for id_ in self.rows}
        assert (self.code, self.statuses()) == (code, expected), self.explain()

    def explain(self) -> str:
        """Return all that helps to see why a case failed; bad ends first."""
        rows = sorted(self.rows.values(), key=lambda row: row["status"] == "succeeded")
        lines = [
            f"{row['id']}: {row['status']} {row['error'] or ''} {row['message'] or ''}"
            f" attempts {row['attempts']} cost {row['cost_usd']} {row['cost_basis']}"
            f" at risk {row['at_risk_usd']}"
            for row in rows[:20]
        ]
        money = f"spent {self.spent} bill {self.bill} at risk {self.at_risk}"
        return "\n".join([f"exit {self.code}", self.terminal, *lines, money])


@dataclass(frozen=True, slots=True)
class Customer:
    """Who buys: a folder with a manifest, and the services that are asked.

    Attributes:
        services: By provider, in the order in which they are named.
        key: The same for all.
        price: Of an image; None where none is given.
    """

    folder: Path
    services: Mapping[str, Service]
    key: str = KEY
    price: Decimal | None = PRICE

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def write(self, ids: Sequence[str], **columns: str) -> None:
        """Write a manifest whose prompts end with the id of their row."""
        header = ",".join(["id", "prompt", *columns])
        lines = [
            ",".join([id_, f"a picture of a {id_}", *columns.values()]) for id_ in ids
        ]
        (self.folder / "m.csv").write_text("\n".join([header, *lines, ""]), "utf-8")

    def command(self, *options: str) -> list[str]:
        """Return the words of the command."""
        command = ["run", "m.csv", "--out", "out"]
        command += ["--provider", ",".join(self.services)]
        for name, service in self.services.items():
            command += ["--base-url", f"{name}={service.url}"]
        if self.price is not None:
            command += ["--price", str(self.price)]
        return [*command, "--max-cost", "50", *options]

    @property
    def environment(self) -> dict[str, str]:
        names = (facts_of(name).key_variable for name in self.services)
        return environment(**dict.fromkeys(names, self.key))

    def run(
        self, *options: str, within_s: float = WITHIN_S, haste: float = HASTE
    ) -> Outcome:
        """Run to its end and judge what holds for every run."""
        return self.call(*self.command(*options), within_s=within_s, haste=haste)

    def call(
        self, *command: str, within_s: float = WITHIN_S, haste: float = HASTE
    ) -> Outcome:
        """Give any command that works on the run folder."""
        ended = run_command(
            *command,
            at=self.folder,
            env=self.environment,
            within_s=within_s * PATIENCE,
            haste=haste,
        )
        return self.judge(ended)

    def underway(self, *options: str) -> AbstractContextManager[Underway]:
        """Run until the block ends, at most."""
        return underway(*self.command(*options), at=self.folder, env=self.environment)

    def judge(self, ended: Ended) -> Outcome:
        """Read what a command left behind and assert what always holds."""
        table, attempts = self._table("results"), self._table("attempts")
        outcome = Outcome(
            ended.code,
            ended.stdout,
            ended.stderr,
            {row["id"]: row for row in table},
            self._members(),
            self._kept(),
            _total(attempts, "cost_usd"),
            _total(table, "at_risk_usd"),
            sum((service.bill for service in self.services.values()), Decimal(0)),
        )
        self._assert_promises(outcome)
        return outcome

    def _table(self, name: str) -> list[dict[str, Any]]:
        path = self.out / f"{name}.parquet"
        return pl.read_parquet(path).to_dicts() if path.exists() else []

    def _members(self) -> dict[str, bytes]:
        path = self.out / "images.zip"
        if not path.exists() or not path.stat().st_size:
            return {}
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            names = {*archive.namelist()} - {"metadata.jsonl"}
            return {name: archive.read(name) for name in names}

    def _kept(self) -> dict[str, bytes]:
        paths = (self.out / "kept").rglob("*")
        files = [path for path in paths if path.is_file()]
        return {str(file.relative_to(self.out)): file.read_bytes() for file in files}

    def _assert_promises(self, outcome: Outcome) -> None:
        for message in FORBIDDEN:
            assert message not in outcome.terminal, outcome.explain()
        if len(self.key) >= 16:
            assert self.key not in outcome.terminal, outcome.explain()
            files = [path for path in self.out.rglob("*") if path.is_file()]
            key = self.key.encode()
            leaks = [file.name for file in files if key in file.read_bytes()]
            assert not leaks, leaks
        if not outcome.rows:
            return
        with (self.folder / "m.csv").open(encoding="utf-8", newline="") as file:
            ids = [line["id"] for line in csv.DictReader(file)]
        assert [*outcome.rows] == ids
        money = money_problems(outcome.spent, outcome.bill, outcome.at_risk)
        assert not [*money], outcome.explain()
        _assert_archive(outcome)


def row_of(name: str) -> str:
    """Return the id of the row that plays a case."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")


def among_others(names: Iterable[str]) -> list[str]:
    """Return ids for a manifest: a usual row before and behind that of each case.

    Three rows in turn that end badly stop a run by contract; usual ones part them.
    """
    ids = [row_of(name) for name in names]
    assert len(ids) == len({*ids})
    pairs = ((id_, f"usual-{number}") for number, id_ in enumerate(ids, 1))
    return ["usual-0", *(id_ for pair in pairs for id_ in pair)]


def _assert_archive(outcome: Outcome) -> None:
    files = [file for row in outcome.rows.values() for file in row["files"] or ()]
    hashes = {file["name"]: file["sha256"] for file in files}
    content = {
        name: hashlib.sha256(data).hexdigest() for name, data in outcome.members.items()
    }
    assert content == hashes, outcome.explain()
    for row in outcome.rows.values():
        if row["status"] == "succeeded":
            assert row["files"], outcome.explain()


def _total(rows: Sequence[Row], column: str) -> Decimal:
    return sum((row[column] for row in rows if row[column] is not None), Decimal(0))
