"""A run's rows as the page's script reads them: one list for each column."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from batchgen.engines.report import Report
from batchgen.engines.speaker import split_message
from batchgen.engines.thumbnails import MAX_PICTURES, TOGETHER
from batchgen.model import ResultRow, to_nano

_MOST_TEXT = 2_000
"""Characters of a prompt or message: the table has all of them."""

_COLUMNS: dict[str, Callable[[ResultRow], Any]] = {
    "row": lambda it: it.row,
    "id": lambda it: it.id,
    "status": lambda it: it.status.value,
    "prompt": lambda it: _cut(it.prompt),
    "provider": lambda it: it.provider,
    "model": lambda it: it.model,
    "aspect_ratio": lambda it: it.aspect_ratio,
    "resolution": lambda it: it.resolution,
    "attempts": lambda it: it.attempts,
    "cost": lambda it: _nano(it.cost_usd),
    "cost_basis": lambda it: it.cost_basis.value,
    "at_risk": lambda it: _nano(it.at_risk_usd),
    "at_risk_attempts": lambda it: it.at_risk_attempts,
    "estimated": lambda it: _nano(it.estimated_usd),
    "error": lambda it: it.error,
    "message": lambda it: _cut(it.message),
    "quote": lambda row: _quote(row.error, _cut(row.message)),
    "warning": lambda it: _cut(it.warning),
    "request_id": lambda it: it.request_id,
    "finished_at": lambda it: _moment(it.finished_at),
    "latency_s": lambda it: it.latency_s,
    "shared_with": lambda it: it.shared_with,
}


def rows_of(report: Report, retry: str) -> dict[str, Any]:
    """Return the rows of a report as JSON has them; amounts are nano-dollars.

    Args:
        report: Its rows become lists; `images` has, for each image of a row, number,
            name, width, height, SHA-256 and the piece with its thumbnail (-1 for none).
        retry: The command that takes the list which the page makes.
    """
    pieces = {
        name: number // TOGETHER if number < MAX_PICTURES else -1
        for number, name in enumerate(report.pictures)
    }
    columns: dict[str, Any] = {
        name: [read(row) for row in report.rows] for name, read in _COLUMNS.items()
    }
    columns["images"] = [
        [
            [
                it.image,
                it.name,
                it.width_px,
                it.height_px,
                it.sha256,
                pieces.get(it.sha256, -1),
            ]
            for it in row.files
        ]
        for row in report.rows
    ]
    return {
        "retry": retry,
        "rehearsed": report.is_rehearsal,
        "columns": columns,
    }


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= _MOST_TEXT:
        return text
    return f"{text[:_MOST_TEXT]}…"


def _quote(error: str | None, message: str | None) -> list[int] | None:
    """Return where the provider's words start and end in a message, if it has any."""
    words = split_message(error, message)
    if not words.quote:
        return None
    start = _length(words.before)
    return [start, start + _length(words.quote)]


def _length(text: str) -> int:
    """Return the length as a script counts it, in units of UTF-16."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _nano(usd: Decimal | None) -> int | None:
    return None if usd is None else to_nano(usd)


def _moment(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"
