"""The contract between batchgen and a provider, and the decoding that all share.

A provider is a translator: ImageRequest to Call, Reply to outcome. It opens no
socket, never sleeps and knows no ledger, so the same object serves a run, a check
and a command that is only shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol, runtime_checkable

from batchgen.errors import (
    AttemptError,
    Charge,
    OutcomeUnknown,
    ProviderDown,
    ReplyMalformed,
    RequestInvalid,
    Throttled,
)
from batchgen.model import (
    Accepted,
    Call,
    Capabilities,
    Delivered,
    Endpoint,
    ImageRequest,
    Json,
    PriceList,
    Reply,
    Running,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What holds for a provider until the job says otherwise.

    Attributes:
        base_url: None where the provider documents none: the user must give it.
        rpm: Purchase requests per minute; None where no limit is documented.
        concurrency: Purchases between SENT and DELIVERED.
        reply_timeout_s: Longest silence while a purchase request waits.
        source: Where these were read; says `assumed` where nobody states them.
    """

    base_url: str | None
    model: str
    rpm: float | None
    concurrency: int
    reply_timeout_s: float
    source: str


@runtime_checkable
class Provider(Protocol):
    """Encode a request and decode its reply; pure."""

    name: str
    defaults: Defaults
    capabilities: Capabilities
    prices: PriceList

    def encode(self, request: ImageRequest, model: str, endpoint: Endpoint) -> Call:
        """Return the request that buys `request.n` images."""
        ...

    def decode(self, reply: Reply) -> Delivered | Accepted:
        """Read the answer to a purchase.

        Raises:
            AttemptError: it bought nothing, or nobody can tell.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSchedule:
    """When a task is asked how it stands, in seconds.

    Attributes:
        first_s: Wait before the first poll when the provider gives no estimate.
        every_s: Wait between polls at the start.
        factor: What the wait grows by after each poll.
        longest_s: Where it stops growing.
        deadline_s: Age at which a task is held and left to later runs.
    """

    first_s: float
    every_s: float
    factor: float
    longest_s: float
    deadline_s: float = 3600.0


@runtime_checkable
class TaskProvider(Provider, Protocol):
    """A provider whose purchase is a task that must be polled."""

    polling: PollSchedule

    def encode_poll(self, task_id: str, endpoint: Endpoint) -> Call:
        """Return the request that asks how a task stands; it buys nothing."""
        ...

    def decode_poll(self, reply: Reply) -> Delivered | Running:
        """Read the answer to a poll.

        Raises:
            AttemptError: the task failed or is unknown, or the poll itself broke.
            NoImage: it is completed without a result; worth asking once more.
        """
        ...


def key_variable(name: str) -> str:
    """Return the environment variable that holds a provider's key."""
    return f"{name.upper()}_API_KEY"


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After in seconds; both forms, never negative, None if absent.

    A date is read against the reply's own Date, so a wrong clock here does no harm.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    until = _http_date(value)
    if until is None:
        return None
    said_at = _http_date(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - said_at).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def error_by_status(provider: str, reply: Reply, message: str) -> AttemptError:
    """Return what a status says when the body said nothing more exact.

    5xx with a JSON body came from the provider itself: not accepted. A page of a
    gateway says nothing of what happened behind it: unknown.
    """
    wait = retry_after_s(reply.headers)
    if reply.status == 429:
        return Throttled(provider, message, retry_after_s=wait)
    if reply.status >= 500 or reply.status == 408:
        if isinstance(reply.body, dict):
            return ProviderDown(provider, message, retry_after_s=wait)
        return OutcomeUnknown(provider, message, retry_after_s=wait)
    if reply.status >= 400:
        return RequestInvalid(provider, message)
    return ReplyMalformed(provider, message, Charge.UNKNOWN)


def describe(body: Json) -> str:
    """Return a body in at most 300 characters, for messages."""
    if isinstance(body, dict):
        return f"keys: {', '.join(sorted(body)) or 'none'}"
    text = body if isinstance(body, str) else repr(body)
    return " ".join(text.split())[:300] or "an empty body"
