"""Budgets: what may be spent, what is held for attempts in flight, what is left."""

from batchgen.budget.limits import (
    DAY_MICROS,
    Limits,
    Scope,
    Share,
    day_of,
    limits_of,
    shares_of,
)
from batchgen.budget.reservations import Budget, Group, Reservation

__all__ = [
    "DAY_MICROS",
    "Budget",
    "Group",
    "Limits",
    "Reservation",
    "Scope",
    "Share",
    "day_of",
    "limits_of",
    "shares_of",
]
