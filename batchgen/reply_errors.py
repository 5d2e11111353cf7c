"""What a reply without an image means, for every provider: its words before its status.

Two things are told apart: what was charged, and whether to ask again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from batchgen.decoding import (
    describe,
    errors_of_items,
    finish_reasons,
    is_page,
    one_line,
    page_title,
    words_and_codes_of,
    words_of,
)
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
from batchgen.reasons import (
    asks_too_much,
    blamed,
    blames_account,
    blames_key,
    blames_model,
    calls_model_unknown,
    is_verdict,
    lacks_credit,
    policy_reason,
    tells_broken_connection,
    tells_timeout,
    tells_work_in_progress,
)
from batchgen.reply_waits import wait_of
from batchgen.stated_errors import FREE_WHEN_STATED, has_usage, stated_status

# Timeouts: 408; 504; 524 of Cloudflare; 598 and 599 of proxies. 499: a gateway saw
# its client leave; 520: Cloudflare got no answer that it could read.
_TIMEOUTS = frozenset({408, 504, 524, 598, 599})
_LOST = frozenset({499, 520})
# Surely not processed: locked, too early, and a conflict with another request.
_PASSING = frozenset({409, 423, 425})


def purchase_error(
    provider: str,
    reply: Reply,
    said: Delivered,
    *,
    is_known: bool,
    failures_are_free: bool = False,
) -> AttemptError:
    """Return why a reply to a purchase brought no image.

    Args:
        provider: Registered name.
        reply: As it came.
        said: What the reply says all the same: the charge and an id.
        is_known: Whether the protocol knows a success that looks like this.
        failures_are_free: Whether the provider documents so; holds for its own
            replies alone.
    """
    is_free = failures_are_free and reply.is_own
    if not 200 <= reply.status < 300:
        words = words_of(reply.body) or describe(reply.body)
        error = error_by_words(provider, reply, words, failures_are_free=is_free)
        return as_charged(error, said)
    if is_page(reply.body):
        return as_charged(_wrong_address(provider, _page_named(reply.body)), said)
    status = stated_status(reply.body)
    if status is None:
        return without_image(provider, reply, said, is_known=is_known)
    words = words_of(reply.body) or f"status {status} in a reply with status 200"
    stated = replace(reply, status=status)
    error = error_by_words(provider, stated, words, failures_are_free=is_free)
    return as_charged(_charge_stated(error, status, reply.body, said), said)


def _charge_stated(
    error: AttemptError, status: int, body: Json, said: Delivered
) -> AttemptError:
    """Return an error that stood under a 200; free only where no work was begun.

    What may have been charged is not asked again without an end, whatever it is called.
    """
    is_reported = bool(said.cost_usd or any(said.usage.values()))
    is_free = status in FREE_WHEN_STATED and not has_usage(body) and not is_reported
    if error.charge is not Charge.NONE or is_free:
        return error
    if isinstance(error, ProviderDown | Throttled):
        kind = NoImage if is_reported else OutcomeUnknown
        return kind(error.provider, error.message, retry_after_s=error.retry_after_s)
    error.charge = Charge.UNKNOWN
    return error


def error_by_words(
    provider: str, reply: Reply, message: str, *, failures_are_free: bool = False
) -> AttemptError:
    """Return what an error says in its words, else what its status says.

    For purchases alone: a poll's errors say nothing of what was bought.
    """
    if is_page(reply.body):
        return _error_of_page(provider, reply, message)
    words = f"{message}; {words_and_codes_of(reply.body)}"
    if isinstance(reply.body, str):
        words = f"{message}; {reply.body[:4_000]}"
    kind = _kind_by_words(reply.status, words) or _kind_by_status(reply.status, message)
    if kind is None:
        return error_by_status(
            provider, reply, message, words=words, failures_are_free=failures_are_free
        )
    error = kind(provider, message)
    if reply.status >= 500 and kind is Refused and not isinstance(reply.body, dict):
        # What happened behind a 5xx without JSON is unknown, but for its verdict.
        error.charge = Charge.UNKNOWN
    if isinstance(error, ModelGone):
        error.may_pass = reply.status >= 500
        if reply.status == 404:
            error.message = f"no such model, or wrong base URL: {message}"
    if isinstance(error, CredentialRejected) and reply.status == 403:
        error.is_certain = blames_account(words) or blames_key(words)
    return error


@lru_cache(maxsize=256)  # a service that refuses says the same again and again
def _kind_by_words(status: int, words: str) -> type[AttemptError] | None:
    rules: tuple[tuple[type[AttemptError], bool], ...] = (
        (CredentialRejected, blames_account(words)),
        (Refused, _is_refusal(status, words)),
        (OutOfCredit, lacks_credit(words)),
        (RequestInvalid, status == 429 and asks_too_much(words)),
        (CredentialRejected, _is_key_refused(status, words)),
        (ModelGone, _is_model_gone(status, words)),
    )
    return next((kind for kind, is_so in rules if is_so), None)


def _kind_by_status(status: int, message: str) -> type[AttemptError] | None:
    """Return what only a purchase's status means: other rows may meet the same."""
    if status == 404 and "image_url" not in message:
        return ModelGone  # or the path
    return CredentialRejected if status == 403 else None


