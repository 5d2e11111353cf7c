"""Spread rows over providers in proportion to their rates."""

from __future__ import annotations

from collections.abc import Mapping


class WeightedRoundRobin:
    """Ranks providers so that each gets rows in proportion to its weight.

    Attributes:
        counts: Rows that each provider has got.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = weights
        self.counts = dict.fromkeys(weights, 0)

    def rank(self, name: str) -> float:
        """Return when a provider could begin its next row; the lowest is soonest."""
        return (self.counts[name] + 1) / self._weights[name]

    def count(self, name: str) -> None:
        """Count a row for a provider."""
        self.counts[name] += 1
