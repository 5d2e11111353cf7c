"""Money as people read it: exact, with at least two decimals."""

from __future__ import annotations

from decimal import Decimal

from batchgen.model import to_usd


def dollars(amount: int | Decimal) -> str:
    """Write nano-dollars, or US dollars, exactly."""
    usd = to_usd(amount) if isinstance(amount, int) else amount
    whole, _, fraction = f"{usd:f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"
