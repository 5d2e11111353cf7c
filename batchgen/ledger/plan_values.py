"""The values of the tables `plan` and `rows` for a row of a reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from batchgen.ledger.meta import Value
from batchgen.ledger.records import PlanEntry
from batchgen.ledger.request_json import dump_request
from batchgen.ledger.row_judge import JudgedRow
from batchgen.model import ImageRequest


def plan_values(
    row: JudgedRow, generation: int, shares: int | None
) -> Mapping[str, Value]:
    """Return a row's values for the table `plan`."""
    entry = row.entry
    return {
        "generation": generation,
        "position": entry.position,
        "line": entry.line,
        "row_id": row.row_id,
        "id": entry.id,
        "request": _request_of(entry) if row.row_id is None else None,
        "provider": entry.provider,
        "route": entry.route,
        "shares": shares,
        "model": entry.model,
        "resolution": entry.resolution,
        "estimate": entry.estimate,
        "rebuy": row.rebuy,
        "at_column": None if row.is_done else entry.at_column,
        "problem": None if row.is_done else entry.problem,
        "warning": entry.warning,
        "key": row.key if row.row_id is None else None,
        "fingerprint": entry.fingerprint if row.row_id is None else None,
    }


def row_values(row: JudgedRow) -> Sequence[Value]:
    """Return a new row's values for the table `rows`."""
    entry = row.entry
    request = entry.request or ImageRequest(prompt="")
    return (
        row.row_id,
        row.key,
        entry.fingerprint,
        entry.id,
        row.base_name,
        dump_request(request),
        request.n,
        entry.budget_group,
    )


def _request_of(entry: PlanEntry) -> str | None:
    """Return the request of a row without an entry in `rows`, as far as known."""
    if entry.request is not None:
        return dump_request(entry.request)
    if entry.prompt is not None:
        return dump_request(ImageRequest(prompt=entry.prompt))
    return None
