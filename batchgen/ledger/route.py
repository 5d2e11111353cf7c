"""Which providers can make a row, best first, as the plan stores them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """How one provider would make a row.

    Attributes:
        model: As it is sent.
        resolution: The one to buy.
        estimate: Expected price in nano-dollars; None if unknown.
        warning: The part of the request that it would leave out.
    """

    provider: str
    model: str
    resolution: str
    estimate: int | None
    warning: str | None


def dump_route(candidates: Sequence[Candidate]) -> str | None:
    """Write candidates as JSON; None for a single one, which needs no route."""
    if len(candidates) < 2:
        return None
    return json.dumps(
        [asdict(candidate) for candidate in candidates], separators=(",", ":")
    )


def load_route(text: str | None) -> list[Candidate]:
    """Read what `dump_route` wrote."""
    return [Candidate(**candidate) for candidate in json.loads(text)] if text else []
