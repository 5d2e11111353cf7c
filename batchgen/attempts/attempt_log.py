"""The events of an attempt's life in `run.log`, from which a lost ledger is rebuilt.

`delivered` is logged before anything is stored, as `sent` (by `purchase`) before the
request leaves: events after the last tables were written are in no other file.
"""

from __future__ import annotations

from logging import Logger

from batchgen.admission.run_context import AttemptContext
from batchgen.ledger import AttemptEnd, Charged


def log_accepted(log: Logger, attempt_id: int, handle: str, request_id: str) -> None:
    """Log the task of an attempt, and its id on the bill where that is another."""
    fields = {"attempt": attempt_id, "task": handle}
    if request_id != handle:
        fields["request"] = request_id
    log.info("accepted", extra=fields)


def log_delivered(
    log: Logger, context: AttemptContext, charge: Charged, request_id: str | None
) -> None:
    """Log what was charged; nothing of it is stored yet."""
    log.info(
        "delivered",
        extra={
            "attempt": context.attempt.attempt_id,
            "charge": charge.charge.value,
            "cost_nano": charge.cost,
            "uncertain_nano": charge.uncertain or None,
            "request": request_id,
        },
    )


def log_stored(log: Logger, context: AttemptContext) -> None:
    """Log that images are in the ZIP."""
    log.info("stored", extra={"attempt": context.attempt.attempt_id})


def log_ended(log: Logger, context: AttemptContext, end: AttemptEnd) -> None:
    """Log that an attempt ended without its images."""
    log.info(
        "attempt_ended",
        extra={
            "attempt": context.attempt.attempt_id,
            "error": end.error,
            "charge": end.charge.value,
            "cost_nano": end.cost,
            "uncertain_nano": end.uncertain or None,
            "state": end.state.value,
            "again": end.again.value,
            "request": end.request_id,
            "words": end.message,
        },
    )
