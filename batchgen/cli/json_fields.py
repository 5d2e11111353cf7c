"""Fields that several JSON documents share.

Each thing has one name, in whichever document it stands; `batchgen/docs/json.md` says
what the names mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from batchgen.budget import ColumnValue, Scope
from batchgen.ledger import REHEARSAL, Totals
from batchgen.model import Status, to_usd
from batchgen.runner.manifest_edits import Rebuy
from batchgen.runner.row_causes import Cause


def mode_fields(mode: str | None) -> dict[str, Any]:
    """Return the kind of the run, and whether its money is pretend."""
    return {"realm": mode, "rehearsed": mode == REHEARSAL}


def rows_by_status(rows: Mapping[Status, int]) -> dict[str, int]:
    """Return the number of rows of each status, also where it is 0."""
    return {status.value: rows.get(status, 0) for status in Status}


def folder_fields(totals: Totals) -> dict[str, Any]:
    """Return rows, images and money of a whole run folder."""
    return {
        **mode_fields(totals.mode),
        "rows": rows_by_status(totals.rows),
        "images": totals.images,
        **money_fields(totals),
    }


def money_fields(totals: Totals) -> dict[str, Any]:
    """Return the money of a run folder; null, never 0, if all of it is unknown."""
    return {
        "spent_usd": known_usd(totals.spent, totals.unpriced),
        "retired_usd": to_usd(totals.superseded),
        "at_risk_usd": known_usd(totals.at_risk, totals.unpriced_risk),
        "at_risk_attempts": totals.at_risk_attempts,
        "unpriced_attempts": totals.unpriced,
        "unpriced_at_risk_attempts": totals.unpriced_risk,
    }


def known_usd(nano: int, unpriced: int) -> Decimal | None:
    """Return US dollars; None if there is something, and nothing has a known price.

    Args:
        nano: Sum of what has a known price, in nano-dollars.
        unpriced: How many have none.
    """
    return None if unpriced and not nano else to_usd(nano)


def budget_fields(scope: Scope, limit: int, used: int) -> dict[str, Any]:
    """Return one budget and its use.

    Args:
        scope: `run`, a day, or one value of a column.
        limit: The budget, in nano-dollars.
        used: Spent or at risk already, in nano-dollars.
    """
    share = scope if isinstance(scope, ColumnValue) else None
    kind = "run" if scope == "run" else "day" if share is None else "column"
    return {
        "scope": kind,
        "column": share and share.column,
        "value": share and share.value,
        "limit_usd": to_usd(limit),
        "used_usd": to_usd(used),
    }


def cause_fields(cause: Cause) -> dict[str, Any]:
    """Return why some rows did not succeed."""
    parts = cause.message_parts
    return {
        "status": cause.status.value,
        "rows": cause.rows,
        "provider": cause.provider,
        "error": cause.error,
        "message": f"{parts.before}{parts.quote or ''}{parts.after}" or None,
        "advice": cause.advice,
        "retry_helps": cause.retry_helps,
        "examples": [{"row": row, "line": line} for row, line in cause.examples],
    }


def rebuy_fields(rebuy: Rebuy | None) -> dict[str, Any] | None:
    """Return rows that were edited after their purchase: consent is needed to rebuy."""
    if rebuy is None:
        return None
    return {
        "rows": rebuy.rows.rows,
        "expected_usd": to_usd(rebuy.rows.estimate),
        "unpriced_rows": rebuy.rows.unpriced,
        "kept_rows": rebuy.kept_rows.rows,
        "kept_expected_usd": to_usd(rebuy.kept_rows.estimate),
    }
