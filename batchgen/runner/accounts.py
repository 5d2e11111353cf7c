"""What an attempt cost, and how long it took, from what the provider said."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Raised:
    """A charge above the ceiling, and by how much that raised the budget's risk."""

    per_image: int
    growth: int


def spend(run: Run, flight: Flight, charge: ChargedAs) -> Raised | None:
    """Commit a charge to the budget; say if it raised the ceiling.

    Nothing is awaited: whatever leaves next is reserved at what is known by now.
    """
    cost = charge[1] or 0
    run.spent(flight.reservation, cost, at_risk=False)
    per_image = -(-cost // flight.part.images)
    if not run.budget.saw(flight.reservation.group, per_image):
        return None
    growth = run.ledger.growth_of_risk(*flight.reservation.group, per_image)
    _risk_more(run, growth)
    return Raised(per_image, growth)


async def tell_raised(run: Run, flight: Flight, raised: Raised | None) -> None:
    """Value what is at risk anew, and say so, if a charge raised the ceiling."""
    if raised is None:
        return
    provider, resolution = flight.reservation.group
    per_image = raised.per_image
    growth = await run.writer.commit(
        lambda ledger: ledger.raise_ceiling(provider, resolution, per_image)
    )
    # Outcomes that became unknown meanwhile are in the ledger's number alone.
    _risk_more(run, growth - raised.growth)
    run.log.warning("charge_above_ceiling", extra={"nano": per_image})
    run.progress.notice(
        f"{provider} charged {dollars(per_image)} for an image at {resolution}, more "
        "than its ceiling; from now on that much is reserved"
    )


def _risk_more(run: Run, nano: int) -> None:
    run.budget.committed += nano
    run.progress.at_risk += nano
