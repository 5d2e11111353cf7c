"""The expected end of a row of one image after one fault, for each fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from batchgen.sandbox.faults import Fault

LOST = frozenset({"lost"})
"""Statuses on the bill of charges that only the provider can know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedRow:
    """The expected end of a row after one fault.

    Attributes:
        error: In the table; None if the row succeeds.
        requests: Purchase requests that reach the provider.
        attempts: The same, without those that the provider certainly did not process.
        bill: Statuses of the bill's lines for the row, in order.
        unknown: Statuses of lines that the ledger cannot know.
        at_risk: Attempts whose price is at risk.
        warns: Whether the row has a warning.
        code: Exit code of the run.
    """

    status: str = "succeeded"
    error: str | None = None
    requests: int = 1
    attempts: int = 1
    bill: tuple[str, ...] = ("delivered",)
    unknown: frozenset[str] = LOST
    at_risk: int = 0
    warns: bool = False
    code: int = 0

    @property
    def is_rejected(self) -> bool:
        """Whether the run stops using the provider."""
        return self.status == "pending"


FINE = ExpectedRow()
REJECTED = ExpectedRow(requests=2)
"""Sent again: a request that was certainly not processed is no attempt."""
FAILED_FIRST = ExpectedRow(requests=2, attempts=2)
LOST_FIRST = replace(FAILED_FIRST, at_risk=1)
CHARGED_AND_LOST = replace(LOST_FIRST, bill=("lost", "delivered"))
UNREADABLE = ExpectedRow(
    status="failed", error="reply_malformed", bill=("lost",), at_risk=1, code=3
)
STOPPED = ExpectedRow(status="pending", attempts=0, bill=(), code=5)
NO_IMAGE = replace(
    LOST_FIRST, bill=("no_image", "delivered"), unknown=LOST | {"no_image"}
)

EXPECTED: Mapping[Fault, ExpectedRow] = MappingProxyType(
    {
        Fault.THROTTLE: REJECTED,
        Fault.THROTTLE_SILENT: REJECTED,
        Fault.SERVER_ERROR: FAILED_FIRST,
        Fault.HTML_ERROR: LOST_FIRST,
        Fault.LOST_BEFORE: LOST_FIRST,
        Fault.LOST_REPLY: CHARGED_AND_LOST,
        Fault.CUT_BODY: CHARGED_AND_LOST,
        Fault.MALFORMED: UNREADABLE,
        Fault.HTML_PAGE: REJECTED,  # from a server in front of the service
        Fault.WRONG_KEY: replace(STOPPED, error="credential_rejected"),
        Fault.NO_CREDIT: replace(STOPPED, error="out_of_credit"),
        # A 404 may concern one row alone: a second row must get the same.
        Fault.MODEL_GONE: replace(STOPPED, error="model_gone", code=1, requests=2),
        Fault.GENERATION_FAILED: LOST_FIRST,  # whether it is charged is unknown
        Fault.NO_IMAGE: NO_IMAGE,
        Fault.SMALLER_IMAGE: ExpectedRow(warns=True),
        Fault.TASK_UNKNOWN: FINE,
        Fault.CUT_DOWNLOAD: FINE,
        Fault.EXPIRED_LINK: FINE,
        Fault.GONE_LINK: ExpectedRow(status="failed", error="link_lost", code=3),
    }
)
ELSEWHERE = frozenset(
    {Fault.REFUSAL, Fault.FEWER_IMAGES, Fault.UPLOAD_FAILED, Fault.SLOW}
)
"""Faults of other checks: they need other rows, or more rows."""


def expected_of(service: object, fault: Fault) -> ExpectedRow:
    """Return the expected end of a row after a fault.

    Args:
        service: The class of the sandbox's service.
        fault: One that the service can have.
    """
    place = getattr(service, "states_charge", None)
    if fault is Fault.NO_IMAGE and place is not None:
        # A reply without an image still states its charge.
        return replace(NO_IMAGE, at_risk=0, unknown=LOST)
    if fault is Fault.MALFORMED and place == "headers":
        # Half an image is no malformed document: the headers state the charge.
        return replace(
            UNREADABLE, error="image_rejected", at_risk=0, unknown=frozenset()
        )
    return EXPECTED[fault]
