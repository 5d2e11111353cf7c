"""Compare the ledger with a provider's bill, and explain each difference."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain

from batchgen.billing.bill import BillLine
from batchgen.billing.matching import Claim, Matching, match
from batchgen.errors import Charge
from batchgen.ledger import AttemptRecord, Reader, purchases_of
from batchgen.model import Basis, State

HOUR = 3_600_000_000
"""Longest time from the sending of a request without a task to its charge [assumed].
Without a reply, the end of the attempt in the ledger says nothing about that time: the
connection may have been lost long before the image was made, or a run may have recorded
the end days later."""

BY_TIME = "by time alone"

Period = tuple[int, int]
"""First and last moment, in microseconds UTC since 1970."""


class Kind(StrEnum):
    """What is different, in the order in which it is reported."""

    OTHER_AMOUNT = "another amount on the bill"
    NOW_KNOWN = "not known by us, and on the bill"
    NOT_CHARGED = "at risk, and not on the bill"
    NOT_BILLED = "charged by our books, and not on the bill"
    NOT_OURS = "on the bill, and not in our books"
    UNDER_WAY = "still under way: the next run asks for it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One purchase, or one line of the bill, that is different on the other side.

    Attributes:
        label: The row of the purchase; empty for a line without a purchase.
        at: When the request was sent, else the time on the bill; microseconds UTC.
        ours, billed: Nano-dollars; None if a side has no amount.
        line: The line of the bill, if there is one.
        settles_to: The cost in nano-dollars, if the bill settles it.
        note: How the line was matched, or why the purchase cannot be settled.
    """

    kind: Kind
    at: int
    attempt_id: int | None = None
    label: str = ""
    ours: int | None = None
    billed: int | None = None
    line: BillLine | None = None
    settles_to: int | None = None
    note: str = ""


