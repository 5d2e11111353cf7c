"""What a reply without an image means, for every provider: text first, then status.

Each error answers two questions: what was charged, and whether to try again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from batchgen.errors import (
    AttemptError,
    Charge,
    CredentialRejected,
    ModelGone,
    NoImage,
    OutcomeUnknown,
    OutOfCredit,
    ProviderDown,
    ProviderStopped,
    Refused,
    ReplyMalformed,
    RequestInvalid,
    Throttled,
    WrongAddress,
)
from batchgen.model import Delivered, Json, Reply
from batchgen.providers._decoding import (
    describe,
    errors_of_items,
    finish_reasons,
    is_page,
    message_and_codes,
    one_line,
    page_title,
    stated_message,
)
from batchgen.providers._reasons import (
    asks_too_much,
    blames_account,
    blames_key,
    blames_model,
    error_type_in,
    is_verdict,
    lacks_credit,
    policy_reason,
    says_model_unknown,
)
from batchgen.providers._reply_charges import (
    GATEWAY_LOST_REPLY,
    TIMEOUTS,
    is_certainly_free,
    set_stated_charge,
    with_charge,
)
from batchgen.providers._reply_waits import requested_wait_s
from batchgen.providers._stated_errors import has_usage, stated_status

# Certainly not processed: locked, too early, and a conflict with another request.
_NOT_PROCESSED = frozenset({409, 423, 425})


def purchase_error(
    provider: str,
    reply: Reply,
    delivered: Delivered,
    *,
    is_documented: bool,
    failures_are_free: bool = False,
) -> AttemptError:
    """Return why a reply to a purchase brought no image.

    Args:
        provider: Registered name.
        reply: As it came.
        delivered: The charge and the id, which even an error may state.
        is_documented: Whether the protocol has successes that look like this.
        failures_are_free: As the provider documents it, for its own replies alone.
    """
    is_free = failures_are_free and reply.is_own
    if not 200 <= reply.status < 300:
        text = stated_message(reply.body) or describe(reply.body)
        error = error_by_text(provider, reply, text, failures_are_free=is_free)
        return with_charge(error, delivered)
    if is_page(reply.body):
        return with_charge(
            _wrong_address(provider, _describe_page(reply.body)), delivered
        )
    status = stated_status(reply.body)
    if status is None:
        return error_without_image(
            provider, reply, delivered, is_documented=is_documented
        )
    text = stated_message(reply.body) or f"status {status} in a reply with status 200"
    stated = replace(reply, status=status)
    error = error_by_text(provider, stated, text, failures_are_free=is_free)
    return with_charge(
        set_stated_charge(error, status, reply.body, delivered), delivered
    )


def error_by_text(
    provider: str, reply: Reply, message: str, *, failures_are_free: bool = False
) -> AttemptError:
    """Return the error that a reply's text shows, else the error of its status.

    Only for purchases: the errors of a poll say nothing about the purchase.
    """
    if is_page(reply.body):
        return _error_of_page(provider, reply, message)
    text = f"{message}; {message_and_codes(reply.body)}"
    if isinstance(reply.body, str):
        text = f"{message}; {reply.body[:4_000]}"
    error_type = _error_type_by_text(reply.status, text) or _error_type_by_status(
        reply.status, message
    )
    if error_type is None:
        return error_by_status(
            provider, reply, message, text=text, failures_are_free=failures_are_free
        )
    error = error_type(provider, message)
    if (
        reply.status >= 500
        and error_type is Refused
        and not isinstance(reply.body, dict)
    ):
        # A 5xx without JSON shows the refusal, but not whether it was charged.
        error.charge = Charge.UNKNOWN
    if isinstance(error, ModelGone):
        error.may_pass = reply.status >= 500
        if reply.status == 404:
            error.message = f"no such model, or wrong base URL: {message}"
    if isinstance(error, CredentialRejected) and reply.status == 403:
        error.is_certain = blames_account(text) or blames_key(text)
    return error


@lru_cache(maxsize=256)  # a service that refuses repeats the same text
def _error_type_by_text(status: int, text: str) -> type[AttemptError] | None:
    rules: tuple[tuple[type[AttemptError], bool], ...] = (
        (CredentialRejected, blames_account(text)),
        (Refused, _is_refusal(status, text)),
        (OutOfCredit, lacks_credit(text)),
        (RequestInvalid, status == 429 and asks_too_much(text)),
        (CredentialRejected, _is_wrong_key(status, text)),
        (ModelGone, _is_model_gone(status, text)),
    )
    return next((error_type for error_type, is_so in rules if is_so), None)


def _error_type_by_status(status: int, message: str) -> type[AttemptError] | None:
    """Return an error for statuses of a purchase that concern other rows, too."""
    if status == 404 and "image_url" not in message:
        return ModelGone  # or the path
    return CredentialRejected if status == 403 else None


_NOT_ABOUT_KEY = frozenset({402, 404, 408, 429, 499})


def _is_wrong_key(status: int, text: str) -> bool:
    is_asked = 400 <= status < 500 and status not in _NOT_ABOUT_KEY
    return is_asked and blames_key(text)


def _is_refusal(status: int, text: str) -> bool:
    if status in {401, 402, 408}:
        return False
    # The word "policy" in a 429 is most likely about the rate.
    return bool(is_verdict(text) if status == 429 else policy_reason(text))


def _is_model_gone(status: int, text: str) -> bool:
    if status in {401, 402, 408, 429}:
        return False
    return blames_model(text) if status in {400, 422} else says_model_unknown(text)


def _error_of_page(provider: str, reply: Reply, message: str) -> AttemptError:
    """Return the error of a gateway's page: only its status counts."""
    match reply.status:
        case 403:
            # A firewall may dislike one prompt: that must not stop all other rows.
            return ProviderDown(provider, message)
        case 404:
            return ModelGone(provider, f"no such model, or wrong base URL: {message}")
        case _:
            return error_by_status(provider, reply, message)


