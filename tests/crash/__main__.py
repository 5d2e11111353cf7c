"""Kill one run many times: `python -m tests.crash [--kills 20 --rows 300 --seed N]`.

Prints a line of figures for each run, or fails with the law that did not hold; then
the run folder is kept.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.acceptance.books import (
    Books,
    check_all,
    check_no_image_is_forgotten,
    is_at_risk,
    read_books,
)
from tests.crash.killing import CHEAPEST, Figures, noted_rows, rehearsal, survive


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.crash")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--provider", choices=CHEAPEST, action="append")
    given = parser.parse_args()
    for provider in given.provider or CHEAPEST:
        for seed in given.seed or [0]:
            line = crash(provider, given.rows, given.kills, seed)
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


def crash(provider: str, rows: int, kills: int, seed: int) -> str:
    """Kill one run, check all laws, and return the figures."""
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix=f"crash-{provider}-{seed}-"))
    sys.stderr.write(f"{folder}\n")
    batch = rehearsal(folder, provider)
    batch.write(noted_rows(rows))
    figures = survive(batch, provider, rows, kills, seed)
    books = read_books(batch)
    assert books.statuses == {"succeeded": rows}, books.statuses
    assert all(len(row["files"]) == 1 for row in books.rows)
    check_all(books)
    check_no_image_is_forgotten(books)
    shutil.rmtree(folder)
    whole_s = time.monotonic() - begun
    facts = [f"{provider} seed {seed}", *describe(figures, books), f"{whole_s:.0f} s"]
    return "; ".join(facts)


def describe(figures: Figures, books: Books) -> Iterator[str]:
    """Yield what happened, in words."""
    hits = figures.under_way
    yield f"{len(books.rows)} rows, {figures.kills} kills"
    yield f"{figures.planning} while planning, {figures.finishing} while finishing"
    yield "under way at the kills: " + ", ".join(
        f"{hits[state]} {state}" for state in ("sent", "accepted", "delivered")
    )
    yield f"{figures.torn_bytes} bytes past the ledger, {figures.adopted} adopted"
    twice = sum(times - 1 for times in books.bought().values())
    risky = sum(is_at_risk(it) for it in books.attempts)
    yield f"bought twice {twice}, admitted at risk {risky}"
    spent, billed, risk = books.spent, books.billed, books.at_risk
    yield f"spent {spent} <= bill {billed} <= {spent + risk} nano-dollars"


if __name__ == "__main__":
    main()
