"""What an attempt cost, and how long it took."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from batchgen.admission.run_context import AttemptContext, PriceOf, Run
from batchgen.budget import Budget, column_values_of
from batchgen.errors import (
    AttemptError,
    Charge,
    GenerationFailed,
    Refused,
    RequestInvalid,
)
from batchgen.ledger import AttemptRecord, Charged, RiskIncrease
from batchgen.model import Delivered, Price, PriceKey, State, dollars, to_nano

if TYPE_CHECKING:
    from batchgen.runner.progress import Progress

MAX_CHARGE_USD = Decimal(10_000)
"""A charge above this for one request is a broken number, not money [assumed]."""


def reported_nano(
    price_of: PriceOf, context: AttemptContext, outcome: Delivered | AttemptError
) -> int | None:
    """Return the charge that a reply states; None if it states none in money.

    A charge in dollars takes precedence. Units (tokens, credits) are converted where
    each unit has a rate, unless the user gave a price: then that price counts.
    """
    usd = outcome.cost_usd
    if (
        usd is None
        and outcome.usage
        and agreed_price(price_of, context.reservation.price_key) is None
    ):
        usd = _price_of_usage(
            outcome.usage, context.queue.rates_of(context.attempt.model)
        )
    return None if usd is None or not 0 <= usd <= MAX_CHARGE_USD else to_nano(usd)


def _price_of_usage(
    usage: Mapping[str, Decimal], rates: Mapping[str, Decimal]
) -> Decimal | None:
    if not usage.keys() <= rates.keys():
        return None
    try:
        return sum((rates[unit] * usage[unit] for unit in usage), Decimal())
    except ArithmeticError:
        return None  # the number is too large for a decimal


def agreed_price(price_of: PriceOf, price_key: PriceKey) -> Price | None:
    """Return the price that the user gave for this kind of purchase, else None."""
    price = price_of(price_key)
    return price if price is not None and price.is_agreed else None


def earlier_charge(attempt: AttemptRecord) -> Charged | None:
    """Return the charge that the ledger has for an attempt of an earlier run.

    It is counted as spent already. The provider's bill takes precedence over a reply
    that comes now, unless the bill had no entry for the attempt. The charge of a kept
    reply that is read again counts, too.
    """
    if attempt.charge is Charge.BILLED and attempt.cost:
        return Charged(attempt.charge, attempt.cost)
    if attempt.state is State.FAILED and attempt.charge in (
        Charge.REPORTED,
        Charge.PRICE_LIST,
    ):
        return Charged(attempt.charge, attempt.cost, attempt.uncertain)
    return None


def charge_of(
    price_of: PriceOf, context: AttemptContext, delivered: Delivered
) -> Charged:
    """Return what was charged: as billed or reported, else by the price list."""
    if (earlier := earlier_charge(context.attempt)) is not None:
        return earlier
    if delivered.may_cost_more:
        return Charged(Charge.UNKNOWN, None)
    reported = reported_nano(price_of, context, delivered)
    if reported is not None:
        return Charged(Charge.REPORTED, reported)
    return by_price(price_of, context, len(delivered.images))


def charge_of_failure(
    price_of: PriceOf, context: AttemptContext, error: AttemptError
) -> Charged:
    """Return what the failed attempt cost."""
    if (earlier := earlier_charge(context.attempt)) is not None:
        return earlier
    reported = reported_nano(price_of, context, error)
    match charge := _kind_of_charge(context, error):
        case Charge.NONE:
            return Charged(charge, 0)
        case Charge.REPORTED if reported is not None:
            return Charged(charge, reported)
        case Charge.PRICE_LIST:
            return by_price(price_of, context, context.part.images)
        case _:
            return Charged(Charge.UNKNOWN, None)


def _kind_of_charge(context: AttemptContext, error: AttemptError) -> Charge:
    """Return an error's kind of charge; only its provider can make a task free."""
    charge = error.charge
    if context.task_id is None or charge not in (Charge.NONE, Charge.UNKNOWN):
        return charge
    # An unreadable reply, or one without an image, does not prove that the task failed.
    has_failed = isinstance(error, GenerationFailed | Refused | RequestInvalid)
    is_free = has_failed and context.queue.failed_tasks == "free"
    return Charge.NONE if is_free else Charge.UNKNOWN


def by_price(price_of: PriceOf, context: AttemptContext, images: int) -> Charged:
    """Return what images cost by the user's price, else by the price list.

    Images beyond the requested number may be charged or not: they are at risk.
    """
    price = agreed_price(price_of, context.reservation.price_key)
    if price is None:
        return by_list(context.attempt, images)
    requested = context.attempt.images
    floor = to_nano(price.floor) * min(images, requested)
    max_nano = to_nano(price.ceiling) * max(images, requested)
    return Charged(Charge.PRICE_LIST, floor, max_nano - floor)


def by_list(attempt: AttemptRecord, images: int) -> Charged:
    """Return what a delivery cost whose reply does not state it.

    The list price of the delivered images (its floor where it is a range) is certain.
    The rest is at risk, and so are images that were requested and did not come, or
    came without a request: no provider documents whether it charges for those.
    """
    if attempt.expected is None:
        return Charged(Charge.PRICE_LIST, None)
    max_nano = max(attempt.ceiling or 0, attempt.expected)
    min_nano = attempt.floor
    if min_nano is None:  # an older version did not record the floor
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


CeilingRaise = tuple[int, RiskIncrease]
"""A charge for one image above the ceiling, and how much that raised the risk."""


def charge_budget(
    run: Run, context: AttemptContext, charge: Charged
) -> CeilingRaise | None:
    """Commit a charge to the budget; return the raise if it raised the ceiling.

    Nothing is awaited, so the next reservation uses the new ceiling already.
    """
    if charge == earlier_charge(context.attempt):
        run.spent(context.reservation, 0)
        return None
    if charge.charge is Charge.UNKNOWN:
        ceiling = run.budget.ceiling(context.reservation.price_key) or 0
        run.spent(context.reservation, ceiling * context.part.images, at_risk=True)
        return None
    cost = charge.cost or 0
    run.spent(context.reservation, cost, uncertain=charge.uncertain)
    per_image = -(-cost // context.part.images)
    if not run.budget.raise_ceiling(context.reservation.price_key, per_image):
        return None
    increase = run.ledger.risk_increase(*context.reservation.price_key[:2], per_image)
    _add_risk(run.budget, run.progress, increase)
    return per_image, increase


async def announce_raise(
    run: Run, price_key: PriceKey, raised: CeilingRaise | None
) -> None:
    """Revalue the money at risk, and tell the user, if a charge raised the ceiling."""
    if raised is None:
        return
    provider, resolution = price_key[:2]
    per_image, earlier_increase = raised
    increase = await run.writer.commit(
        lambda ledger: ledger.raise_ceiling(provider, resolution, per_image)
    )
    # The difference comes from outcomes that became unknown in the meantime.
    increase.subtract(earlier_increase)
    _add_risk(run.budget, run.progress, increase)
    run.log.warning("charge_above_ceiling", extra={"nano": per_image})
    charged = dollars(per_image, pretend=run.progress.rehearsed)
    run.progress.notice(
        f"{provider} charged {charged} for an image at {resolution}, more than its "
        "ceiling; from now on that much is reserved"
    )


def _add_risk(budget: Budget, progress: Progress, increase: RiskIncrease) -> None:
    for (day, budget_group), nano in increase.items():
        budget.commit(nano, "run", day, *column_values_of(budget_group))
        progress.at_risk += nano
