"""What a provider takes as the value of one option."""

from __future__ import annotations

from dataclasses import dataclass

from batchgen.model.request import OptionValue


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionRule:
    """What a provider takes as the value of one option.

    Attributes:
        choices: Allowed words; empty where any is.
        least: Smallest number, with `most` the largest; None where there is none.
        needs: Another option that must be true beside it.
        beside: Another option, and the values that it must have one of.
    """

    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    needs: str | None = None
    beside: tuple[str, tuple[str, ...]] | None = None

    def misfit(self, value: OptionValue) -> str | None:
        """Return why a provider cannot take a value, None if it can."""
        if self.choices and value not in self.choices:
            return f"has no {value} (it has {', '.join(self.choices)})"
        if isinstance(value, int | float) and not isinstance(value, bool):
            least, most = self.least, self.most
            too_small = least is not None and value < least
            if too_small or (most is not None and value > most):
                return f"takes {least or 0:g} to {most:g}, not {value:g}"
        return None
