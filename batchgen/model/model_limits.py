"""The limits of options and models, and which models are shut down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown:
    """A model id that its provider switches off.

    Attributes:
        day: From this day on requests for it fail.
        successor: The model that the provider names instead.
        page: Where that was read.
        read_on: When it was read.
        is_observed: Whether a request did fail; else it was only announced.
    """

    day: date
    successor: str
    page: str
    read_on: date
    is_observed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelLimits:
    """Which sizes in pixels a model supports.

    Attributes:
        max_side_px: Of either side.
        multiple_px: Both sides are multiples of this.
        max_ratio: Of the longer side to the shorter one.
        min_pixels: Of the whole image; so is `max_pixels`.
    """

    max_side_px: int
    multiple_px: int
    max_ratio: int
    min_pixels: int
    max_pixels: int

    def problem(self, size: tuple[int, int]) -> str | None:
        """Return why a size is not supported; None if it is."""
        shorter, longer = sorted(size)
        pixels = shorter * longer
        if longer > self.max_ratio * shorter:
            return f"takes ratios from 1:{self.max_ratio} to {self.max_ratio}:1"
        if longer > self.max_side_px:
            return f"takes at most {self.max_side_px} px a side"
        if not self.min_pixels <= pixels <= self.max_pixels:
            return f"takes {self.min_pixels:,} to {self.max_pixels:,} pixels"
        if any(side % self.multiple_px for side in size):
            return f"takes sides that are multiples of {self.multiple_px} px"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLimits:
    """How a model differs from its provider's other models.

    Attributes:
        resolutions: Empty for the same as the others.
        options: Other rules; None for an option that the model does not have.
        pixels: Limits at the provider's own address; None if none are known.
    """

    resolutions: tuple[str, ...] = ()
    options: Mapping[str, OptionRule | None] = field(default_factory=dict)
    pixels: PixelLimits | None = None
