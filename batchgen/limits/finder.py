"""Find a limit that nobody documents, from what is refused and what is not."""

from __future__ import annotations

import json
from math import inf, isfinite
from typing import Self

KEPT = 0.9
"""What a refusal leaves of the limit."""

STEP = 0.02
"""Share of the ceiling that is added at a time, at least one."""

CALM, CALM_ROUNDS = 50, 5
"""Answers, and rounds of them, at the ceiling before one step beyond it is tried: so
about one in fifty is refused at most."""

PROVED, PROVED_ROUNDS = 20, 2
"""Answers, and rounds of them, beyond the ceiling before it is forgotten."""

DEEPEST = 0.5
"""What one refusal leaves at least: it may have had another reason."""


class Finder:
    """Additive increase, multiplicative decrease, with a memory of where it hurt.

    It doubles each round (as many answers as the limit) until the first refusal. Then
    it climbs back to the ceiling in small steps, stays there, and now and then tries
    one step beyond; when that holds, the ceiling is forgotten.

    Args:
        start: The limit to begin with; infinite to begin without one.
        most: The limit never grows beyond.
    """

    def __init__(self, start: float, most: float = inf) -> None:
        self.value = start
        self.ceiling: float | None = None
        self._most = most
        self._calm = 0
        self._lowered = -inf
        self._deepest = 1.0

    def worked(self) -> None:
        """Take note of an answer to a request that left while the limit was used."""
        if not isfinite(self.value):
            return
        self._calm += 1
        if self.ceiling is None:
            self._raise_to(self.value + 1)
        elif self.value > self.ceiling:
            if self._calm >= max(PROVED, PROVED_ROUNDS * self.value):
                self.ceiling = None
        elif self.value < self.ceiling:
            if self._calm >= self.value:
                self._raise_to(min(self.ceiling, self.value + self._step(self.ceiling)))
        elif self._calm >= max(CALM, CALM_ROUNDS * self.value):
            self._raise_to(self.ceiling + self._step(self.ceiling))

    def refused(self, taken: float, left: float, now: float) -> None:
        """Take note of a request that was throttled.

        What left before the limit was lowered last lowers it no further, except to
        what was taken after all.

        Args:
            taken: What the provider has taken, this one and others like it left out.
            left: When it left.
            now: The time.
        """
        top = self.value
        if left < self._lowered and self.ceiling is not None:
            top = self.ceiling
        else:
            self._lowered, self._calm = now, 0
            self._deepest = DEEPEST / KEPT * top if isfinite(top) else 1.0
        self.ceiling = max(1.0, min(top, max(taken, self._deepest)))
        self.value = max(1.0, KEPT * self.ceiling)

    def _raise_to(self, value: float) -> None:
        self.value, self._calm = min(value, self._most), 0

    @staticmethod
    def _step(ceiling: float) -> float:
        return max(1.0, STEP * ceiling)

    def dump(self) -> str | None:
        """Write down what was found; None if nothing was refused yet."""
        if not isfinite(self.value):
            return None
        return json.dumps([round(self.value, 3), self.ceiling])

    @classmethod
    def load(cls, text: str, most: float = inf) -> Self:
        """Go on with what an earlier process found."""
        value, ceiling = json.loads(text)
        found = cls(min(value, most), most)
        found.ceiling = ceiling
        return found
