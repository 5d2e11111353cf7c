"""Limits of spending: for the run folder, for a day, for values of a column."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from batchgen.model.job import Job
from batchgen.model.price import to_nano

DAY_MICROS = 86_400_000_000
OTHER_VALUES = "*"


@dataclass(frozen=True, slots=True, order=True)
class ColumnValue:
    """One value of a column with budgets by value."""

    column: str
    value: str

    def __str__(self) -> str:
        return f"{self.column} {self.value!r}"


Scope = Literal["run"] | int | ColumnValue
"""What a limit is for: the run folder, a UTC day (counted from 1970), or a value of a
column."""


def day_of(micros: int) -> int:
    """Return the UTC day, counted from 1970, of a time in microseconds."""
    return micros // DAY_MICROS


def column_values_of(budget_group: str | None) -> tuple[ColumnValue, ...]:
    """Return the column values of a row with budgets, from JSON: column to value."""
    if budget_group is None:
        return ()
    return tuple(ColumnValue(*item) for item in json.loads(budget_group).items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The maximum that may be spent, in nano-dollars; None for no limit.

    Attributes:
        run: By all runs of the run folder together.
        day: On requests of one UTC day.
        by: For each value of a column; `*` is for all other values.
    """

    run: int | None = None
    day: int | None = None
    by: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.run is not None or self.day is not None or bool(self.by)

    @classmethod
    def load(cls, text: str | None) -> Limits:
        """Read the JSON that `dump` wrote; None stands for no limits."""
        return cls() if text is None else cls(**json.loads(text))

    def dump(self) -> str:
        """Write the limits as JSON, for readers of the run folder."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def of(self, scope: Scope) -> int | None:
        """Return the limit for a scope, None if there is none."""
        match scope:
            case "run":
                return self.run
            case ColumnValue(column, value):
                values = self.by.get(column, {})
                return values.get(value, values.get(OTHER_VALUES))
            case _:
                return self.day


def limits_of(job: Job) -> Limits:
    """Return the limits that a job sets."""
    per_day, by = job.max_cost_per_day, job.max_cost_by
    return Limits(
        run=None if job.max_cost is None else to_nano(job.max_cost),
        day=None if per_day is None else to_nano(per_day),
        by={
            column: {value: to_nano(usd) for value, usd in limits.items()}
            for column, limits in by.items()
        },
    )
