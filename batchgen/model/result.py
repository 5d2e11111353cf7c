"""The rows of both tables: of the result table with its images, and of purchases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from batchgen.model.attempt import Basis, State, Status


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
    """One manifest row: its status, images and cost.

    Not frozen: that would more than double the time to create one.

    Attributes:
        row: Position in the manifest, from 0.
        attempts: Requests that may have been processed: not those that were certainly
            rejected.
        cost_usd: Of all attempts; None if a part of it is unknown.
        cost_basis: The weakest basis of the row's costs.
        at_risk_usd: Price of attempts whose outcome is unknown; None without a price.
        latency_s: From SENT to DELIVERED of the successful attempt; None if batchgen
            was restarted between them.
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


@dataclass(slots=True, kw_only=True)
class PurchaseRow:
    """One attempt: its times, provider, cost, and the basis of the cost.

    Not frozen, like `ResultRow`.

    Attributes:
        row: Position of its row; None if the row is not in the manifest any more.
        id: The row's id, else its position as text; None if it has neither.
        attempt: Number among the attempts for one version of a row, from 1.
        images: How many images it requested.
        cost_usd: None if it is unknown; 0 if nothing was charged.
        at_risk_usd: The maximum cost of an unknown outcome; None without a price.
        expected_usd: By the price list when it was sent. The same holds for
            `ceiling_usd`, unless a higher charge raised it since.
        retired: Whether it was for a row, or a version of a row, that the manifest does
            not contain any more.
        base_url: Where it was sent, and where its task can be polled.
        first_image: Number of its first image within the row, from 1.
        again: Whether the error allowed another purchase.
        counts: Whether it counts as a purchase: not if it was certainly rejected.
        floor_usd: The minimum cost by the price list.
        row_key, row_fingerprint: They identify the row and its request, also after
            edits of the manifest.
    """

    row: int | None
    id: str | None
    attempt: int
    attempt_id: int
    sent_at: datetime
    accepted_at: datetime | None
    ended_at: datetime | None
    provider: str
    model: str
    resolution: str | None
    images: int
    state: State
    request_id: str | None
    task_id: str | None
    cost_usd: Decimal | None
    cost_basis: Basis
    at_risk_usd: Decimal | None
    expected_usd: Decimal | None
    ceiling_usd: Decimal | None
    error: str | None
    message: str | None
    retired: bool
    base_url: str | None = None
    first_image: int | None = None
    aspect_ratio: str | None = None
    again: str | None = None
    counts: bool | None = None
    floor_usd: Decimal | None = None
    warning: str | None = None
    latency_s: float | None = None
    row_key: int | None = None
    row_fingerprint: str | None = None
