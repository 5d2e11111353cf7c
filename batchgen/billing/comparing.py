"""Compare the ledger with a provider's bill, and explain each difference."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from batchgen.billing.bill import BillLine
from batchgen.billing.matching import Claim, Matching, match
from batchgen.errors import Charge
from batchgen.ledger import AttemptRecord, Reader, purchases_of
from batchgen.model import Basis, State

HOUR = 3_600_000_000
"""Longest time after its departure that a request without a task is charged [assumed].
Where no answer came, its end in the ledger says nothing of that: the connection may
have been lost long before the image was made, or a run days later wrote it down."""

BY_TIME = "by time alone"

Period = tuple[int, int]
"""First and last moment, in microseconds UTC since 1970."""


class Kind(StrEnum):
    """What is different, in the order in which it is told."""

    OTHER_AMOUNT = "another amount on the bill"
    NOW_KNOWN = "not known by us, and on the bill"
    NOT_CHARGED = "at risk, and not on the bill"
    NOT_BILLED = "charged by our books, and not on the bill"
    NOT_OURS = "on the bill, and not in our books"
    UNDER_WAY = "still under way: the next run asks for it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One purchase, or one line of the bill, that the other side has otherwise.

    Attributes:
        what: The row that it was for; empty for a line that is nobody's.
        at: When it was sent, else when the bill has it; microseconds UTC.
        ours, billed: Nano-dollars; None where a side has none, or does not know.
        line: Where the bill has it.
        settles_to: What it cost in nano-dollars, where the bill settles that.
        note: How it was found, or why it cannot be settled.
    """

    kind: Kind
    at: int
    attempt_id: int | None = None
    what: str = ""
    ours: int | None = None
    billed: int | None = None
    line: BillLine | None = None
    settles_to: int | None = None
    note: str = ""


