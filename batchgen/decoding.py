"""Reading what providers have in common: statuses, words, times and base64."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

import pybase64

from batchgen.errors import (
    AttemptError,
    Charge,
    CredentialRejected,
    ModelGone,
    NoImage,
    OutcomeUnknown,
    OutOfCredit,
    ProviderDown,
    Refused,
    ReplyMalformed,
    RequestInvalid,
    Throttled,
)
from batchgen.model import Blob, Delivered, Json, Link, Reply
from batchgen.reasons import blames_model, is_verdict, lacks_credit, policy_reason


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After in seconds; both forms, never negative, None if absent.

    A date is read against the reply's own Date, so a wrong clock here does no harm.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        pass
    else:
        return max(0.0, seconds) if math.isfinite(seconds) else None
    until = _http_date(value)
    if until is None:
        return None
    said_at = _http_date(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - said_at).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_PLAIN: Mapping[int, type[AttemptError]] = MappingProxyType(
    {401: CredentialRejected, 402: OutOfCredit, 429: Throttled}
)


def error_by_status(provider: str, reply: Reply, message: str) -> AttemptError:
    """Return what a status says when the body said nothing more exact.

    5xx with a JSON body came from the provider itself: not accepted. A page of a
    gateway says nothing of what happened behind it: unknown.
    """
    wait = retry_after_s(reply.headers)
    if kind := _PLAIN.get(reply.status):
        return kind(provider, message, retry_after_s=wait)
    if reply.status >= 500 or reply.status == 408:
        if isinstance(reply.body, dict):
            return ProviderDown(provider, message, retry_after_s=wait)
        return OutcomeUnknown(provider, message, retry_after_s=wait)
    if reply.status >= 400:
        return RequestInvalid(provider, message)
    if reply.status >= 300:
        # Redirects are not followed: the next row would be sent elsewhere, too.
        place = _one_line(reply.headers.get("location", "nowhere"), 200)
        return ModelGone(provider, f"redirected to {place}; correct the base URL")
    return ReplyMalformed(provider, message, Charge.UNKNOWN)


def error_by_words(provider: str, reply: Reply, message: str) -> AttemptError:
    """Return what an error says in its words, else what its status says.

    For purchases alone: a poll's errors say nothing of what was bought.
    """
    said = isinstance(reply.body, dict) or (
        reply.status < 500 and not _is_page(reply.body)
    )
    if _is_refusal(reply, message):
        # What happened behind a 5xx without JSON is unknown, but for its verdict.
        return Refused(provider, message, None if said else Charge.UNKNOWN)
    match reply.status:
        case 400 | 403 | 422 if said and lacks_credit(message):
            return OutOfCredit(provider, message)
        case 403:
            # One prompt that a firewall dislikes must not stop all the others.
            return (CredentialRejected if said else ProviderDown)(provider, message)
        case 400 | 422 if said and blames_model(message):
            return ModelGone(provider, message)
        case 404 if "image_url" not in message:
            # Model or path: every other row would meet the same.
            return ModelGone(provider, f"no such model, or wrong base URL: {message}")
        case _:
            return error_by_status(provider, reply, message)


def _is_refusal(reply: Reply, message: str) -> bool:
    if _is_page(reply.body) or reply.status in {401, 402, 408}:
        return False
    # Words of a policy in a 429 are most likely about the rate.
    return bool(is_verdict(message) if reply.status == 429 else policy_reason(message))


def _is_page(body: Json) -> bool:
    """Say whether a gateway answered: its words ("you have been blocked") are its own.

    They judge nobody's prompt, key or balance.
    """
    return isinstance(body, str) and body.lstrip().startswith("<")


def without_image(
    provider: str, reply: Reply, said: Delivered, *, is_known: bool
) -> AttemptError:
    """Return the error of a success without an image: it may have been charged.

    `said` is what the reply says all the same: the charge and an id. `is_known` says
    whether the protocol knows such an answer.
    """
    body = reply.body
    words = body if isinstance(body, str) and not _is_page(body) else words_of(body)
    kind: type[AttemptError] = NoImage if is_known else ReplyMalformed
    if policy_reason(words):
        kind = Refused
    message = words_of(body) or f"a reply without an image; {describe(body)}"
    return as_charged(kind(provider, message, Charge.UNKNOWN), said)


def as_charged(error: AttemptError, said: Delivered) -> AttemptError:
    """Return an error with what its reply says was charged, and the reply's id.

    A charge of nothing is taken as nothing said: no success is surely free.
    """
    error.request_id = said.request_id
    if said.cost_usd or any(said.usage.values()):
        error.charge = Charge.REPORTED
        error.cost_usd, error.usage = said.cost_usd, said.usage
    return error


def fields(value: Json) -> dict[str, Json]:
    """Return an object's fields; none where the value is no object."""
    return value if isinstance(value, dict) else {}


