"""One try at buying a part of a row: its states and the steps between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where an attempt stands; what is written here is on disk before it happens.

    SENT: the request may have left. ACCEPTED: the provider named a task. DELIVERED:
    the images are made and charged, links are known. STORED: all its images are in
    the archive. The others are ends without images: REJECTED (surely not
    processed), FAILED (ended; the charge says what it cost), UNKNOWN (no usable
    answer came), OVERDUE (a task past its deadline, or one that this key does not
    know; asked again by later runs).
    """

    SENT = "sent"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    STORED = "stored"
    REJECTED = "rejected"
    FAILED = "failed"
    UNKNOWN = "unknown"
    OVERDUE = "overdue"


_ENDS = frozenset({State.REJECTED, State.FAILED, State.UNKNOWN})
_READ_ANEW = frozenset({State.ACCEPTED, State.DELIVERED})
_TASK_ENDS = frozenset({State.DELIVERED, State.FAILED, State.UNKNOWN, State.OVERDUE})

NEXT: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.SENT: _ENDS | {State.ACCEPTED, State.DELIVERED, State.STORED},
        State.ACCEPTED: _TASK_ENDS,
        State.OVERDUE: _TASK_ENDS,
        # DELIVERED again: the task was asked for fresh links.
        State.DELIVERED: frozenset({State.STORED, State.FAILED, State.DELIVERED}),
        # Found whole in the ZIP after a kill: the reply had come after all. Or its
        # reply was kept, and is read anew.
        State.UNKNOWN: _READ_ANEW | {State.STORED, State.FAILED},
        State.STORED: frozenset(),
        State.REJECTED: frozenset(),
        # Links that were lost are tried again, and replies that were kept are read.
        State.FAILED: _READ_ANEW,
    }
)
"""The legal steps; the ledger refuses every other one."""

OPEN = frozenset({State.SENT, State.ACCEPTED, State.DELIVERED})
"""States in which money is in flight or images are still to be fetched."""


class Status(StrEnum):
    """Status of a row, as in the result table."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    INVALID = "invalid"
    HELD = "held"


class Basis(StrEnum):
    """Where a cost comes from, strongest first."""

    NONE = "none"
    REPORTED = "reported"
    BILLED = "billed"
    PRICE_LIST = "price_list"
    UNKNOWN = "unknown"
