"""Rows in which each level of one factor meets each level of every other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

Cell = tuple[str, int]
"""A factor and the number of its level."""
Pair = frozenset[Cell]
Levels = Mapping[str, Sequence[Any]]


def pairwise(
    levels: Levels, clashes: Callable[[Mapping[str, Any]], bool] = lambda _: False
) -> list[dict[str, Any]]:
    """Return few rows that hold all pairs; greedy, and the same every time.

    Args:
        levels: By factor, the cheapest first: what is free to choose is cheap.
        clashes: Whether the levels of some factors cannot stand together.
    """
    left = dict.fromkeys(_pairs(levels, clashes))
    rows = []
    while left:
        row = dict(next(iter(left)))
        for factor in levels:
            if factor not in row:
                row[factor] = _best(factor, row, levels, clashes, left)
        for pair in combinations(row.items(), 2):
            left.pop(frozenset(pair), None)
        rows.append(_valued(row, levels))
    return rows


def _pairs(
    levels: Levels, clashes: Callable[[Mapping[str, Any]], bool]
) -> Iterator[Pair]:
    for one, other in combinations(levels, 2):
        for at in range(len(levels[one])):
            for beside in range(len(levels[other])):
                pair = {one: at, other: beside}
                if not clashes(_valued(pair, levels)):
                    yield frozenset(pair.items())


def _best(
    factor: str,
    row: Mapping[str, int],
    levels: Levels,
    clashes: Callable[[Mapping[str, Any]], bool],
    left: Mapping[Pair, None],
) -> int:
    def gain(level: int) -> int:
        if clashes(_valued({**row, factor: level}, levels)):
            return -1
        return sum(frozenset([(factor, level), item]) in left for item in row.items())

    return max(range(len(levels[factor])), key=gain)


def _valued(row: Mapping[str, int], levels: Levels) -> dict[str, Any]:
    return {factor: levels[factor][row[factor]] for factor in levels if factor in row}
