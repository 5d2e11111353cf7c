"""The rows of a run in the form for the page's script: one list for each column."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from batchgen.model import ResultRow, to_nano
from batchgen.report.contents import Report
from batchgen.report.thumbnails import MAX_PICTURES, PIECE_SIZE
from batchgen.runner.message_parts import split_message

_MAX_CHARACTERS = 2_000
"""Maximum length of a prompt or message; the result table has the full text."""

_COLUMNS: dict[str, Callable[[ResultRow], Any]] = {
    "row": lambda row: row.row,
    "id": lambda row: row.id,
    "status": lambda row: row.status.value,
    "prompt": lambda row: _truncated(row.prompt),
    "provider": lambda row: row.provider,
    "model": lambda row: row.model,
    "aspect_ratio": lambda row: row.aspect_ratio,
    "resolution": lambda row: row.resolution,
    "attempts": lambda row: row.attempts,
    "cost": lambda row: _nano(row.cost_usd),
    "cost_basis": lambda row: row.cost_basis.value,
    "at_risk": lambda row: _nano(row.at_risk_usd),
    "at_risk_attempts": lambda row: row.at_risk_attempts,
    "estimated": lambda row: _nano(row.estimated_usd),
    "error": lambda row: row.error,
    "message": lambda row: _truncated(row.message),
    "quote": lambda row: _quote(row.error, _truncated(row.message)),
    "warning": lambda row: _truncated(row.warning),
    "request_id": lambda row: row.request_id,
    "finished_at": lambda row: _moment(row.finished_at),
    "latency_s": lambda row: row.latency_s,
    "shared_with": lambda row: row.shared_with,
}


def rows_of(report: Report, retry: str) -> dict[str, Any]:
    """Return the rows of a report as data for JSON; amounts are nano-dollars.

    Args:
        report: Its rows become lists; `images` has, for each image of a row, number,
            name, width, height, SHA-256 and the piece with its thumbnail (-1 for none).
        retry: The command that reads the list which the page exports.
    """
    pieces = {
        name: number // PIECE_SIZE if number < MAX_PICTURES else -1
        for number, name in enumerate(report.pictures)
    }
    columns: dict[str, Any] = {
        name: [read(row) for row in report.rows] for name, read in _COLUMNS.items()
    }
    columns["images"] = [
        [
            [
                image.image,
                image.name,
                image.width_px,
                image.height_px,
                image.sha256,
                pieces.get(image.sha256, -1),
            ]
            for image in row.files
        ]
        for row in report.rows
    ]
    return {
        "retry": retry,
        "rehearsed": report.is_rehearsal,
        "columns": columns,
    }


def _truncated(text: str | None) -> str | None:
    if text is None or len(text) <= _MAX_CHARACTERS:
        return text
    return f"{text[:_MAX_CHARACTERS]}…"


def _quote(error: str | None, message: str | None) -> list[int] | None:
    """Return start and end of the provider's own text in a message, if it has any."""
    parts = split_message(error, message)
    if not parts.quote:
        return None
    start = _length(parts.before)
    return [start, start + _length(parts.quote)]


def _length(text: str) -> int:
    """Return the length as JavaScript counts it, in units of UTF-16."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _nano(usd: Decimal | None) -> int | None:
    return None if usd is None else to_nano(usd)


def _moment(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"
