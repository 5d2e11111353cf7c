"""What a reply without an image cost: nothing, a stated amount, or unknown."""

from __future__ import annotations

from batchgen.errors import (
    AttemptError,
    Charge,
    NoImage,
    OutcomeUnknown,
    ProviderDown,
    Throttled,
)
from batchgen.model import Delivered, Json, Reply
from batchgen.providers._reasons import (
    mentions_broken_connection,
    mentions_timeout,
    mentions_work_in_progress,
)
from batchgen.providers._stated_errors import FREE_WHEN_STATED, has_usage

# 524 is Cloudflare's; 598 and 599 are those of proxies.
TIMEOUTS = frozenset({408, 504, 524, 598, 599})
# 499: the client of a gateway left; 520: Cloudflare got no readable answer.
GATEWAY_LOST_REPLY = frozenset({499, 520})


def set_stated_charge(
    error: AttemptError, status: int, body: Json, delivered: Delivered
) -> AttemptError:
    """Return the error of a reply with status 200; it is free only without any work.

    A purchase that may have been charged must not be retried without limit, so
    `Throttled` and `ProviderDown` become errors that count as an attempt.
    """
    is_reported = bool(delivered.cost_usd or any(delivered.usage.values()))
    is_free = status in FREE_WHEN_STATED and not has_usage(body) and not is_reported
    if error.charge is not Charge.NONE or is_free:
        return error
    if isinstance(error, ProviderDown | Throttled):
        error_type = NoImage if is_reported else OutcomeUnknown
        return error_type(
            error.provider, error.message, retry_after_s=error.retry_after_s
        )
    error.charge = Charge.UNKNOWN
    return error


def is_certainly_free(reply: Reply, text: str, *, failures_are_free: bool) -> bool:
    """Return whether a failure certainly cost nothing: not processed, or free."""
    status = reply.status
    if not isinstance(reply.body, dict) or mentions_broken_connection(text):
        return False
    if status == 409:
        return not mentions_work_in_progress(text)
    if status in TIMEOUTS | GATEWAY_LOST_REPLY or (
        status >= 500 and mentions_timeout(text)
    ):
        return failures_are_free
    return True


def with_charge(error: AttemptError, delivered: Delivered) -> AttemptError:
    """Return an error with the charge that its reply states, and the reply's id.

    A stated charge of zero is ignored: it does not prove that a success was free.
    """
    error.request_id = delivered.request_id
    if delivered.cost_usd or any(delivered.usage.values()):
        error.charge = Charge.REPORTED
        error.cost_usd, error.usage = delivered.cost_usd, delivered.usage
    return error
