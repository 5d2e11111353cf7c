"""What an attempt cost, and how long it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from batchgen.admission.run_context import AttemptContext, PriceOf, Run
from batchgen.budget import column_values_of
from batchgen.errors import (
    AttemptError,
    Charge,
    GenerationFailed,
    Refused,
    RequestInvalid,
)
from batchgen.ledger import AttemptRecord, Charged, Growth
from batchgen.model import Delivered, Price, State, dollars, to_nano

ChargedAs = Charged
"""What an attempt was charged; see the ledger."""


MOST_USD = Decimal(10_000)
"""A charge above this for one request is a broken number, not money [assumed]."""


def reported_nano(
    price_of: PriceOf, context: AttemptContext, outcome: Delivered | AttemptError
) -> int | None:
    """Return what a reply says that it charged; None if that is no money (yet).

    A charge in dollars stands above all. What is counted in units (tokens, credits) is
    money where each unit has a rate, unless the user gave a price: then that counts.
    """
    usd = outcome.cost_usd
    if usd is None and outcome.usage and agreed_price(price_of, context) is None:
        usd = _worth(outcome.usage, context.queue.rates_of(context.attempt.model))
    return None if usd is None or not 0 <= usd <= MOST_USD else to_nano(usd)


def _worth(
    usage: Mapping[str, Decimal], rates: Mapping[str, Decimal]
) -> Decimal | None:
    if not usage.keys() <= rates.keys():
        return None
    try:
        return sum((rates[unit] * usage[unit] for unit in usage), Decimal())
    except ArithmeticError:
        return None  # beyond what decimals hold, let alone money


def agreed_price(price_of: PriceOf, context: AttemptContext) -> Price | None:
    """Return the price that the user gave for such a purchase, else None."""
    price = price_of(context.reservation.price_key)
    return price if price is not None and price.is_agreed else None


def billed(context: AttemptContext) -> ChargedAs | None:
    """Return what the provider's bill said of an attempt that is asked for again.

    That stands above what is said now, and was spent before this run. Where the bill
    had nothing yet, it says nothing. What a reply said that is read anew was
    spent, too.
    """
    attempt = context.attempt
    if attempt.charge is Charge.BILLED and attempt.cost:
        return Charged(attempt.charge, attempt.cost)
    is_known = attempt.charge in (Charge.REPORTED, Charge.PRICE_LIST)
    if attempt.state is State.FAILED and attempt.charge and is_known:
        return Charged(attempt.charge, attempt.cost, attempt.uncertain)
    return None


def charge_of(
    price_of: PriceOf, context: AttemptContext, delivered: Delivered
) -> ChargedAs:
    """Return what was charged: as billed or reported, else by the price list."""
    if (settled := billed(context)) is not None:
        return settled
    if delivered.may_cost_more:
        return Charged(Charge.UNKNOWN, None)
    reported = reported_nano(price_of, context, delivered)
    if reported is not None:
        return Charged(Charge.REPORTED, reported)
    return by_price(price_of, context, len(delivered.images))


def charge_of_failure(
    price_of: PriceOf, context: AttemptContext, error: AttemptError
) -> ChargedAs:
    """Return what the failed attempt cost; an accepted task is never surely free."""
    if (settled := billed(context)) is not None:
        return settled
    charge = error.charge
    task_exists = context.task_id is not None
    if task_exists and charge is Charge.NONE:
        charge = Charge.UNKNOWN
    free = context.queue.failed_tasks == "free"
    # An end that cannot be read, or has no image, is no failure that is surely free.
    failed = isinstance(error, GenerationFailed | Refused | RequestInvalid)
    if task_exists and failed and charge is Charge.UNKNOWN and free:
        charge = Charge.NONE
    reported = reported_nano(price_of, context, error)
    match charge:
        case Charge.NONE:
            return ChargedAs(charge, 0)
        case Charge.REPORTED if reported is not None:
            return ChargedAs(charge, reported)
        case Charge.PRICE_LIST:
            return by_price(price_of, context, context.part.images)
        case _:
            return ChargedAs(Charge.UNKNOWN, None)


def by_price(price_of: PriceOf, context: AttemptContext, images: int) -> ChargedAs:
    """Return what some images cost by the user's price, else as the list had it.

    More than were asked for may have been charged or not: they are at risk.
    """
    price = agreed_price(price_of, context)
    if price is None:
        return by_list(context.attempt, images)
    asked = context.attempt.images
    floor = to_nano(price.floor) * min(images, asked)
    max_nano = to_nano(price.ceiling) * max(images, asked)
    return Charged(Charge.PRICE_LIST, floor, max_nano - floor)


def by_list(attempt: AttemptRecord, images: int) -> ChargedAs:
    """Return what a delivery cost whose reply does not say it.

    The list price of as many images as came, where the list has a range its floor, is
    spent for certain. The rest is at risk, and so are images that were asked for and
    did not come, or came and were not asked for: whether a provider charges for those
    is documented nowhere.
    """
    if attempt.expected is None:
        return Charged(Charge.PRICE_LIST, None)
    max_nano = max(attempt.ceiling or 0, attempt.expected)
    min_nano = attempt.floor
    if min_nano is None:  # sent by a version that did not write it down
        min_nano = max(0, 2 * attempt.expected - max_nano)
    delivered = min(images, attempt.images)
    floor = min_nano * delivered // attempt.images
    max_nano = -(-max_nano * max(images, attempt.images) // attempt.images)
    return Charged(Charge.PRICE_LIST, floor, max_nano - floor)


def latency_of(context: AttemptContext, now_s: float) -> float | None:
    """Return seconds from SENT to now (monotonic); None across a restart."""
    if context.started is None:
        return None
    return now_s - context.started


@dataclass(frozen=True, slots=True)
class Raised:
    """A charge above the ceiling, and by how much that raised the budget's risk."""

    per_image: int
    growth: Growth