@dataclass(slots=True)
class Comparison:
    """Both sides, and where they part.

    Attributes:
        agreed, agreed_nano: Purchases that both sides have at the same amount.
        billed: Nano-dollars of the bill, without what is outside.
        outside: Lines from before or after everything that this run bought.
    """

    agreed: int = 0
    agreed_nano: int = 0
    billed: int = 0
    outside: list[BillLine] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    @property
    def remaining(self) -> list[Difference]:
        """Return the differences that nothing on the bill settles."""
        return [it for it in self.differences if it.settles_to is None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """A provider's bill, and how far it can be trusted.

    Attributes:
        slack: Microseconds by which its clock and ours may differ.
        covers: The period that it lists completely; None for that of its lines.
    """

    provider: str
    lines: Sequence[BillLine]
    slack: int
    covers: Period | None = None


def compare(ledger: Reader, bill: Bill) -> Comparison:
    """Compare a bill with all attempts at its provider, retired ones included."""
    return _Comparer(ledger, bill).run()


class _Comparer:
    def __init__(self, ledger: Reader, bill: Bill) -> None:
        self._ledger = ledger
        self._bill = bill
        self._comparison = Comparison()
        self._by_id: dict[str, list[BillLine]] = defaultdict(list)
        self._lines_without_id: list[BillLine] = []
        self._unmatched: dict[int, tuple[AttemptRecord, str]] = {}
        self._ids_agree = False
        begin, end = bill.covers or _period(bill.lines)
        self._covered = (begin, end)

    def run(self) -> Comparison:
        for line in self._bill.lines:
            if line.id is None:
                self._lines_without_id.append(line)
            else:
                self._by_id[line.id].append(line)
        span = self._match_ids()
        lines = self._lines_within(span)
        self._ids_agree = bool(self._comparison.agreed or self._comparison.differences)
        claims = {
            attempt_id: _claim(it, self._bill.slack)
            for attempt_id, (it, _) in self._unmatched.items()
            if not self._is_named(it)
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
        self._comparison.differences.sort(key=lambda it: (order.index(it.kind), it.at))
        return self._comparison

    def _is_named(self, it: AttemptRecord) -> bool:
        """Say whether the bill would have it under its id, and so no other line."""
        return self._ids_agree and bool(_ids(it))

    def _match_ids(self) -> Period:
        """Match by id; keep what has none, or is not on the bill. Returns our time."""
        slack = self._bill.slack
        first, last = 1 << 62, 0
        for it, label in purchases_of(self._ledger, self._bill.provider):
            begin, end = _time_of(it)
            first, last = min(first, begin - slack), max(last, end + slack)
            lines = [line for name in _ids(it) for line in self._by_id.pop(name, ())]
            if lines:
                billed = sum(line.nano for line in lines)
                self._compare_purchase(it, label, lines[0], billed, "")
            elif it.at_risk or it.cost or it.uncertain or it.basis is Basis.UNKNOWN:
                self._unmatched[it.attempt_id] = (it, label)
        return first, last

    def _lines_within(self, span: Period) -> list[BillLine]:
        other_lines = [
            *self._lines_without_id,
            *(it for lines in self._by_id.values() for it in lines),
        ]
        within = []
        for line in other_lines:
            if not span[0] <= line.at <= span[1]:
                self._comparison.outside.append(line)
            elif line.nano:
                within.append(line)
        return within

    def _compare_matched(self, matching: Matching) -> None:
        for claim, line in matching.line_of.items():
            it, label = self._unmatched.pop(claim.attempt_id)
            self._compare_purchase(it, label, line, line.nano, _how(it, line, matching))

    def _compare_purchase(
        self, it: AttemptRecord, label: str, line: BillLine, billed: int, note: str
    ) -> None:
        comparison = self._comparison
        comparison.billed += billed
        if _is_certain(it) and it.cost == billed:
            comparison.agreed += 1
            comparison.agreed_nano += billed
            return
        kind = Kind.NOW_KNOWN
        if it.state is State.ACCEPTED:
            kind = Kind.UNDER_WAY
        elif it.cost is not None and it.cost <= billed <= it.cost + it.uncertain:
            pass  # as its price has it: only the amount was not known
        elif not it.at_risk and it.cost is not None:
            kind = Kind.OTHER_AMOUNT
        # What the reply itself said is given up for a line of that id alone.
        is_sure = note != BY_TIME or it.charge is not Charge.REPORTED
        settles = kind is not Kind.UNDER_WAY and is_sure
        comparison.differences.append(
            Difference(
                kind=kind,
                at=it.sent_at,
                attempt_id=it.attempt_id,
                what=label,
                ours=None if it.at_risk else it.cost,
                billed=billed,
                line=line,
                settles_to=billed if settles else None,
                note=note,
            )
        )

    def _explain_unmatched(self, matching: Matching) -> None:
        """Tell what is not on the bill, and whether that settles it."""
        is_whole = not any(
            not it.at_risk and self._covers(*_time_of(it))
            for it, _ in self._unmatched.values()
        )
        free = sorted(line.at for line in matching.free)
        nameless = sorted(line.at for line in matching.free if line.id is None)
        for it, label in self._unmatched.values():
            kind, settles_to, note = Kind.NOT_BILLED, None, ""
            if it.state is State.ACCEPTED:
                kind = Kind.UNDER_WAY
            elif it.at_risk:
                kind = Kind.NOT_CHARGED
                strays = nameless if self._is_named(it) else free
                note = self._why_not(it, strays, is_whole=is_whole)
                settles_to = None if note else 0
            self._comparison.differences.append(
                Difference(
                    kind=kind,
                    at=it.sent_at,
                    attempt_id=it.attempt_id,
                    what=label,
                    ours=it.ceiling if it.at_risk else it.cost,
                    settles_to=settles_to,
                    note=note,
                )
            )

    def _why_not(
        self, it: AttemptRecord, strays: Sequence[int], *, is_whole: bool
    ) -> str:
        """Return why it cannot be taken for not charged; empty if it can."""
        begin, end = _time_of(it)
        begin, end = begin - self._bill.slack, end + self._bill.slack
        if not self._covers(begin, end):
            return "the export may not cover its time; if it does, say --covers"
        if not is_whole:
            return "the bill is not whole: what surely was charged is missing on it"
        index = bisect_left(strays, begin)
        if index < len(strays) and strays[index] <= end:
            return "a line that is nobody's stands in its time, and may be its own"
        return ""

    def _covers(self, begin: int, end: int) -> bool:
        return self._covered[0] <= begin and end <= self._covered[1]


def _period(lines: Sequence[BillLine]) -> Period:
    times = [it.at for it in lines]
    return min(times, default=1), max(times, default=0)


def _is_certain(it: AttemptRecord) -> bool:
    """Say whether our books know to the nano-dollar what it cost."""
    return not it.at_risk and it.cost is not None and not it.uncertain


def _how(it: AttemptRecord, line: BillLine, matching: Matching) -> str:
    if _is_certain(it):
        return BY_TIME
    if line in matching.shared:
        return "by time and amount; it could be another one's, the total holds"
    return "by time and amount"


def _ids(it: AttemptRecord) -> list[str]:
    return [*dict.fromkeys(name for name in (it.request_id, it.task_id) if name)]


def _time_of(it: AttemptRecord) -> Period:
    """Return when it was sent, and until when it may have been charged."""
    if it.task_id is not None and it.ended_at is not None:
        return it.sent_at, it.ended_at
    latest = it.sent_at + HOUR
    if it.ended_at is None or it.state is State.UNKNOWN:
        return it.sent_at, latest
    return it.sent_at, min(it.ended_at, latest)


def _claim(it: AttemptRecord, slack: int) -> Claim:
    begin, end = _time_of(it)
    return Claim(
        attempt_id=it.attempt_id,
        cost=it.cost if _is_certain(it) else None,
        max_nano=(it.cost or 0) + it.uncertain if it.uncertain else it.ceiling,
        first=begin - slack,
        last=end + slack,
    )
