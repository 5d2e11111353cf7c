"""One attempt to buy a part of a row: its states and the steps between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """State of an attempt; it is on disk before the next step begins.

    SENT: the request may have been sent. ACCEPTED: the provider named a task.
    DELIVERED: the images are made and charged, and the ledger has their links. STORED:
    all its images are in the archive. The other states have no images: REJECTED
    (certainly not processed), FAILED (ended; the charge says what it cost), UNKNOWN (no
    usable reply came), OVERDUE (a task past its deadline, or one that this key cannot
    see; later runs poll it again).
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
_DECODED_AGAIN = frozenset({State.ACCEPTED, State.DELIVERED})
_TASK_ENDS = frozenset({State.DELIVERED, State.FAILED, State.UNKNOWN, State.OVERDUE})

NEXT: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.SENT: _ENDS | {State.ACCEPTED, State.DELIVERED, State.STORED},
        State.ACCEPTED: _TASK_ENDS,
        State.OVERDUE: _TASK_ENDS,
        # DELIVERED again: the task was polled for new links.
        State.DELIVERED: frozenset({State.STORED, State.FAILED, State.DELIVERED}),
        # Its images are in the ZIP after a kill, so the reply had come before that. Or
        # its reply was kept, and is decoded again.
        State.UNKNOWN: _DECODED_AGAIN | {State.STORED, State.FAILED},
        State.STORED: frozenset(),
        State.REJECTED: frozenset(),
        # Lost links are downloaded again, and kept replies are decoded again.
        State.FAILED: _DECODED_AGAIN,
    }
)
"""The allowed steps; the ledger refuses all others."""

OPEN = frozenset({State.SENT, State.ACCEPTED, State.DELIVERED})
"""States in which the charge is open or images are still to be downloaded."""


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