def spend(run: Run, context: AttemptContext, charge: ChargedAs) -> Raised | None:
    """Commit a charge to the budget; say if it raised the ceiling.

    Nothing is awaited: whatever leaves next is reserved at what is known by now.
    """
    if charge == billed(context):
        run.spent(context.reservation, 0)
        return None
    if charge[0] is Charge.UNKNOWN:
        ceiling = run.budget.ceiling(context.reservation.price_key) or 0
        run.spent(context.reservation, ceiling * context.part.images, at_risk=True)
        return None
    cost = charge[1] or 0
    run.spent(context.reservation, cost, uncertain=charge.uncertain)
    per_image = -(-cost // context.part.images)
    if not run.budget.raise_ceiling(context.reservation.price_key, per_image):
        return None
    growth = run.ledger.growth_of_risk(*context.reservation.price_key[:2], per_image)
    _risk_more(run, growth)
    return Raised(per_image, growth)


async def tell_raised(run: Run, context: AttemptContext, raised: Raised | None) -> None:
    """Value what is at risk anew, and say so, if a charge raised the ceiling."""
    if raised is None:
        return
    provider, resolution = context.reservation.price_key[:2]
    per_image = raised.per_image
    growth = await run.writer.commit(
        lambda ledger: ledger.raise_ceiling(provider, resolution, per_image)
    )
    # Outcomes that became unknown meanwhile are in the ledger's numbers alone.
    growth.subtract(raised.growth)
    _risk_more(run, growth)
    run.log.warning("charge_above_ceiling", extra={"nano": per_image})
    charged = dollars(per_image, pretend=run.progress.rehearsed)
    run.progress.notice(
        f"{provider} charged {charged} for an image at {resolution}, more than its "
        "ceiling; from now on that much is reserved"
    )


def _risk_more(run: Run, growth: Growth) -> None:
    for (day, budget_group), nano in growth.items():
        run.budget.commit(nano, "run", day, *column_values_of(budget_group))
        run.progress.at_risk += nano
