"""The events of an attempt's life in `run.log`, from which a lost ledger is rebuilt.

`sent` stands there before the request leaves, and `delivered` before anything is
stored: what happened after the last tables were written stands nowhere else.
"""

from __future__ import annotations

from batchgen.ledger import AttemptEnd, Charged
from batchgen.runner.context import Flight, Run


def log_sent(run: Run, flight: Flight) -> None:
    """Log that a request is about to leave; the ledger has it already."""
    attempt = flight.attempt
    run.log.info(
        "sent",
        extra={
            "attempt": attempt.attempt_id,
            "image": flight.stem,
            "provider": attempt.provider,
            "model_id": attempt.model,
            "url": attempt.base_url,
            "resolution": attempt.resolution,
            "ratio": attempt.aspect_ratio,
            "first": attempt.first_image,
            "images": attempt.images,
            "floor_nano": attempt.floor,
            "expected_nano": attempt.expected,
            "ceiling_nano": attempt.ceiling,
        },
    )


def log_accepted(run: Run, attempt_id: int, handle: str, request_id: str) -> None:
    """Log the task that a provider named; its id on the bill, where that is another."""
    fields = {"attempt": attempt_id, "task": handle}
    if request_id != handle:
        fields["request"] = request_id
    run.log.info("accepted", extra=fields)


def log_delivered(
    run: Run, flight: Flight, charge: Charged, request_id: str | None
) -> None:
    """Log what was charged; nothing of it is stored yet."""
    run.log.info(
        "delivered",
        extra={
            "attempt": flight.attempt.attempt_id,
            "charge": charge.charge.value,
            "cost_nano": charge.cost,
            "uncertain_nano": charge.uncertain or None,
            "request": request_id,
        },
    )


def log_stored(run: Run, flight: Flight) -> None:
    """Log that images are in the ZIP."""
    run.log.info("stored", extra={"attempt": flight.attempt.attempt_id})


def log_ended(run: Run, flight: Flight, end: AttemptEnd) -> None:
    """Log that an attempt ended without its images."""
    run.log.info(
        "attempt_ended",
        extra={
            "attempt": flight.attempt.attempt_id,
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
