"""One row of the result table, and the images that it names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from batchgen.model.attempt import Basis, Status


class FileRecord(NamedTuple):
    """One stored image; a tuple, since a table may need a million of them.

    Attributes:
        name: Member of the archive.
        archive: File name of the archive, relative to the run folder.
        image: Number of the image within its row, from 1.
        sha256: Hexadecimal.
    """

    name: str
    archive: str
    image: int
    media_type: str
    width_px: int
    height_px: int
    size_bytes: int
    sha256: str


@dataclass(slots=True, kw_only=True)
class ResultRow:
    """What happened to one manifest row, and what it cost.

    Not frozen: freezing would take longer than creating the object.

    Attributes:
        row: Position in the manifest, from 0.
        attempts: Requests that may have been processed: not those that were certainly
            rejected.
        cost_usd: Of all attempts; None if a part of it is unknown.
        cost_basis: The weakest basis of the row's costs.
        at_risk_usd: Price of attempts whose outcome is unknown; None if not priced.
        latency_s: From SENT to DELIVERED of the successful attempt; None if there was a
            restart between.
        shared_with: Id of the row whose purchase this row shares.
    """

    row: int
    id: str
    status: Status
    prompt: str | None
    provider: str | None
    model: str | None
    aspect_ratio: str | None
    resolution: str | None
    files: tuple[FileRecord, ...]
    attempts: int
    cost_usd: Decimal | None
    cost_basis: Basis
    at_risk_usd: Decimal | None
    at_risk_attempts: int
    estimated_usd: Decimal | None
    error: str | None
    message: str | None
    warning: str | None
    request_id: str | None
    started_at: datetime | None
    finished_at: datetime | None
    latency_s: float | None
    shared_with: str | None = None