_KEY_SAYS_NOTHING = frozenset({402, 404, 408, 429, 499})


def _is_key_refused(status: int, words: str) -> bool:
    is_asked = 400 <= status < 500 and status not in _KEY_SAYS_NOTHING
    return is_asked and blames_key(words)


def _is_refusal(status: int, words: str) -> bool:
    if status in {401, 402, 408}:
        return False
    # Words of a policy in a 429 are most likely about the rate.
    return bool(is_verdict(words) if status == 429 else policy_reason(words))


def _is_model_gone(status: int, words: str) -> bool:
    if status in {401, 402, 408, 429}:
        return False
    return blames_model(words) if status in {400, 422} else calls_model_unknown(words)


def _error_of_page(provider: str, reply: Reply, message: str) -> AttemptError:
    """Return what a gateway's page means: only its status says anything."""
    match reply.status:
        case 403:
            # One prompt that a firewall dislikes must not stop all the others.
            return ProviderDown(provider, message)
        case 404:
            return ModelGone(provider, f"no such model, or wrong base URL: {message}")
        case _:
            return error_by_status(provider, reply, message)


_PLAIN: Mapping[int, type[AttemptError]] = MappingProxyType(
    {401: CredentialRejected, 402: OutOfCredit, 429: Throttled}
)


def error_by_status(
    provider: str,
    reply: Reply,
    message: str,
    *,
    words: str = "",
    failures_are_free: bool = False,
) -> AttemptError:
    """Return what a status says when the body said nothing more exact.

    5xx with a JSON body came from the provider itself: not accepted, unless somebody
    stopped waiting, or lost the service behind. A page of a gateway says nothing of
    what happened behind it: unknown.
    """
    wait = wait_of(reply)
    status = reply.status
    if kind := _PLAIN.get(status):
        return kind(provider, message, retry_after_s=wait)
    if status >= 500 or status in _TIMEOUTS | _LOST | _PASSING:
        is_free = _is_free(reply, words or message, failures_are_free=failures_are_free)
        down: type[AttemptError] = ProviderDown if is_free else OutcomeUnknown
        error = down(provider, message, retry_after_s=wait)
        error.is_unavailable = status == 503
        return error
    if status >= 400:
        return RequestInvalid(provider, message)
    if status >= 300:
        # Redirects are not followed: the next row would be sent elsewhere, too.
        place = one_line(reply.headers.get("location", "nowhere"), 200)
        return _wrong_address(provider, f"redirected to {place}")
    return ReplyMalformed(provider, message, Charge.UNKNOWN)


def _is_free(reply: Reply, words: str, *, failures_are_free: bool) -> bool:
    """Say whether a failure surely cost nothing: nobody worked on it, or it is free."""
    status = reply.status
    if not isinstance(reply.body, dict) or tells_broken_connection(words):
        return False
    if status == 409:
        return not tells_work_in_progress(words)
    if status in _TIMEOUTS | _LOST or (status >= 500 and tells_timeout(words)):
        return failures_are_free
    return True


def _page_named(body: Json) -> str:
    name = page_title(body) if isinstance(body, str) else ""
    return f"an HTML page ({name}) came" if name else "an HTML page came"


def _wrong_address(provider: str, what: str) -> WrongAddress:
    return WrongAddress(
        provider, f"{what} where the API should answer: is the base URL right?"
    )


def without_image(
    provider: str, reply: Reply, said: Delivered, *, is_known: bool
) -> AttemptError:
    """Return the error of a success without an image and without a stated status.

    It may have been charged, unless its words say that no work was begun.

    Args:
        provider: Registered name.
        reply: As it came.
        said: What the reply says all the same: the charge and an id.
        is_known: Whether the protocol knows such an answer.
    """
    body = reply.body
    items = "; ".join(dict.fromkeys(errors_of_items(body)))
    words = body if isinstance(body, str) else words_and_codes_of(body) or items
    reasons = finish_reasons(body)
    message = "; ".join(filter(None, (words_of(body) or items, reasons)))
    message = message or f"a reply without an image; {describe(body)}"
    kind = Refused if policy_reason(reasons) else blamed(words) if words else None
    if kind is None:
        kind = NoImage if is_known else ReplyMalformed
    error = kind(provider, message, retry_after_s=wait_of(reply))
    was_begun = not isinstance(error, ProviderStopped | Throttled) or has_usage(body)
    error.charge = Charge.UNKNOWN if was_begun else Charge.NONE
    return as_charged(error, said)


def as_charged(error: AttemptError, said: Delivered) -> AttemptError:
    """Return an error with what its reply says was charged, and the reply's id.

    A charge of nothing is taken as nothing said: no success is surely free.
    """
    error.request_id = said.request_id
    if said.cost_usd or any(said.usage.values()):
        error.charge = Charge.REPORTED
        error.cost_usd, error.usage = said.cost_usd, said.usage
    return error
