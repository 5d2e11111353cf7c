"""What all JSON documents have in common: their names, and what these hold.

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


def realm_fields(mode: str | None) -> dict[str, Any]:
    """Say what kind of run it is, and whether its money is pretend."""
    return {"realm": mode, "rehearsed": mode == REHEARSAL}


def rows_by_status(rows: Mapping[Status, int]) -> dict[str, int]:
    """Return how many rows have each status; each of them has a number, 0 too."""
    return {status.value: rows.get(status, 0) for status in Status}


def folder_fields(totals: Totals) -> dict[str, Any]:
    """Return rows, images and money of a whole run folder."""
    return {
        **realm_fields(totals.mode),
        "rows": rows_by_status(totals.rows),
        "images": totals.images,
        **money_fields(totals),
    }


def money_fields(totals: Totals) -> dict[str, Any]:
    """Return the money of a run folder; null, never 0, where all of it is unknown."""
    return {
        "spent_usd": known_usd(totals.spent, totals.unpriced),
        "retired_usd": to_usd(totals.superseded),
        "at_risk_usd": known_usd(totals.at_risk, totals.unpriced_risk),
        "at_risk_attempts": totals.at_risk_attempts,
        "unpriced_attempts": totals.unpriced,
        "unpriced_at_risk_attempts": totals.unpriced_risk,
    }


def known_usd(nano: int, unpriced: int) -> Decimal | None:
    """Return US dollars; None where nothing has a known price but there is something.

    Args:
        nano: Sum of what has a known price, in nano-dollars.
        unpriced: How many have none.
    """
    return None if unpriced and not nano else to_usd(nano)


def budget_fields(scope: Scope, limit: int, used: int) -> dict[str, Any]:
    """Return one budget and what counts for it, both in nano-dollars.

    Args:
        scope: `run`, a day, or one value of a column.
        limit: Most that may be spent.
        used: Spent or at risk already.
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


def rebuy_fields(rebuy: Rebuy | None) -> dict[str, Any] | None:
    """Return what was bought in another version and needs consent to be bought anew."""
    if rebuy is None:
        return None
    return {
        "rows": rebuy.rows,
        "expected_usd": rebuy.usd,
        "unpriced_rows": rebuy.unpriced,
        "kept_rows": rebuy.kept_rows.rows,
        "kept_expected_usd": rebuy.kept_rows.usd,
    }
