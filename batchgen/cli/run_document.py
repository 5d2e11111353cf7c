"""A run as JSON documents: a line a second while it works, and one at its end."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from batchgen.cli.carry_on import carry_on_after
from batchgen.cli.meter import View
from batchgen.cli.summary import Rehearsed
from batchgen.cli.vocabulary import (
    budget_fields,
    folder_fields,
    rows_by_status,
)
from batchgen.ledger import Totals
from batchgen.model import Job, Status, to_usd
from batchgen.output import ARCHIVE, TABLE
from batchgen.runner.config import RunResult

_NOTHING = Totals(
    spent=0,
    superseded=0,
    at_risk=0,
    at_risk_attempts=0,
    unpriced=0,
    unpriced_risk=0,
    rows={},
    images=0,
)


def progress_fields(view: View, at: datetime) -> dict[str, Any]:
    """Return one moment of a run; what is still unknown is null."""
    return {
        "at": at,
        "phase": view.phase,
        "rehearsed": view.rehearsed,
        "rows": rows_by_status(view.rows),
        "in_flight": view.in_flight,
        "images_this_run": view.images,
        "images_per_minute": round(view.per_minute, 1),
        "spent_usd": to_usd(view.spent - view.superseded),
        "retired_usd": to_usd(view.superseded),
        "at_risk_usd": to_usd(view.at_risk),
        "projected_usd": None if view.projected is None else to_usd(view.projected),
        "left_s": None if view.left_s is None else round(view.left_s),
        "left_reason": view.left_reason or None,
        "budgets": [budget_fields(*level) for level in view.budget_levels],
    }


def summary_fields(
    job: Job, result: RunResult, rehearsed: Rehearsed | None, exit_code: int
) -> dict[str, Any]:
    """Return how a run ended; the last line of `run --json`.

    Args:
        job: The job.
        result: How it ended.
        rehearsed: What a rehearsal found out; None after a run in earnest.
        exit_code: Of the process.
    """
    totals = result.totals or _NOTHING
    error = result.error
    command = carry_on_after(job.out, result)
    return {
        "exit_code": exit_code,
        "folder": str(job.out),
        **folder_fields(totals),
        "archive": str(job.out / ARCHIVE) if totals.images else None,
        "table": str(job.out / TABLE),
        "signal": result.stop_reason,
        "error": error and {"error": error.kind, "message": str(error)},
        "stopped": [
            {"provider": stop.provider, "error": stop.kind, "message": str(stop)}
            for stop in result.stopped
        ],
        "command": command if totals.rows.get(Status.PENDING) else None,
        "rehearsal": rehearsed
        and {
            "bill_usd": to_usd(rehearsed.bill),
            "real_run": list(rehearsed.real_run),
        },
    }
