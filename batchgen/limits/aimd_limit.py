"""Find a limit that is not documented, from what is refused and what is not."""

from __future__ import annotations

import json
from math import inf, isfinite
from typing import Self

FACTOR = 0.9
"""What a refusal leaves of a limit of purchases under way."""

RATE_FACTOR = 0.97
"""What a refusal leaves of a rate: one refused request in a stream costs nothing, and
an unused rate costs time."""

ROUND_S, CLIMB = 5.0, 3
"""A round of answers at a rate takes so many seconds, and so many answers at least
while it climbs back to where it has been."""

STEP = 0.02
"""Share of the ceiling that is added at a time, at least one."""

CALM, CALM_ROUNDS = 50, 5
"""Answers, and rounds of them, at the ceiling before one step beyond it is tried: so
about one in fifty is refused at most."""

FIRST_CALM = 7
"""Answers at the ceiling of a rate before the first step beyond; twice as many after
each that was refused, up to `CALM`: what was measured in a moment is not sure."""

PROVED, PROVED_ROUNDS = 20, 2
"""Answers, and rounds of them, beyond the ceiling before it is forgotten."""

MIN_FACTOR = 0.5
"""What one refusal leaves at least: it may have had another reason."""


class AimdLimit:
    """Additive increase, multiplicative decrease, which remembers what was refused.

    It doubles each round until the first refusal. Then it climbs back to the ceiling in
    small steps, stays there, and now and then tries one step beyond; when that holds,
    the ceiling is forgotten. A round is as many answers as the limit; of a rate, as
    many as come in a few seconds.

    Args:
        start: The limit to begin with; infinite to begin without one.
        max_value: The limit never grows beyond.
        is_rate: Whether the limit is requests in a minute.
    """

    def __init__(
        self, start: float, max_value: float = inf, *, is_rate: bool = False
    ) -> None:
        self.value = start
        self.ceiling: float | None = None
        self._is_rate = is_rate
        self._factor = RATE_FACTOR if is_rate else FACTOR
        self._max_value = max_value
        self._calm = 0
        self._stride = 1
        self._patience = FIRST_CALM if is_rate else CALM
        self._lowered = -inf
        self._min_ceiling = 1.0

    def record_success(self) -> None:
        """Record an answer to a request that left while the limit was used."""
        if not isfinite(self.value):
            return
        self._calm += 1
        answers = self._round()
        if self.ceiling is None:
            self._raise_to(self.value + self.value / answers)
        elif self.is_beyond:
            if self._calm >= max(PROVED, PROVED_ROUNDS * answers):
                self._go_beyond()
        elif self.value < self.ceiling:
            if self._calm >= answers:
                self._raise_to(min(self.ceiling, self.value + self._step(self.ceiling)))
        elif self._calm >= max(self._patience, CALM_ROUNDS * answers):
            self._raise_to(self.ceiling + self._step(self.ceiling))

    def _go_beyond(self) -> None:
        """Take a step for proved; a rate that has a reserve takes twice as long a step.

        Such a reserve, which many providers allow, lets a rate that is too high pass
        for a while: so it is not doubled at once.
        """
        if self._is_rate:
            self._stride *= 2
            self._patience = FIRST_CALM
            self.ceiling = self.value
            self._raise_to(self.value + self._stride * self._step(self.value))
        else:
            self.ceiling = None

    @property
    def is_beyond(self) -> bool:
        """Whether a step beyond the ceiling is being tried."""
        return self.ceiling is not None and self.value > self.ceiling

    @property
    def before_last_step(self) -> float:
        """The limit before the last step."""
        return self.value - self._step(self.value)

    def _round(self) -> float:
        """Return how many answers make a round."""
        if not self._is_rate:
            return self.value
        is_climbing = self.ceiling is not None and self.value < self.ceiling
        return max(CLIMB if is_climbing else 1.0, self.value * ROUND_S / 60)

    def record_refusal(self, working_limit: float, sent_at: float, now: float) -> None:
        """Record a request that was throttled.

        What left before the limit was lowered last lowers it no further, except to
        what was taken after all.

        Args:
            working_limit: What the provider has accepted, this one and others like it
                left out.
            sent_at: When it left.
            now: The time.
        """
        top = self.value
        if sent_at < self._lowered and self.ceiling is not None:
            top = self.ceiling
        else:
            if self.is_beyond:
                self._patience = min(2 * self._patience, CALM)
            self._lowered, self._calm, self._stride = now, 0, 1
            self._min_ceiling = (
                MIN_FACTOR / self._factor * top if isfinite(top) else 1.0
            )
        self.ceiling = max(1.0, min(top, max(working_limit, self._min_ceiling)))
        self.value = max(1.0, self._factor * self.ceiling)

    def _raise_to(self, value: float) -> None:
        self.value, self._calm = min(value, self._max_value), 0

    @staticmethod
    def _step(ceiling: float) -> float:
        return max(1.0, STEP * ceiling)

    def restore(self, text: str | None) -> None:
        """Take back what was noted since `dump` returned this."""
        self.value, self.ceiling = (inf, None) if text is None else json.loads(text)
        self._calm = 0

    def dump(self) -> str | None:
        """Write down what was learned; None if nothing was refused yet."""
        if not isfinite(self.value):
            return None
        return json.dumps([round(self.value, 3), self.ceiling])

    @classmethod
    def load(cls, text: str, max_value: float = inf, *, is_rate: bool = False) -> Self:
        """Go on with what an earlier process learned."""
        value, ceiling = json.loads(text)
        aimd_limit = cls(min(value, max_value), max_value, is_rate=is_rate)
        aimd_limit.ceiling = ceiling
        return aimd_limit
