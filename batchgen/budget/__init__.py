"""Budgets: limits, money that is reserved for attempts, and money that is spent."""

from batchgen.budget.reservations import Budget, Reservation
from batchgen.model.spending_limits import (
    DAY_MICROS,
    ColumnValue,
    Limits,
    Scope,
    column_values_of,
    day_of,
    limits_of,
)

__all__ = [
    "DAY_MICROS",
    "Budget",
    "ColumnValue",
    "Limits",
    "Reservation",
    "Scope",
    "column_values_of",
    "day_of",
    "limits_of",
]