def objects(value: Json) -> list[dict[str, Json]]:
    """Return the objects of an array; none where the value is no array."""
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]


def number(value: Json) -> Decimal | None:
    """Return a finite number that is not negative, else None."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    exact = Decimal(value)
    return exact if exact.is_finite() and exact >= 0 else None


def link(value: Json) -> Link | None:
    """Return a URL that can be downloaded from, else None."""
    if not isinstance(value, str) or not value.isprintable():
        return None
    return Link(value) if value.lower().startswith(("https://", "http://")) else None


def addresses(value: Json, depth: int = 6) -> list[Json]:
    """Return what stands where links belong, in every shape that providers give it.

    A text, a list, or objects with `url` or `urls`, within one another; what is empty
    is left out, what is no link is kept.
    """
    if isinstance(value, dict) and depth:
        value = [value.get("url"), value.get("urls")]
    if isinstance(value, list) and depth:
        return [found for item in value for found in addresses(item, depth - 1)]
    return [value] if value else []


def images_in(data: Json) -> tuple[Link | Blob, ...]:
    """Return the images of a list in OpenAI's shape: base64 before a link."""
    items = data if isinstance(data, list) else []
    return tuple(image for item in items if (image := _image(fields(item))))


def _image(item: Mapping[str, Json]) -> Link | Blob | None:
    match item.get("b64_json"):
        case Blob() as blob if blob.data:
            return blob
        case _:
            return link(item.get("url"))


def tells_no_image(body: dict[str, Json]) -> bool:
    """Say whether a success in OpenAI's shape has words, or an empty list, for images.

    Null, and entries with neither base64 nor a link, are as empty. Anything else
    without an image is outside the protocol.
    """
    items = [] if body.get("data") is None else body["data"]
    is_empty = isinstance(items, list) and all(
        isinstance(item, dict) and not item.get("url") and not item.get("b64_json")
        for item in items
    )
    return ("data" in body and is_empty) or bool(words_of(body))


def text_of(value: Json, depth: int = 6) -> str:
    """Return the words in a value on one line, `message` first; numbers are left out.

    Nothing unprintable passes: the line goes to terminals, SQLite and Parquet.
    """
    if isinstance(value, str):
        return _one_line(value, 1000)
    if depth == 0 or not isinstance(value, dict | list):
        return ""
    if isinstance(value, list):
        return "; ".join(filter(None, (text_of(item, depth - 1) for item in value)))
    texts = {_one_line(key, 80): text_of(value[key], depth - 1) for key in value}
    message = texts.pop("message", "")
    rest = ", ".join(f"{key}: {text}" for key, text in texts.items() if text)
    return f"{message} ({rest})" if message and rest else message or rest


def words_of(body: Json) -> str:
    """Return an error's own words where they commonly stand; empty if it has none."""
    said = (text_of(fields(body).get(key)) for key in ("message", "error", "details"))
    return _one_line("; ".join(filter(None, said)), 1000)


def message_of(body: Json) -> str:
    """Return an error's own words, else what came in their place; never empty."""
    return words_of(body) or describe(body)


def describe(body: Json) -> str:
    """Return a body in at most 300 characters, for messages."""
    if isinstance(body, dict):
        return _one_line(f"keys: {', '.join(sorted(body)) or 'none'}", 300)
    if isinstance(body, list):
        return f"an array of {len(body)}"
    text = body if isinstance(body, str) else repr(body)
    return _one_line(text, 300) or "an empty body"


def _one_line(text: str, limit: int) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text[: 4 * limit])
    return " ".join(printable.split())[:limit]


_OF_URLS = str.maketrans("-_", "+/")


def decode_base64(text: str) -> Blob | None:
    """Return what base64 text stands for; None if it is none, or empty.

    Takes a data URI, wrong padding, line breaks and the letters of URLs (RFC 4648,
    section 5), too: what was paid for is not given up for its form.
    """
    payload = text
    if text.startswith("data:"):
        head, _, payload = text.partition(",")
        if not head.endswith(";base64"):
            return None
    for form in (str, _plain_base64):
        try:
            letters = form(payload)
            padding = "=" * (-len(letters) % 4)
            return Blob(pybase64.b64decode(letters + padding, validate=True)) or None
        except ValueError:
            continue
    return None


def _plain_base64(text: str) -> str:
    return "".join(text.split()).rstrip("=").translate(_OF_URLS)


def decode_data_uri(uri: str) -> Blob | None:
    """Return what a data URI holds; None if it holds nothing readable."""
    head, comma, payload = uri.partition(",")
    if head.lower().endswith(";base64"):
        return decode_base64(unquote_to_bytes(payload).decode("ascii", "replace"))
    return Blob(unquote_to_bytes(payload)) if comma and payload else None
