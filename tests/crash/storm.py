"""Buy thousands of rows at each provider in a storm: `python -m tests.crash.storm`.

    python -m tests.crash.storm --rows 2000 --provider gemini --seed 3

5 % of the purchases are throttled, 5 % meet a 5xx, 2 % a gateway's page, 2 % lose their
reply, 5 % of the downloads are cut, and 5 % of the rows are refused. Where images come
in the reply it is the reply that is cut. The command is the one that users give; then
all books are audited. Prints a line for each provider, or fails with the law that did
not hold; then the run folder is kept.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tests.acceptance.batch import Batch
from tests.books import Books
from tests.crash.audit import check_integrity
from tests.crash.modes import MODES, Mode
from tests.crash.soak import bought_again, lost_rows, unadmitted
from tests.law import check_all, check_no_image_is_forgotten

IN_FLIGHT = 32
HEAD = (
    *("provider", "rows", "images", "purchases", "throttled", "5xx", "HTML"),
    *("reply lost", "reply cut", "succeeded", "refused", "held", "failed"),
    *("spent $", "bill $", "at risk $", "rows lost", "bought again", "s"),
)


@dataclass(frozen=True, slots=True)
class StormReport:
    """What came of a storm.

    Attributes:
        met: By the sandbox's own word, how often each purchase request ended how.
        took_s: Wall time of the run, its audit left out.
    """

    books: Books
    met: Counter[str]
    took_s: float

    def cells(self) -> list[object]:
        """Return the figures in the order of the head."""
        books, met = self.books, self.met
        statuses = books.statuses
        images = sum(len(row["files"]) for row in books.rows)
        throttled = met["throttle"] + met["throttle_silent"]
        faults = [throttled, met["server_error"], met["html_error"]]
        ends = [statuses[name] for name in ("succeeded", "refused", "held", "failed")]
        money = [
            in_dollars(nano) for nano in (books.spent, books.billed, books.at_risk)
        ]
        return [
            *(len(books.rows), images, len(books.requests), *faults),
            *(met["lost_reply"], met["cut_body"], *ends, *money),
            *(lost_rows(books, []), bought_again(books), f"{self.took_s:.0f}"),
        ]


def in_dollars(nano: int) -> str:
    return f"{Decimal(nano).scaleb(-9):.4f}"


def weather(folder: Path, mode: Mode, rows: int, seed: int) -> StormReport:
    """Run through a storm and audit all books.

    Raises:
        AssertionError: a law does not hold.
    """
    in_flight = mode.in_flight(IN_FLIGHT)
    batch = Batch(
        folder=folder,
        options=(
            *("--provider", mode.provider, "--resolution", mode.resolution),
            *("--rehearse", "--faults", "storm", "--seed", str(seed)),
            *("--latency", "0.02", "--rpm", "12000"),
            *("--concurrency", str(in_flight), "--n", str(mode.n), "--quiet"),
        ),
    )
    words = (f"{seed}: a glass, no. {number}" for number in range(rows))
    batch.write(
        [{"id": f"g{at:05}", "prompt": prompt} for at, prompt in enumerate(words)]
    )
    started = time.monotonic()
    with batch.running() as run:
        code = run.process.wait()
        took_s, output = time.monotonic() - started, run.output
    assert code in (0, 3), output
    books = batch.books()
    check_all(books)
    check_no_image_is_forgotten(books)
    check_integrity(books.folder)
    assert books.statuses.keys() <= {"succeeded", "refused", "held", "failed"}
    assert len(books.rows) == rows
    for row in books.rows:
        is_whole = row["status"] == "succeeded"
        assert len(row["files"]) == mode.n or not is_whole, row
        assert is_whole or row["error"], row
    assert (lost_rows(books, []), bought_again(books), unadmitted(books)) == (0, 0, 0)
    met = Counter(request["outcome"] for request in books.requests)
    return StormReport(books, met, took_s)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.storm")
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--provider", choices=MODES, action="append")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    tell(HEAD)
    tell(["---", *["---:"] * (len(HEAD) - 1)])
    for name in arguments.provider or MODES:
        folder = Path(tempfile.mkdtemp(prefix=f"storm-{name}-{arguments.seed}-"))
        try:
            report = weather(folder, MODES[name], arguments.rows, arguments.seed)
        except AssertionError as error:
            again = f"--provider {name} --rows {arguments.rows} --seed {arguments.seed}"
            error.add_note(f"{again}; it is kept in {folder}")
            raise
        tell([name, *report.cells()])
        shutil.rmtree(folder)


def tell(cells: object) -> None:
    assert isinstance(cells, list | tuple)
    sys.stdout.write(f"| {' | '.join(map(str, cells))} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
