"""Forget uploads that the provider cannot fetch any more, so that they are repeated.

A provider may delete an upload sooner than it documents. Then each row with that link
would fail, in this run and in later ones, until the upload expires in the ledger.
"""

from __future__ import annotations

from batchgen.admission.next_step import Part, history_of
from batchgen.admission.reference_uploads import SAFE_LIFE
from batchgen.admission.run_context import AttemptContext, Run
from batchgen.errors import (
    AttemptError,
    Charge,
    GenerationFailed,
    ProviderDown,
    RequestInvalid,
    UploadLost,
)
from batchgen.ledger import Charged, Ledger, Reader
from batchgen.providers._reasons import blames_reference
from batchgen.providers.base import UploadProvider

MAX_LOST_UPLOADS = 2
"""How often a part is bought again with new uploads; if the provider still cannot fetch
them, the row fails."""


async def without_lost_uploads(
    run: Run, context: AttemptContext, error: AttemptError, charge: Charged
) -> AttemptError:
    """Forget the uploads of an attempt that failed because of them.

    Args:
        run: The run.
        context: The attempt.
        error: Why it failed.
        charge: What the attempt cost.

    Returns:
        The error with which it ends: it allows another purchase, unless the attempt was
        certainly charged, or there were too many.
    """
    may_blame_upload = isinstance(
        error, RequestInvalid | GenerationFailed | ProviderDown
    )
    if (
        not may_blame_upload
        or not _names_uploads(context)
        or not blames_reference(error.message)
    ):
        return error
    await run.writer.commit(lambda ledger: _forget(ledger, context))
    run.log.warning("upload_lost", extra={"attempt": context.attempt.attempt_id})
    # After an unknown charge the job's limit of risk decides about another purchase, as
    # after any failed task.
    is_paid = charge.charge not in (Charge.NONE, Charge.UNKNOWN) and charge.cost != 0
    if is_paid or _has_too_many_attempts(run.ledger, context.part):
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


def _names_uploads(context: AttemptContext) -> bool:
    if context.uploads is not None:
        return bool(context.uploads)
    rules = context.queue.capabilities.references
    carriers = map(rules.carrier_of, context.request.references)
    return "upload" in carriers


def _forget(ledger: Ledger, context: AttemptContext) -> int:
    address = (context.attempt.provider, context.attempt.base_url)
    if context.uploads is not None:
        return ledger.forget_uploads(address, context.uploads)
    # After a restart its links are unknown: forget all that were valid at that time.
    provider = context.queue.provider
    if not isinstance(provider, UploadProvider):
        return 0
    life = int(provider.upload_life_s * SAFE_LIFE * 1e6)
    return ledger.forget_uploads_until(address, context.attempt.sent_at + life)


def _has_too_many_attempts(ledger: Reader, part: Part) -> bool:
    row = ledger.row(part.row_id)
    history = history_of(ledger.attempts_of(row.row_id), part, row.tries_from)
    lost = sum(attempt.error == UploadLost("", "").kind for attempt in history)
    return lost >= MAX_LOST_UPLOADS
