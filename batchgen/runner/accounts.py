"""What an attempt cost, and how long it took, from what the provider said."""

from __future__ import annotations

from batchgen.errors import Charge
from batchgen.model import Delivered, dollars, to_nano
from batchgen.runner.context import Flight, Run

ChargedAs = tuple[Charge, int | None]
"""Kind of charge, and nano-dollars where they are known."""


def charge_of(flight: Flight, delivered: Delivered) -> ChargedAs:
    """Return what was charged: as reported, else by the price list."""
    if delivered.cost_usd is not None:
        return Charge.REPORTED, to_nano(delivered.cost_usd)
    expected, images = flight.attempt.expected, flight.part.images
    if expected is None:
        return Charge.PRICE_LIST, None
    return Charge.PRICE_LIST, expected * min(len(delivered.images), images) // images


def latency_of(run: Run, flight: Flight) -> float | None:
    """Return seconds from SENT to now; None across a restart."""
    if flight.started is None:
        return None
    return run.time.monotonic() - flight.started


def spend(run: Run, flight: Flight, charge: ChargedAs) -> int | None:
    """Commit a charge to the budget; return it, per image, if it raised the ceiling.

    Nothing is awaited: whatever leaves next is reserved at what is known by now.
    """
    cost = charge[1] or 0
    run.spent(flight.reservation, cost, at_risk=False)
    per_image = -(-cost // flight.part.images)
    return per_image if run.budget.saw(flight.reservation.group, per_image) else None


async def tell_raised(run: Run, flight: Flight, per_image: int | None) -> None:
    """Value what is at risk anew, and say so, if a charge raised the ceiling."""
    if per_image is None:
        return
    provider, resolution = flight.reservation.group
    growth = await run.writer.commit(
        lambda ledger: ledger.raise_ceiling(provider, resolution, per_image)
    )
    run.budget.committed += growth
    run.progress.at_risk += growth
    run.log.warning("charge_above_ceiling", extra={"nano": per_image})
    run.progress.notice(
        f"{provider} charged {dollars(per_image)} for an image at {resolution}, more "
        "than its ceiling; from now on that much is reserved"
    )
