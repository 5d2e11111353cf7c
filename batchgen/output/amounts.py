"""The money of result rows: measures that add up, and ratios of their sums."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal

import polars as pl

from batchgen.model import Status

# Wide enough for any sum, and cast before summing: older versions of polars gave a sum
# the precision of its values, which the sum can exceed.
_USD = pl.Decimal(38, 9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """The money of some rows: exact sums of known amounts, and counts of unknown ones.

    An amount is None, never 0, if all of it is unknown.

    Attributes:
        unknown_rows: Rows with an unknown cost; `cost_usd` is that of the others.
        images: Bought ones: a row that shares another's purchase has none.
        per_image_usd: Cost per image of the rows with a known cost, failed rows
            included; rounded to nano-dollars. None without images.
        wasted_usd: Cost of the rows that did not succeed.
        wasted_share: Of `cost_usd`, from 0 to 1.
        at_risk_unknown_rows: Rows at risk by an unknown amount.
        estimated_usd: Estimate of the bought rows whose cost is certain, with nothing
            at risk.
        actual_usd: Cost of the same rows.
    """

    rows: int
    unknown_rows: int
    images: int
    cost_usd: Decimal | None
    per_image_usd: Decimal | None
    wasted_usd: Decimal | None
    wasted_share: float | None
    at_risk_usd: Decimal | None
    at_risk_attempts: int
    at_risk_unknown_rows: int
    estimated_usd: Decimal
    actual_usd: Decimal


AMOUNTS = tuple(field.name for field in fields(Amounts))

# They show which amounts are unknown as a whole, and by how many images to divide.
_HELPERS = ("unknown_wasted", "priced_images")
_RATIOS = ("per_image_usd", "wasted_share")

SUMS = (*(name for name in AMOUNTS if name not in _RATIOS), *_HELPERS)
"""The measures, by name."""


def measures() -> list[pl.Expr]:
    """Return the measures of each row of a result table, as columns to be summed."""
    cost = pl.col("cost_usd").cast(_USD)
    at_risk = pl.col("at_risk_usd").cast(_USD)
    estimate = pl.col("estimated_usd").cast(_USD)
    # A row that shares another's purchase has its images, and no attempt of its own.
    is_bought = pl.col("attempts") > 0
    images = pl.when(is_bought).then(pl.col("files").list.len().cast(pl.Int64))
    failed = pl.col("status") != Status.SUCCEEDED.value
    is_certain = is_bought & cost.is_not_null() & (at_risk == 0)
    is_certain &= pl.col("at_risk_attempts") == 0
    is_comparable = is_certain & estimate.is_not_null()
    return [
        pl.lit(1, pl.Int64).alias("rows"),
        _count(cost.is_null()).alias("unknown_rows"),
        _count(cost.is_null() & failed).alias("unknown_wasted"),
        images.alias("images"),
        pl.when(cost.is_not_null()).then(images).alias("priced_images"),
        cost.alias("cost_usd"),
        pl.when(failed).then(cost).alias("wasted_usd"),
        at_risk.alias("at_risk_usd"),
        pl.col("at_risk_attempts").cast(pl.Int64),
        _count(at_risk.is_null()).alias("at_risk_unknown_rows"),
        pl.when(is_comparable).then(estimate).alias("estimated_usd"),
        pl.when(is_comparable).then(cost).alias("actual_usd"),
    ]


def with_ratios(sums: pl.DataFrame) -> pl.DataFrame:
    """Return sums of the measures with their ratios, as in `Amounts`."""
    amounts = sums.with_columns(
        _unless_unknown("cost_usd", "unknown_rows"),
        _unless_unknown("wasted_usd", "unknown_wasted"),
        _unless_unknown("at_risk_usd", "at_risk_unknown_rows"),
    )
    per_image = _ratio("cost_usd", "priced_images").round(9).cast(_USD)
    return amounts.with_columns(
        per_image_usd=per_image, wasted_share=_ratio("wasted_usd", "cost_usd")
    )


def _count(condition: pl.Expr) -> pl.Expr:
    return condition.cast(pl.Int64)


def _unless_unknown(amount: str, unknown: str) -> pl.Expr:
    is_known = (pl.col(amount) != 0) | (pl.col(unknown) == 0)
    return pl.when(is_known).then(pl.col(amount)).alias(amount)


def _ratio(part: str, whole: str) -> pl.Expr:
    quotient = pl.col(part).cast(pl.Float64) / pl.col(whole).cast(pl.Float64)
    return pl.when(pl.col(whole) != 0).then(quotient)
