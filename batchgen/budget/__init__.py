"""Budgets: limits, money that is reserved for attempts, and money that is spent."""

from batchgen.budget.reservations import Budget, Reservation
from batchgen.budget.spending_limits import (
    DAY_MICROS,
    Limits,
    Scope,
    Share,
    day_of,
    limits_of,
    shares_of,
)

__all__ = [
    "DAY_MICROS",
    "Budget",
    "Limits",
    "Reservation",
    "Scope",
    "Share",
    "day_of",
    "limits_of",
    "shares_of",
]
