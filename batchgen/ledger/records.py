"""Frozen data that the ledger reads and writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from batchgen.errors import Again, Charge
from batchgen.model import Basis, ImageRequest, State, Status

REHEARSAL = "rehearsal"
"""The kind of run against the built-in sandbox; all others cost real money."""


class Charged(NamedTuple):
    """What an attempt was charged, in nano-dollars.

    Attributes:
        cost: None where the charge is unknown or has no price.
        uncertain: What it may cost beyond that, where only a range is known.
    """

    charge: Charge
    cost: int | None
    uncertain: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEntry:
    """One manifest row as the planner read it.

    Attributes:
        base_name: Requested name in the archive; the ledger makes it unique.
        problem: Why the row is invalid; None for a row that can run.
        spares_started: Whether a row that has attempts can run despite the problem.
        model: As it is sent.
        resolution: The one to buy, the provider's default if the row states none.
        estimate: Expected price in nano-dollars; None if unknown.
        route: Providers that can make it, best first, as JSON; None for one alone.
        warning: The part of the request that is left out, if the row can run.
        budget_group: Its values of the columns that have budgets, as JSON.
        parents: Positions of the rows whose images its request uses.
    """

    position: int
    line: int | None
    id: str | None
    request: ImageRequest | None
    fingerprint: bytes | None
    base_name: str
    provider: str | None
    model: str | None
    resolution: str | None
    estimate: int | None
    prompt: str | None = None
    at_column: str | None = None
    problem: str | None = None
    spares_started: bool = False
    warning: str | None = None
    route: str | None = None
    budget_group: str | None = None
    parents: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRecord:
    """One version of one row, with its status.

    Attributes:
        budget_group: Its values of the columns that have budgets, as JSON.
    """

    row_id: int
    id: str | None
    base_name: str
    request: ImageRequest
    status: Status
    error: str | None
    message: str | None
    tries_from: int
    budget_group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRow:
    """A row of the plan, and how it is to be bought."""

    row: RowRecord
    position: int
    provider: str
    model: str
    resolution: str


class ReadyChild(NamedTuple):
    """A row whose parents all have their images."""

    row_id: int
    position: int
    provider: str


class ParentImage(NamedTuple):
    """An image in the archive on which a row builds.

    Attributes:
        place: Offset of its local header.
    """

    name: str
    place: int
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStart:
    """An attempt before its request is sent; times in microseconds UTC.

    Attributes:
        floor: Lowest price of the whole part by the price list; None if unknown.
    """

    row_id: int
    first_image: int
    images: int
    provider: str
    model: str
    base_url: str
    aspect_ratio: str | None
    resolution: str | None
    expected: int | None
    ceiling: int | None
    sent_at: int
    floor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """How an attempt ended without its images.

    Attributes:
        cost: Nano-dollars; None where the charge is unknown or has no price.
        uncertain: Nano-dollars that it may cost beyond that.
        waived: Whether the provider failed for all rows, so that the attempt does not
            count against this one.
    """

    state: State
    charge: Charge
    cost: int | None
    again: Again
    counts: bool
    error: str
    message: str
    request_id: str | None
    ended_at: int
    waived: bool = False
    uncertain: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord(AttemptStart):
    """One attempt of the ledger."""

    attempt_id: int
    state: State
    task_id: str | None = None
    request_id: str | None = None
    charge: Charge | None = None
    cost: int | None = None
    again: Again | None = None
    counts: bool = True
    error: str | None = None
    message: str | None = None
    warning: str | None = None
    accepted_at: int | None = None
    ended_at: int | None = None
    latency_s: float | None = None
    waived: bool = False
    uncertain: int = 0
    charge_before_bill: str | None = None
    cost_before_bill: int | None = None
    uncertain_before_bill: int | None = None
    first_ceiling: int | None = None

    @property
    def at_risk(self) -> bool:
        """Whether money may have been spent that no reply has confirmed."""
        return is_at_risk(self.state, self.charge)

    @property
    def basis(self) -> Basis:
        """Where the cost of this attempt comes from."""
        return basis_of(self.charge, is_priced=self.cost is not None)


@cache
def is_at_risk(state: str, charge: str | None) -> bool:
    """Say whether money may have been spent that no reply has confirmed."""
    return charge == Charge.UNKNOWN or state in (State.SENT, State.ACCEPTED)


@cache
def basis_of(charge: str | None, *, is_priced: bool) -> Basis:
    """Return where the cost of an attempt comes from."""
    if charge is None or charge in (Charge.NONE, Charge.UNKNOWN):
        return Basis.NONE
    return Basis(charge) if is_priced else Basis.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """Place and facts of one image in the archive."""

    image: int
    name: str
    place: int
    size_bytes: int
    crc32: int
    sha256: bytes
    media_type: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAttempts:
    """Attempts of one state that have not ended.

    Attributes:
        ceiling: Their highest cost together in nano-dollars, as far as it is known.
        unpriced: How many have no known price.
    """

    attempts: int
    ceiling: int
    unpriced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """The money of a whole run folder in nano-dollars.

    Attributes:
        spent: Sum of the table's costs.
        superseded: Cost of rows, or versions of rows, that left the manifest.
        at_risk: Price of attempts with an unknown outcome, also for rows that left the
            manifest, and the amounts that others may have cost beyond `spent`.
        at_risk_attempts: Attempts with an unknown outcome.
        unpriced: Attempts that cost an unknown amount.
        unpriced_risk: Attempts at risk that have no price.
        accepted: Attempts at risk whose task the provider accepted and still works on.
        overdue: Attempts at risk whose task is late; later runs poll it again.
        tasks_at_risk: Price of both, which is part of `at_risk`.
        unpriced_tasks: Attempts among both that have no price.
    """

    spent: int
    superseded: int
    at_risk: int
    at_risk_attempts: int
    unpriced: int
    unpriced_risk: int
    accepted: int = 0
    overdue: int = 0
    tasks_at_risk: int = 0
    unpriced_tasks: int = 0

    @property
    def unknown_attempts(self) -> int:
        """Attempts at risk that have no task to poll."""
        return self.at_risk_attempts - self.accepted - self.overdue

    @property
    def unknown_at_risk(self) -> int:
        """The money at risk without tasks."""
        return self.at_risk - self.tasks_at_risk


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals(Money):
    """The money of a whole run folder, its rows by status, and its images.

    Attributes:
        mode: What kind of run it is: `real`, `loopback` or `rehearsal`; None where
            nothing was begun yet.
    """

    rows: dict[Status, int]
    images: int
    mode: str | None = None

    @property
    def rehearsed(self) -> bool:
        """Whether the money is a rehearsal's: then no real money was spent."""
        return self.mode == REHEARSAL
