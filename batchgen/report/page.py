"""Write `report.html`: one file that opens from disk and needs no network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from batchgen.ledger import Reader
from batchgen.model import ResultRow, dollars, to_nano
from batchgen.output import ARCHIVE
from batchgen.output.whole import replacing
from batchgen.report import plots
from batchgen.report.contents import Report, read_report
from batchgen.report.thumbnails import MAX_PICTURES, PIECE_SIZE, side_px, thumbnails
from batchgen.runner.message_parts import split_message

MAX_CAUSES = 20
PAGE = "report.html"
REJECTED = "rejected.csv"

_EARLY = 3
"""How many thumbnail pieces precede the script: it shows them while the rest loads."""

_PIECE = re.compile(
    r'<script type="application/json" class="thumbs" id="thumbs-\d+" '
    r'data-side="(\d+)">(.*)</script>'
)
_NAME = re.compile(r"[0-9a-f]{64}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def write_page(ledger: Reader, folder: Path, made_at: datetime) -> Path:
    """Write the page of a run folder; thumbnails of an earlier page are reused.

    Args:
        ledger: Of the folder; a run may write to it meanwhile.
        folder: The run folder, with the archive.
        made_at: The current time with time zone.

    Raises:
        StorageError: the page cannot be written; an older page is unchanged.
    """
    report = read_report(ledger)
    retry = shlex.join(["batchgen", "retry", str(folder), "--ids", REJECTED])
    path = folder / PAGE
    side = side_px(len(report.pictures))
    groups = thumbnails(
        folder / ARCHIVE, report.pictures, _earlier_thumbnails(path, side)
    )
    pieces = ((number, _json(piece)) for number, piece in enumerate(groups))
    style, script = _asset("report.css"), _asset("report.js")
    template = _environment().from_string(_asset("report.html"))
    parts = template.generate(
        report=report,
        name=folder.resolve().name,
        made_at=made_at.astimezone(UTC),
        plots=_plots(report),
        style=Markup(style),  # noqa: S704 - ours
        script=Markup(script),  # noqa: S704 - ours
        style_hash=_hash(style),
        script_hash=_hash(script),
        rows=_json(rows_of(report, retry)),
        early=list(islice(pieces, _EARLY)),
        late=pieces,
        side=side,
        max_pictures=MAX_PICTURES,
        max_causes=MAX_CAUSES,
    )
    with replacing(path) as file:
        for part in parts:
            file.write(part.encode(errors="replace"))
    return path


def _earlier_thumbnails(path: Path, side: int) -> dict[str, str]:
    """Return thumbnails of the existing page, by the hash of the image."""
    thumbnails: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                match = _PIECE.fullmatch(line.rstrip("\n"))
                if match and int(match[1]) == side:
                    thumbnails |= _trusted(match[2])
    except OSError:
        pass  # no readable page: the other thumbnails are made again
    return thumbnails


def _trusted(text: str) -> dict[str, str]:
    # Anybody may have edited the page: only base64 is reused.
    try:
        piece = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(piece, dict):
        return {}
    return {
        name: value
        for name, value in piece.items()
        if isinstance(value, str) and _NAME.fullmatch(name) and _BASE64.fullmatch(value)
    }


def _plots(report: Report) -> list[plots.Plot]:
    drawings = []
    if report.timeline is not None:
        drawings.append(plots.spending(report.timeline, pretend=report.is_rehearsal))
        drawings.append(plots.throughput(report.timeline, report.rate_per_minute))
    if report.latencies_s:
        drawings.append(plots.latency(report.latencies_s))
    return drawings


def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "usd": _usd,
        "count": "{:,}".format,
        "change": _change,
        "parts_of": lambda message, error: split_message(error, message),
    }
    return environment


def _usd(amount: int | Decimal | None) -> str:
    return "unknown" if amount is None else dollars(amount)


def _change(actual: Decimal, estimated: Decimal) -> str:
    """Return the difference from the estimate as a percentage."""
    return f"{(actual - estimated) / estimated:+.1%}" if estimated else "no estimate"


def _json(value: Mapping[str, Any]) -> Markup:
    """Return JSON in which no text can end the surrounding script element."""
    return htmlsafe_json_dumps(value, ensure_ascii=False, separators=(",", ":"))


def _asset(name: str) -> str:
    return files("batchgen.report").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """Return the source expression of this text for the content security policy."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


# -- the rows, for the script


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