@dataclass(slots=True)
class Comparison:
    """The result of comparing the ledger with a bill.

    Attributes:
        matches, matches_nano: Purchases with the same amount on both sides.
        billed: Nano-dollars on the bill, without the lines outside.
        outside: Lines from before or after all purchases of this folder.
    """

    matches: int = 0
    matches_nano: int = 0
    billed: int = 0
    outside: list[BillLine] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    @property
    def remaining(self) -> list[Difference]:
        """The differences that the bill does not settle."""
        return [
            difference
            for difference in self.differences
            if difference.settles_to is None
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """A provider's bill, and how far it can be trusted.

    Attributes:
        slack: Microseconds by which its clock and ours may differ.
        covers: The period that it lists completely; None for the period of its lines.
    """

    provider: str
    lines: Sequence[BillLine]
    slack: int
    covers: Period | None = None


def compare(ledger: Reader, bill: Bill) -> Comparison:
    """Compare a bill with all attempts at its provider, superseded ones included."""
    return _Comparer(ledger, bill).run()


class _Comparer:
    def __init__(self, ledger: Reader, bill: Bill) -> None:
        self._ledger = ledger
        self._bill = bill
        self._comparison = Comparison()
        self._by_id: dict[str | None, list[BillLine]] = defaultdict(list)
        self._unmatched: dict[int, tuple[AttemptRecord, str]] = {}
        self._ids_agree = False
        begin, end = bill.covers or _period(bill.lines)
        self._covered = (begin, end)

    def run(self) -> Comparison:
        for line in self._bill.lines:
            self._by_id[line.id].append(line)
        span = self._match_ids()
        lines = self._lines_within(span)
        self._ids_agree = bool(self._comparison.matches or self._comparison.differences)
        claims = {
            attempt_id: _claim(attempt, self._bill.slack)
            for attempt_id, (attempt, _) in self._unmatched.items()
            if not self._is_named(attempt)
        }
        matching = match(list(claims.values()), lines)
        self._compare_matched(matching)
        self._explain_unmatched(matching)
        for line in matching.free:
            self._comparison.billed += line.nano
            self._comparison.differences.append(
                Difference(kind=Kind.NOT_OURS, at=line.at, billed=line.nano, line=line)
            )
        order = list(Kind)
        self._comparison.differences.sort(
            key=lambda difference: (order.index(difference.kind), difference.at)
        )
        return self._comparison

    def _is_named(self, attempt: AttemptRecord) -> bool:
        """Say whether the bill would list an attempt under its id, and nowhere else."""
        return self._ids_agree and bool(_ids(attempt))

    def _match_ids(self) -> Period:
        """Match by id; collect unmatched attempts; return the period of all."""
        slack = self._bill.slack
        first, last = 1 << 62, 0
        for attempt, label in purchases_of(self._ledger, self._bill.provider):
            begin, end = _time_of(attempt)
            first, last = min(first, begin - slack), max(last, end + slack)
            lines = [
                line for name in _ids(attempt) for line in self._by_id.pop(name, ())
            ]
            if lines:
                billed = sum(line.nano for line in lines)
                self._compare_purchase(attempt, label, lines[0], billed, "")
            elif (
                attempt.at_risk
                or attempt.cost
                or attempt.uncertain
                or attempt.basis is Basis.UNKNOWN
            ):
                self._unmatched[attempt.attempt_id] = (attempt, label)
        return first, last

    def _lines_within(self, span: Period) -> list[BillLine]:
        within = []
        # Lines without an id come first: of equal ones, they are matched first.
        without_id = self._by_id.pop(None, [])
        for line in chain(without_id, *self._by_id.values()):
            if not span[0] <= line.at <= span[1]:
                self._comparison.outside.append(line)
            elif line.nano:
                within.append(line)
        return within

    def _compare_matched(self, matching: Matching) -> None:
        for claim, line in matching.line_of.items():
            attempt, label = self._unmatched.pop(claim.attempt_id)
            note = _how_matched(attempt, line, matching)
            self._compare_purchase(attempt, label, line, line.nano, note)

    def _compare_purchase(
        self, attempt: AttemptRecord, label: str, line: BillLine, billed: int, note: str
    ) -> None:
        comparison = self._comparison
        comparison.billed += billed
        if _is_certain(attempt) and attempt.cost == billed:
            comparison.matches += 1
            comparison.matches_nano += billed
            return
        kind = Kind.NOW_KNOWN
        if attempt.state is State.ACCEPTED:
            kind = Kind.UNDER_WAY
        elif (
            attempt.cost is not None
            and attempt.cost <= billed <= attempt.cost + attempt.uncertain
        ):
            pass  # within its price: only the exact amount was unknown
        elif not attempt.at_risk and attempt.cost is not None:
            kind = Kind.OTHER_AMOUNT
        # A cost that the reply stated is replaced only by a line with the same id.
        is_sure = note != BY_TIME or attempt.charge is not Charge.REPORTED
        settles = kind is not Kind.UNDER_WAY and is_sure
        comparison.differences.append(
            Difference(
                kind=kind,
                at=attempt.sent_at,
                attempt_id=attempt.attempt_id,
                label=label,
                ours=None if attempt.at_risk else attempt.cost,
                billed=billed,
                line=line,
                settles_to=billed if settles else None,
                note=note,
            )
        )

    def _explain_unmatched(self, matching: Matching) -> None:
        """Add attempts that are not on the bill; settle certain ones at 0."""
        is_whole = not any(
            not attempt.at_risk and self._covers(*_time_of(attempt))
            for attempt, _ in self._unmatched.values()
        )
        free = sorted(line.at for line in matching.free)
        free_without_id = sorted(line.at for line in matching.free if line.id is None)
        for attempt, label in self._unmatched.values():
            kind, settles_to, note = Kind.NOT_BILLED, None, ""
            if attempt.state is State.ACCEPTED:
                kind = Kind.UNDER_WAY
            elif attempt.at_risk:
                kind = Kind.NOT_CHARGED
                others = free_without_id if self._is_named(attempt) else free
                note = self._why_not_settled(attempt, others, is_whole=is_whole)
                settles_to = None if note else 0
            self._comparison.differences.append(
                Difference(
                    kind=kind,
                    at=attempt.sent_at,
                    attempt_id=attempt.attempt_id,
                    label=label,
                    ours=attempt.ceiling if attempt.at_risk else attempt.cost,
                    settles_to=settles_to,
                    note=note,
                )
            )

    def _why_not_settled(
        self, attempt: AttemptRecord, free: Sequence[int], *, is_whole: bool
    ) -> str:
        """Return why an attempt may still have been charged; empty if it was not."""
        begin, end = _time_of(attempt)
        begin, end = begin - self._bill.slack, end + self._bill.slack
        if not self._covers(begin, end):
            return "the export may not cover its time; if it does, say --covers"
        if not is_whole:
            return "the bill is not whole: what surely was charged is missing on it"
        index = bisect_left(free, begin)
        if index < len(free) and free[index] <= end:
            return "a line that is nobody's stands in its time, and may be its own"
        return ""

    def _covers(self, begin: int, end: int) -> bool:
        return self._covered[0] <= begin and end <= self._covered[1]


def _period(lines: Sequence[BillLine]) -> Period:
    times = [line.at for line in lines]
    return min(times, default=1), max(times, default=0)


def _is_certain(attempt: AttemptRecord) -> bool:
    """Say whether the ledger has the exact cost of an attempt."""
    return not attempt.at_risk and attempt.cost is not None and not attempt.uncertain


def _how_matched(attempt: AttemptRecord, line: BillLine, matching: Matching) -> str:
    if _is_certain(attempt):
        return BY_TIME
    if line in matching.shared:
        return "by time and amount; it could be another one's, the total holds"
    return "by time and amount"


def _ids(attempt: AttemptRecord) -> list[str]:
    return [
        *dict.fromkeys(name for name in (attempt.request_id, attempt.task_id) if name)
    ]


def _time_of(attempt: AttemptRecord) -> Period:
    """Return when an attempt was sent, and until when it may have been charged."""
    if attempt.task_id is not None and attempt.ended_at is not None:
        return attempt.sent_at, attempt.ended_at
    latest = attempt.sent_at + HOUR
    if attempt.ended_at is None or attempt.state is State.UNKNOWN:
        return attempt.sent_at, latest
    return attempt.sent_at, min(attempt.ended_at, latest)


def _claim(attempt: AttemptRecord, slack: int) -> Claim:
    begin, end = _time_of(attempt)
    return Claim(
        attempt_id=attempt.attempt_id,
        cost=attempt.cost if _is_certain(attempt) else None,
        max_nano=(attempt.cost or 0) + attempt.uncertain
        if attempt.uncertain
        else attempt.ceiling,
        first=begin - slack,
        last=end + slack,
    )
