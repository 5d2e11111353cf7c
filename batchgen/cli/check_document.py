"""What `check` found, as one document for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from batchgen.budget import Share
from batchgen.cli.check_prompts import gaps_document
from batchgen.engines.findings import Cost, Findings, Forecast, Limit, Pace
from batchgen.model import Job, Price, to_usd

if TYPE_CHECKING:
    from batchgen.engines.balances import Account


def document_of(
    job: Job, found: Findings, accounts: Sequence[Account] | None
) -> dict[str, Any]:
    """Return all that was found; `balances` is null where none was asked for."""
    totals, same, forecast = found.totals, found.duplicates, found.forecast
    return {
        "folder_realm": found.realm,
        "rows": {it.value: count for it, count in totals.rows.items()},
        "bought": {
            "images": totals.images,
            "spent_usd": to_usd(totals.spent),
            "retired_usd": to_usd(totals.retired),
            "at_risk_usd": to_usd(totals.at_risk),
            "at_risk_attempts": totals.at_risk_attempts,
            "unpriced_attempts": totals.unpriced,
            "unpriced_at_risk_attempts": totals.unpriced_risk,
        },
        "duplicates": {
            "rows": same.rows,
            "images": same.images,
            "saved_usd": _unless_unknown(same.saved, same.unpriced),
            "unpriced_rows": same.unpriced,
            "dedupe": job.dedupe,
        },
        "rebuy": found.rebuy
        and {
            "rows": found.rebuy.rows,
            "expected_usd": found.rebuy.usd,
            "unpriced_rows": found.rebuy.unpriced,
        },
        "to_buy": {
            "rows": forecast.rows,
            "images": forecast.images,
            "unpriced_images": forecast.unpriced,
            **_cost(_known_cost(forecast)),
        },
        "groups": [
            {
                "provider": it.provider,
                "model": it.model,
                "resolution": it.resolution,
                "rows": it.rows,
                "images": it.images,
                "price": _price(it.price),
                **_cost(it.cost),
            }
            for it in forecast.groups
        ],
        "alone": [
            {
                "provider": it.provider,
                "rows": it.rows,
                "unpriced_rows": it.unpriced,
                "alone_usd": _unless_unknown(it.alone, it.unpriced),
                "routed_usd": _unless_unknown(it.routed, it.unpriced),
            }
            for it in forecast.alone
        ],
        "time": {
            "least_s": max((it.least_s for it in found.paces), default=0),
            "likely_s": max((it.likely_s for it in found.paces), default=0),
            "providers": [_pace(it) for it in found.paces],
        },
        "disk": {**asdict(found.disk), "is_enough": found.disk.is_enough},
        "budgets": [_limit(it) for it in found.limits],
        "balances": None if accounts is None else [_account(it) for it in accounts],
        "problems": [asdict(it) for it in found.problems],
        "renamed": [asdict(it) for it in found.renamed],
        "left_out": [asdict(it) for it in found.left_out],
        "warned_rows": found.warned,
        "prompts": [asdict(prompt) for prompt in found.prompts],
        "empty_cells": gaps_document(job, found),
        "notices": list(found.notices),
    }


def _unless_unknown(nano: int, unpriced: int) -> Any:
    """Return dollars; None where nothing has a known price but there is something."""
    return None if unpriced and not nano else to_usd(nano)


def _known_cost(forecast: Forecast) -> Cost | None:
    if forecast.unpriced and forecast.unpriced == forecast.images:
        return None
    return forecast.cost()


def _cost(cost: Cost | None) -> dict[str, Any]:
    return {
        "lowest_usd": cost and to_usd(cost.lowest),
        "expected_usd": cost and to_usd(cost.expected),
        "highest_usd": cost and to_usd(cost.highest),
    }


def _price(price: Price | None) -> dict[str, Any] | None:
    if price is None:
        return None
    return {
        "lowest_usd": price.floor,
        "expected_usd": price.expected,
        "highest_usd": price.ceiling,
        "page": price.page,
        "read_on": price.read_on,
    }


def _pace(pace: Pace) -> dict[str, Any]:
    return {**asdict(pace), "least_s": pace.least_s, "likely_s": pace.likely_s}


def _limit(it: Limit) -> dict[str, Any]:
    share = it.scope if isinstance(it.scope, Share) else None
    scope = "run" if it.scope == "run" else "day" if share is None else "column"
    return {
        "scope": scope,
        "column": share and share.column,
        "value": share and share.value,
        "limit_usd": to_usd(it.limit),
        "used_usd": to_usd(it.used),
        **_cost(it.cost),
        "is_enough": _unless(it.is_enough, it.unpriced),
        "is_enough_at_most": _unless(it.is_enough_at_most, it.unpriced),
    }


def _unless(is_enough: bool, unpriced: bool) -> bool | None:  # noqa: FBT001
    """Return whether a limit is enough; None where what is unknown decides."""
    return None if is_enough and unpriced else is_enough


def _account(it: Account) -> dict[str, Any]:
    amount = it.balance and it.balance.amount
    return {
        "provider": it.provider,
        "amount": None if amount is None else f"{amount:f}",
        "unit": it.balance and it.balance.unit,
        "usd": None if it.nano is None else to_usd(it.nano),
        "unlimited": it.balance is not None and it.balance.amount is None,
        "problem": it.problem,
    }
