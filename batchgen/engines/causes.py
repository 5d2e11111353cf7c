"""Why rows did not succeed: by cause, in the provider's words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from batchgen.ledger import Reader

EXAMPLES = 3
"""Rows that are named for a cause."""

MOST_CAUSES = 1000
"""Causes that are told apart; what comes later counts as one [assumed]."""

_NUMBERS = re.compile(r"[0-9a-f]*[0-9][0-9a-f-]*")


@dataclass(slots=True)
class Cause:
    """What kept rows from succeeding.

    Attributes:
        status: How the rows ended.
        error: Kind of the error.
        message: In the words of the first of the rows; None where nobody said anything.
        rows: How many.
        examples: Positions of the first of them.
    """

    status: str
    provider: str | None
    error: str | None
    message: str | None
    rows: int = 0
    examples: list[int] = field(default_factory=list)


def causes_of(ledger: Reader, below: int) -> Sequence[Cause]:
    """Return why rows before a position failed, were refused or are held.

    Messages that differ in numbers alone are one cause. The commonest comes first.
    """
    causes: dict[object, Cause] = {}
    values = {"generation": ledger.generation, "below": below}
    for position, status, provider, error, message in ledger.lines(
        "rows_without_success", values
    ):
        shape = _NUMBERS.sub("#", message or "")
        key: object = (status, provider, error, shape)
        if key not in causes and len(causes) >= MOST_CAUSES:
            key = status
        cause = causes.setdefault(key, Cause(status, provider, error, message))
        cause.rows += 1
        if len(cause.examples) < EXAMPLES:
            cause.examples.append(position)
    return sorted(causes.values(), key=lambda cause: -cause.rows)
