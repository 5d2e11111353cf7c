"""Which values of one option a provider supports."""

from __future__ import annotations

from dataclasses import dataclass

from batchgen.model.request import OptionValue


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionRule:
    """Which values of one option a provider supports.

    Attributes:
        choices: Allowed texts; empty if all are.
        min_value: Minimum of a number, and `max_value` the maximum; None for no limit.
        needs: Another option that must be true.
        beside: Another option, and the values of which it must have one.
    """

    choices: tuple[str, ...] = ()
    min_value: float | None = None
    max_value: float | None = None
    needs: str | None = None
    beside: tuple[str, tuple[str, ...]] | None = None

    def why_unsupported(self, value: OptionValue) -> str | None:
        """Return why a value is not supported, None if it is."""
        if self.choices and value not in self.choices:
            return f"has no {value} (it has {', '.join(self.choices)})"
        if isinstance(value, int | float) and not isinstance(value, bool):
            low, high = self.min_value, self.max_value
            is_too_small = low is not None and value < low
            if is_too_small or (high is not None and value > high):
                return f"takes {low or 0:g} to {high:g}, not {value:g}"
        return None
