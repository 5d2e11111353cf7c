"""Match purchases without an id to the lines of a bill, by time and amount.

Each line is for at most one purchase, and each purchase has at most one line. Purchases
with a known cost are matched first, at that amount; then purchases at risk, up to their
maximum. Lines are exchanged along chains of purchases (augmenting paths) until no free
line fits a purchase at risk, so the total never depends on the order.
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
    """A purchase that a line of the bill may be for.

    Attributes:
        cost: Nano-dollars; None if unknown.
        max_nano: Its highest possible cost; None if unknown.
        first, last: The earliest and latest time that its line may have.
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
        free: Lines without a purchase.
        shared: Lines that fit more than one purchase at risk.
    """

    line_of: dict[Claim, BillLine] = field(default_factory=dict)
    free: list[BillLine] = field(default_factory=list)
    shared: set[BillLine] = field(default_factory=set)


def match(claims: Sequence[Claim], lines: Sequence[BillLine]) -> Matching:
    """Match as many purchases as possible, those with a known cost first."""
    priced: dict[int, list[Claim]] = defaultdict(list)
    for claim in claims:
        if claim.cost is not None:
            priced[claim.cost].append(claim)
    lines_of: dict[int, list[BillLine]] = defaultdict(list)
    for line in sorted(lines, key=_by_time):
        lines_of[line.nano].append(line)
    matching = Matching()
    for nano, same_amount in lines_of.items():
        matching.free += _match_interval(priced.get(nano, ()), same_amount, matching)
    unpriced = _Spans([claim for claim in claims if claim.cost is None])
    search = _AugmentingSearch(unpriced, priced, matching)
    matching.free = [
        line for line in sorted(matching.free, key=_by_time) if not search.place(line)
    ]
    for claim, line in matching.line_of.items():
        if (
            claim.cost is None
            and sum(each.may_be(line) for each in unpriced.around(line.at)) > 1
        ):
            matching.shared.add(line)
    _match_by_time([claim for claims in priced.values() for claim in claims], matching)
    return matching


def _by_time(line: BillLine) -> tuple[int, int]:
    return line.at, line.number


def _match_interval(
    claims: Sequence[Claim], lines: Sequence[BillLine], matching: Matching
) -> list[BillLine]:
    """Match each line with the purchase whose time ends first: this matches the most.

    Source: Glover, Maximum matching in a convex bipartite graph, 1967.

    Returns:
        Lines without a match.
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
    """Purchases, searchable by time."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        self._claims = sorted(claims, key=lambda claim: claim.first)
        self._firsts = [claim.first for claim in self._claims]
        self._longest = max((claim.last - claim.first for claim in claims), default=0)

    def around(self, at: int) -> Iterator[Claim]:
        """Yield the purchases whose time span contains a moment."""
        return self.unvisited(at, {})

    def unvisited(self, at: int, visited: dict[int, int]) -> Iterator[Claim]:
        """Yield those of them that were not visited yet, and mark them as visited.

        Args:
            at: The moment.
            visited: Maps the position of a visited purchase to a later position, where
                the search for the next one continues.
        """
        index = _next(visited, bisect_left(self._firsts, at - self._longest))
        end = bisect_right(self._firsts, at)
        while index < end:
            if self._claims[index].last >= at:
                visited[index] = index + 1
                yield self._claims[index]
            index = _next(visited, index + 1)


def _next(visited: dict[int, int], index: int) -> int:
    """Return the next position that was not visited; shorten the path to it."""
    end = index
    while end in visited:
        end = visited[end]
    while index != end:
        visited[index], index = end, visited[index]
    return end


class _AugmentingSearch:
    """Finds a purchase for a line, if necessary by moving other lines."""

    def __init__(
        self, unpriced: _Spans, priced: dict[int, list[Claim]], matching: Matching
    ) -> None:
        self._unpriced = unpriced
        self._priced = {nano: _Spans(claims) for nano, claims in priced.items()}
        self._matching = matching
        # Lines from which a search failed: it would fail again.
        self._futile: set[BillLine] = set()

    def place(self, line: BillLine) -> bool:
        """Match a line; return False if no purchase fits."""
        came_from: dict[BillLine, tuple[BillLine, Claim] | None] = {line: None}
        waiting = deque([line])
        # A search visits each purchase with a known cost once, not once for each line.
        visited: dict[int, dict[int, int]] = defaultdict(dict)
        while waiting:
            here = waiting.popleft()
            for claim in self._candidates(here, visited[here.nano]):
                current_line = self._matching.line_of.get(claim)
                if current_line is None:
                    self._move(here, claim, came_from)
                    return True
                if current_line not in came_from and current_line not in self._futile:
                    came_from[current_line] = (here, claim)
                    waiting.append(current_line)
        self._futile.update(came_from)
        return False

    def _candidates(self, line: BillLine, visited: dict[int, int]) -> Iterator[Claim]:
        """Yield the purchases that fit a line: first those at risk, by their end."""
        unpriced = [
            claim for claim in self._unpriced.around(line.at) if claim.may_be(line)
        ]
        yield from sorted(unpriced, key=lambda claim: (claim.last, claim.attempt_id))
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
            previous = came_from[line]
            if previous is None:
                return
            line, claim = previous


def _match_by_time(priced: Sequence[Claim], matching: Matching) -> None:
    """Match purchases that were charged at another amount, by time alone."""
    unmatched = [claim for claim in priced if claim not in matching.line_of]
    refunds = [line for line in matching.free if line.nano <= 0]
    charges = [line for line in matching.free if line.nano > 0]
    matching.free = sorted(
        [*refunds, *_match_interval(unmatched, charges, matching)], key=_by_time
    )
