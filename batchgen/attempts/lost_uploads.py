"""What follows when a provider can no longer fetch a reference that we uploaded.

Its store may forget an upload sooner than it says. Then every row that names the link
would fail, in this run and in later ones, until the ledger lets it expire.
"""

from __future__ import annotations

from batchgen.admission.next_step import history_of
from batchgen.admission.reference_uploads import SAFE_LIFE
from batchgen.admission.run_context import Flight, Run
from batchgen.attempts.charges import ChargedAs
from batchgen.errors import (
    AttemptError,
    Charge,
    GenerationFailed,
    ProviderDown,
    RequestInvalid,
    UploadLost,
)
from batchgen.ledger import Ledger
from batchgen.provider import UploadProvider
from batchgen.reasons import blames_reference

FRESH_UPLOADS = 2
"""How often a part is bought again with references that were uploaded anew: an image
that the provider cannot fetch by then is blamed on the row."""


async def without_lost_uploads(
    run: Run, flight: Flight, error: AttemptError, charge: ChargedAs
) -> AttemptError:
    """Forget the uploads of an attempt that failed because of them.

    Args:
        run: The run.
        flight: The attempt.
        error: Why it failed.
        charge: What that cost.

    Returns:
        The error by which it ends: one after which it may be bought again, unless it
        was charged for certain, or tried too often.
    """
    is_told = isinstance(error, RequestInvalid | GenerationFailed | ProviderDown)
    if not is_told or not _names_uploads(flight) or not blames_reference(error.message):
        return error
    await run.writer.commit(lambda ledger: _forget(ledger, flight))
    run.log.warning("upload_lost", extra={"attempt": flight.attempt.attempt_id})
    # What may have been charged is bought again within the risk that the job allows,
    # as after every other failed task.
    is_paid = charge[0] not in (Charge.NONE, Charge.UNKNOWN) and charge[1] != 0
    if is_paid or _is_tried_enough(run, flight):
        return error
    lost = UploadLost(
        error.provider,
        error.message,
        error.charge,
        cost_usd=error.cost_usd,
        retry_after_s=error.retry_after_s,
        request_id=error.request_id,
    )
    lost.usage = error.usage
    return lost


def _names_uploads(flight: Flight) -> bool:
    if flight.uploads is not None:
        return bool(flight.uploads)
    rules = flight.lane.able.references
    carriers = map(rules.carrier_of, flight.request.references)
    return "upload" in carriers


def _forget(ledger: Ledger, flight: Flight) -> int:
    place = (flight.attempt.provider, flight.attempt.base_url)
    if flight.uploads is not None:
        return ledger.forget_uploads(place, flight.uploads)
    # After a restart nobody knows which ones it named: any that stood when it was sent.
    provider = flight.lane.provider
    if not isinstance(provider, UploadProvider):
        return 0
    life = int(provider.upload_life_s * SAFE_LIFE * 1e6)
    return ledger.forget_uploads_until(place, flight.attempt.sent_at + life)


def _is_tried_enough(run: Run, flight: Flight) -> bool:
    row = run.ledger.row(flight.part.row_id)
    attempts = run.ledger.attempts_of(row.row_id)
    history = history_of(attempts, flight.part, row.tries_from)
    lost = sum(attempt.error == UploadLost("", "").kind for attempt in history)
    return lost >= FRESH_UPLOADS
