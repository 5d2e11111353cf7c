"""Kill one run hundreds of times, at points and moments that a seed chooses."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from batchgen.sandbox import SandboxProcess
from tests.books import Books, Record, ledger_rows
from tests.crash.audit import DiskState, check_integrity
from tests.crash.ground import Customer
from tests.crash.modes import ONCE, Mode, points_of
from tests.crash.points import KILLED
from tests.crash.stable import Stable
from tests.law import (
    check_archive,
    check_images,
    check_money,
    check_no_image_is_forgotten,
    check_nothing_is_bought_again,
    check_table,
)

IN_FLIGHT = 8
MAX_S = 1.2
"""A kill at no point comes so long after a process began, or earlier."""

_STORED = """
  SELECT row_id, attempt_id, image FROM attempts JOIN images USING (attempt_id)
  WHERE name IS NOT NULL
"""
_ENDS = frozenset({"succeeded", "failed", "refused", "held"})


@dataclass(slots=True, kw_only=True)
class Figures:
    """What came of it all.

    Attributes:
        at_points: Points at which it was killed; other kills came at a moment.
        rows: In the manifest.
        lost: Rows without an end, and rows that ended with less than they had.
        again: Images that were stored, and bought again.
        unadmitted: Images on the bill that nothing in the books tells of.
        at_risk: Attempts whose outcome nobody can know; all are in the table.
        adopted: Images that only the ZIP had after a kill.
    """

    provider: str
    rows: int
    images: int
    kills: int = 0
    at_points: set[str] = field(default_factory=set)
    lost: int = 0
    again: int = 0
    unadmitted: int = 0
    at_risk: int = 0
    adopted: int = 0


@dataclass(slots=True)
class Soak:
    """One manifest at one provider, and how often its run is to be killed."""

    bank: SandboxProcess
    stable: Stable
    mode: Mode
    folder: Path
    kills: int
    seed: int

    def survive(self) -> Figures:
        """Kill it so often, let it end, and audit all books.

        Raises:
            AssertionError: a law does not hold.
        """
        rng = random.Random(f"{self.mode.provider} {self.seed}")
        customer = self._customer()
        rows = 2 * self.kills + 20
        customer.write([f"{self.seed}: a cup, no. {number}" for number in range(rows)])
        figures = Figures(
            provider=self.mode.provider, rows=rows, images=rows * self.mode.n
        )
        states = list(self._kill(customer, rng, figures))
        ended = customer.run()
        assert ended.code in (0, 3), ended
        books = customer.books()
        self._audit(books, states, figures)
        return figures

    def _customer(self) -> Customer:
        options = ("--max-unknown", "99", "--max-attempts", "199")
        in_flight = self.mode.in_flight(IN_FLIGHT)
        more = ("--concurrency", str(in_flight), *options)
        return Customer(self.bank, self.stable, self.mode, self.folder, more)

    def _kill(
        self, customer: Customer, rng: random.Random, figures: Figures
    ) -> Iterator[DiskState]:
        """Kill until it is enough, and yield what each kill left.

        Each run has a few rows more in its scope than the one before, so that there
        is always something to buy, and outputs are written again and again.
        """
        points = points_of(self.mode)
        while figures.kills < self.kills:
            point = rng.choice([*points, *[None] * len(points)])
            nth = 1 if point in ONCE else rng.randint(1, 6)
            after_s = rng.uniform(0.02, MAX_S) if point is None else None
            scope = rng.randint(2 * figures.kills + 1, 2 * figures.kills + 12)
            ended = customer.run(point=point, nth=nth, after_s=after_s, limit=scope)
            assert ended.code in (-9, 0, 3), ended
            if ended.code == -9:
                figures.kills += 1
                _, _, at = ended.stderr.rpartition(KILLED)
                if point is not None and at.strip() == point:
                    figures.at_points.add(point)
                yield DiskState.of(customer.folder / "out")

    def _audit(self, books: Books, states: list[DiskState], figures: Figures) -> None:
        check_table(books)
        check_archive(books)
        check_images(books)
        check_money(books)
        check_nothing_is_bought_again(books)
        check_no_image_is_forgotten(books)
        check_integrity(books.folder)
        figures.lost = lost_rows(books, states)
        figures.again = bought_again(books)
        figures.unadmitted = unadmitted(books)
        figures.at_risk = sum(row["at_risk_attempts"] for row in books.rows)
        words = (books.folder / "run.log").read_text().split()
        counts = (
            word.partition("=")[2] for word in words if word.startswith("adopted=")
        )
        figures.adopted = sum(map(int, counts))


def lost_rows(books: Books, states: list[DiskState]) -> int:
    """Return how many rows have no end, or forgot an attempt or an image."""
    ends = {attempt["attempt_id"]: attempt["state"] for attempt in books.attempts}
    forgotten = {
        attempt_id
        for disk in states
        for attempt_id, state in disk.states.items()
        if attempt_id not in ends or (state == "stored" != ends[attempt_id])
    }
    endless = sum(row["status"] not in _ENDS for row in books.rows)
    return endless + len(forgotten)


def bought_again(books: Books) -> int:
    """Return how many images were stored, and then bought once more."""
    attempts: dict[int, list[Record]] = defaultdict(list)
    for attempt in books.attempts:
        attempts[attempt["row_id"]].append(attempt)
    return sum(
        later["attempt_id"] > ledger_row["attempt_id"]
        and ledger_row["image"] in range(later["first_image"], _behind(later))
        for ledger_row in ledger_rows(books.folder / "run.db", _STORED)
        for later in attempts[ledger_row["row_id"]]
    )


def _behind(attempt: Record) -> int:
    behind: int = attempt["first_image"] + attempt["images"]
    return behind


def unadmitted(books: Books) -> int:
    """Return purchases on the bill that are neither paid nor at risk in the ledger."""
    known = [
        attempt
        for attempt in books.attempts
        if attempt["cost"] or attempt["charge"] == "unknown"
    ]
    charged = [sale for sale in books.bill if sale["amount_nano_usd"]]
    return max(0, len(charged) - len(known))
