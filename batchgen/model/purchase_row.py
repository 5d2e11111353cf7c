"""One line of the table for accounting: one try at buying something."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from batchgen.model.attempt import Basis, State


@dataclass(slots=True, kw_only=True)
class PurchaseRow:
    """One attempt: when, where, what it cost, and how that is known.

    Not frozen, as `ResultRow` is not.

    Attributes:
        row: Position of its row in the manifest; None if that does not hold it.
        id: The row's id, else its position as text; None where it has neither.
        attempt: Counts the attempts at one version of a row, from 1.
        images: How many it was to buy.
        cost_usd: None while, or where, it is unknown; 0 where nothing was charged.
        at_risk_usd: The most that an unknown outcome may cost; None if not priced.
        expected_usd: Before it left, as the price list had it; so is `ceiling_usd`,
            unless a dearer charge raised it since.
        retired: Whether it was for a row, or a version of one, that the manifest does
            not hold any more.
        base_url: Where it was sent, and where its task can be asked for.
        first_image: Number of its first image within the row, from 1.
        again: Whether it was to be bought again, as the error said.
        counts: Whether it counts as a purchase: not where it surely was rejected.
        floor_usd: The least that the price list had for it.
        row_key, row_fingerprint: By which the row, and what it asks for, are known
            whatever becomes of the manifest.
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
