"""Match purchases without an id to the lines of a bill, by time and amount.

Each line is for one purchase at most, and each purchase for one line. What was charged
for certain is matched first, at its own amount; then what is at risk, where it may have
cost that much. Lines are exchanged along chains of purchases until no line is left that
some purchase at risk could account for, so the total never depends on the order.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from batchgen.billing.bill import BillLine


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Claim:
    """A purchase, as far as a bill may know it.

    Attributes:
        cost: Nano-dollars; None while, or where, they are not known.
        max_nano: What it may have cost; None if nobody says.
        first, last: Microseconds between which the bill may have it.
    """

    attempt_id: int
    cost: int | None
    max_nano: int | None
    first: int
    last: int

    def may_be(self, line: BillLine) -> bool:
        """Say whether a line may be for this purchase."""
        if not self.first <= line.at <= self.last:
            return False
        if self.cost is not None:
            return line.nano == self.cost
        return line.nano > 0 and (self.max_nano is None or line.nano <= self.max_nano)


@dataclass(slots=True)
class Matching:
    """Which line is for which purchase.

    Attributes:
        free: Lines that no purchase accounts for.
        shared: Lines that more than one purchase at risk could account for.
    """

    line_of: dict[Claim, BillLine] = field(default_factory=dict)
    free: list[BillLine] = field(default_factory=list)
    shared: set[BillLine] = field(default_factory=set)


def match(claims: Sequence[Claim], lines: Sequence[BillLine]) -> Matching:
    """Match as many purchases as can be, known ones first."""
    priced: dict[int, list[Claim]] = defaultdict(list)
    for claim in claims:
        if claim.cost is not None:
            priced[claim.cost].append(claim)
    lines_of: dict[int, list[BillLine]] = defaultdict(list)
    for line in sorted(lines, key=_by_time):
        lines_of[line.nano].append(line)
    matching = Matching()
    for nano, some in lines_of.items():
        matching.free += _match_interval(priced.get(nano, ()), some, matching)
    unpriced = _Spans([claim for claim in claims if claim.cost is None])
    search = _AugmentingSearch(unpriced, priced, matching)
    matching.free = [
        attempt
        for attempt in sorted(matching.free, key=_by_time)
        if not search.place(attempt)
    ]
    for claim, line in matching.line_of.items():
        if (
            claim.cost is None
            and sum(entry.may_be(line) for entry in unpriced.around(line.at)) > 1
        ):
            matching.shared.add(line)
    _match_by_time([value for some in priced.values() for value in some], matching)
    return matching


def _by_time(line: BillLine) -> tuple[int, int]:
    return line.at, line.number


def _match_interval(
    claims: Sequence[Claim], lines: Sequence[BillLine], matching: Matching
) -> list[BillLine]:
    """Give each line to the purchase whose time ends first: no other way gives more.

    Source: Glover, Maximum matching in a convex bipartite graph, 1967.

    Returns:
        Lines that are for none of them.
    """
    waiting = sorted(claims, key=lambda claim: claim.first, reverse=True)
    active: list[tuple[int, int, Claim]] = []
    unmatched = []
    for line in lines:
        while waiting and waiting[-1].first <= line.at:
            claim = waiting.pop()
            heappush(active, (claim.last, claim.attempt_id, claim))
        while active and active[0][0] < line.at:
            heappop(active)
        if active:
            matching.line_of[heappop(active)[2]] = line
        else:
            unmatched.append(line)
    return unmatched


class _Spans:
    """Purchases by time."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        self._claims = sorted(claims, key=lambda claim: claim.first)
        self._firsts = [claim.first for claim in self._claims]
        self._longest = max((claim.last - claim.first for claim in claims), default=0)

    def around(self, at: int) -> Iterator[Claim]:
        """Yield the purchases whose time holds a moment."""
        return self.unvisited(at, {})

    def unvisited(self, at: int, visited: dict[int, int]) -> Iterator[Claim]:
        """Yield those of them that were not seen yet, and write down that they were.

        Args:
            at: The moment.
            visited: Position of a purchase to where the next unseen one may be.
        """
        index = _next(visited, bisect_left(self._firsts, at - self._longest))
        end = bisect_right(self._firsts, at)
        while index < end:
            if self._claims[index].last >= at:
                visited[index] = index + 1
                yield self._claims[index]
            index = _next(visited, index + 1)


def _next(visited: dict[int, int], index: int) -> int:
    """Return the first position from here on that was not seen; shorten the way."""
    matching = index
    while matching in visited:
        matching = visited[matching]
    while index != matching:
        visited[index], index = matching, visited[index]
    return matching


class _AugmentingSearch:
    """Finds a place for a line, by letting other lines move to make room."""

    def __init__(
        self, unpriced: _Spans, priced: dict[int, list[Claim]], matching: Matching
    ) -> None:
        self._unpriced = unpriced
        self._priced = {nano: _Spans(some) for nano, some in priced.items()}
        self._matching = matching
        # Lines from which no search came to an end, and so none ever will.
        self._dead: set[BillLine] = set()

    def place(self, line: BillLine) -> bool:
        """Match a line; False if nobody can account for it."""
        came_from: dict[BillLine, tuple[BillLine, Claim] | None] = {line: None}
        waiting = deque([line])
        # Each known purchase is looked at once a search, and not once a line.
        visited: dict[int, dict[int, int]] = defaultdict(dict)
        while waiting:
            here = waiting.popleft()
            for claim in self._candidates(here, visited[here.nano]):
                current_line = self._matching.line_of.get(claim)
                if current_line is None:
                    self._move(here, claim, came_from)
                    return True
                if current_line not in came_from and current_line not in self._dead:
                    came_from[current_line] = (here, claim)
                    waiting.append(current_line)
        self._dead.update(came_from)
        return False

    def _candidates(self, line: BillLine, visited: dict[int, int]) -> Iterator[Claim]:
        """Yield who may account for a line, those at risk first, soonest end first."""
        unpriced = [
            entry for entry in self._unpriced.around(line.at) if entry.may_be(line)
        ]
        yield from sorted(unpriced, key=lambda row: (row.last, row.attempt_id))
        if line.nano in self._priced:
            for claim in self._priced[line.nano].unvisited(line.at, visited):
                if claim in self._matching.line_of:
                    yield claim

    def _move(
        self,
        line: BillLine,
        claim: Claim,
        came_from: dict[BillLine, tuple[BillLine, Claim] | None],
    ) -> None:
        while True:
            self._matching.line_of[claim] = line
            before = came_from[line]
            if before is None:
                return
            line, claim = before


def _match_by_time(priced: Sequence[Claim], matching: Matching) -> None:
    """Match what was charged at another amount than we know, by time alone."""
    unmatched = [value for value in priced if value not in matching.line_of]
    refunds = [attempt for attempt in matching.free if attempt.nano <= 0]
    charges = [attempt for attempt in matching.free if attempt.nano > 0]
    matching.free = sorted(
        [*refunds, *_match_interval(unmatched, charges, matching)], key=_by_time
    )