_BY_STATUS: Mapping[int, type[AttemptError]] = MappingProxyType(
    {401: CredentialRejected, 402: OutOfCredit, 429: Throttled}
)


def error_by_status(
    provider: str,
    reply: Reply,
    message: str,
    *,
    text: str = "",
    failures_are_free: bool = False,
) -> AttemptError:
    """Return the error of a status, when the body shows nothing more exact.

    A 5xx with a JSON body comes from the provider itself: the purchase was not
    accepted, except after a timeout or a broken connection behind a gateway. A
    gateway's page leaves the outcome unknown.
    """
    wait = requested_wait_s(reply)
    status = reply.status
    if error_type := _BY_STATUS.get(status):
        return error_type(provider, message, retry_after_s=wait)
    if status >= 500 or status in TIMEOUTS | GATEWAY_LOST_REPLY | _NOT_PROCESSED:
        text = text or message
        is_free = is_certainly_free(reply, text, failures_are_free=failures_are_free)
        down: type[AttemptError] = ProviderDown if is_free else OutcomeUnknown
        error = down(provider, message, retry_after_s=wait)
        error.is_unavailable = status == 503
        return error
    if status >= 400:
        return RequestInvalid(provider, message)
    if status >= 300:
        # Redirects are not followed: each row would go to the wrong address first.
        place = one_line(reply.headers.get("location", "nowhere"), 200)
        return _wrong_address(provider, f"redirected to {place}")
    return ReplyMalformed(provider, message, Charge.UNKNOWN)


def _describe_page(body: Json) -> str:
    name = page_title(body) if isinstance(body, str) else ""
    return f"an HTML page ({name}) came" if name else "an HTML page came"


def _wrong_address(provider: str, event: str) -> WrongAddress:
    return WrongAddress(
        provider, f"{event} where the API should answer: is the base URL right?"
    )


def error_without_image(
    provider: str, reply: Reply, delivered: Delivered, *, is_documented: bool
) -> AttemptError:
    """Return the error of a success without an image and without a stated status.

    It may have been charged, unless its text says that no work was begun.
    """
    body = reply.body
    items = "; ".join(dict.fromkeys(errors_of_items(body)))
    text = body if isinstance(body, str) else message_and_codes(body) or items
    reasons = finish_reasons(body)
    message = "; ".join(filter(None, (stated_message(body) or items, reasons)))
    message = message or f"a reply without an image; {describe(body)}"
    error_type = (
        Refused if policy_reason(reasons) else error_type_in(text) if text else None
    )
    if error_type is None:
        error_type = NoImage if is_documented else ReplyMalformed
    error = error_type(provider, message, retry_after_s=requested_wait_s(reply))
    was_begun = not isinstance(error, ProviderStopped | Throttled) or has_usage(body)
    error.charge = Charge.UNKNOWN if was_begun else Charge.NONE
    return with_charge(error, delivered)
