"""A batch that is bought from somebody else's server, as a user buys it."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import polars as pl

from batchgen.sandbox import SandboxProcess
from tests.interop.clients.checklist import make_png
from tests.interop.environment import child_environment
from tests.interop.findings import Failed, expect
from tests.law import money_problems

WITHIN_S = 90.0
"""A run that takes longer than this waits for what does not come."""
STOPPED = 128 + signal.SIGINT
"""Exit code of a run that took longer."""
_BILL_WITHIN_S = 60.0

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """How a run ended.

    Attributes:
        rows: Of the result table; empty where there is none.
    """

    code: int
    messages: str
    folder: Path
    rows: list[dict[str, Any]]

    @property
    def statuses(self) -> dict[str, int]:
        """How many rows have each status."""
        return dict(Counter(row["status"] for row in self.rows))

    @property
    def spent_usd(self) -> Decimal:
        return sum((row["cost_usd"] or Decimal(0) for row in self.rows), Decimal(0))

    @property
    def at_risk_usd(self) -> Decimal:
        return sum((row["at_risk_usd"] or Decimal(0) for row in self.rows), Decimal(0))

    def expect_end(self, code: int, **statuses: int) -> None:
        """Fail unless it ended with this exit code and these statuses.

        Raises:
            Failed: The words of the run come with it.
        """
        end = (self.code, self.statuses)
        expect(
            end == (code, statuses),
            f"exit code and statuses {end} instead of {(code, statuses)}; "
            f"rows say {[row['message'] for row in self.rows]}; "
            f"its last words: {self.messages[-600:]}",
        )

    def expect_images(self) -> None:
        """Fail unless each row that succeeded has all its images in the ZIP."""
        with ZipFile(self.folder / "images.zip") as archive:
            expect(archive.testzip() is None, "the ZIP is damaged")
            names = set(archive.namelist())
        for row in self.rows:
            missing = {file["name"] for file in row["files"]} - names
            expect(not missing, f"row {row['row']}: {missing} not in the ZIP")


def write_references(folder: Path) -> None:
    """Write two images that rows can name."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in (1, 2):
        (folder / f"reference-{number}.png").write_bytes(make_png(64 * number, 64))


def buy(
    folder: Path, rows: Sequence[Row], options: Sequence[str], keys: Mapping[str, str]
) -> Bought:
    """Run a batch in a new folder, and stop it as Ctrl-C does if it takes too long."""
    write_references(folder)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with (folder / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    words = [sys.executable, "-P", "-m", "batchgen", "run", "rows.csv", "--out", "out"]
    with subprocess.Popen(
        [*words, "--quiet", "--grace", "20", *options],
        cwd=folder,
        env=child_environment(**keys),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            messages, _ = process.communicate(timeout=WITHIN_S)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            messages, _ = process.communicate()
    table = folder / "out" / "results.parquet"
    return Bought(
        code=process.returncode,
        messages=messages.strip(),
        folder=folder / "out",
        rows=pl.read_parquet(table).to_dicts() if table.exists() else [],
    )


def billed_usd(upstream: SandboxProcess, provider: str) -> Decimal:
    """Return the bill once no request is under way any more.

    Raises:
        Failed: One stays under way.
    """
    give_up = time.monotonic() + _BILL_WITHIN_S
    while any(request["outcome"] == "arrived" for request in upstream.requests()):
        if time.monotonic() > give_up:
            raise Failed("a request stays under way at the upstream")
        time.sleep(0.2)
    return Decimal(upstream.bill(provider)["total_nano_usd"]).scaleb(-9)


def expect_law_of_money(bought: Bought, billed: Decimal) -> None:
    """Fail unless spent <= bill <= spent + at risk."""
    problems = list(money_problems(bought.spent_usd, billed, bought.at_risk_usd))
    expect(not problems, f"the law of money: {problems}")
