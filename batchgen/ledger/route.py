"""Which providers can make a row, best first, as the plan stores them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How one provider would make a row.

    Attributes:
        model: As it is sent.
        resolution: That is bought.
        estimate: Expected price in nano-dollars; None if unknown.
        warning: What of the row it would leave out.
    """

    provider: str
    model: str
    resolution: str
    estimate: int | None
    warning: str | None


def dump_route(ways: Sequence[Way]) -> str | None:
    """Write a route as JSON; None for a single way, which needs none."""
    if len(ways) < 2:
        return None
    return json.dumps([asdict(way) for way in ways], separators=(",", ":"))


def load_route(text: str | None) -> list[Way]:
    """Read what `dump_route` wrote."""
    return [Way(**way) for way in json.loads(text)] if text else []
