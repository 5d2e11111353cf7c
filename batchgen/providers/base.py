"""The contract between batchgen and a provider.

A provider is a translator: ImageRequest to Call, Reply to outcome. It opens no
socket, never sleeps and knows no ledger, so the same object serves a run, a check
and the command `curl`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from batchgen.model import (
    Accepted,
    Attachment,
    Balance,
    Call,
    Capabilities,
    Delivered,
    ImageRequest,
    Link,
    Next,
    Payload,
    PriceList,
    RateList,
    Reply,
    Running,
    Terms,
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider is reached, and with what key.

    Attributes:
        base_url: Scheme, host and path prefix, without a slash at the end.
        key: The secret itself, or a shell variable when a command is only shown.
        choice: The job's `endpoint`: a path, or a name that the provider knows; None
            for the provider's default.
    """

    base_url: str
    key: str = field(repr=False)
    choice: str | None = None

    def path(self, default: str) -> str:
        """Return the path for purchases: the job's, else the provider's default."""
        return default if self.choice is None else "/" + self.choice.lstrip("/")

    def at(self, path: str) -> str:
        """Return the URL of a path that begins with a slash.

        A part at the end of the base URL and the start of the path appears once: people
        give `https://host` as well as `https://host/v1`.
        """
        overlap = path
        while overlap and not self.base_url.endswith(overlap):
            overlap = overlap.rpartition("/")[0]
        return self.base_url.removesuffix(overlap) + path


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Facts and defaults of a provider; a job can replace most of them.

    Attributes:
        base_url: None if the provider documents none: the user must state it.
        rpm: Purchase requests per minute; None if no limit is documented.
        concurrency: Purchases between SENT and DELIVERED.
        reply_timeout_s: Longest silence while a purchase request waits.
        source: Page and day of these facts; `assumed` for those that no page states.
        failed_tasks: `free` if a failed task is not charged; `unknown` if no page says
            so, and its price is then at risk.
        failed_tasks_source: Page and day of that.
        failures_are_free: Whether the provider documents that a failed request, a
            timeout included, is not charged; a comment names page and day.
        empty_polls: How many polls of a completed task must lack a result before it has
            none; more than 1 if results can arrive after the state.
        key_variable: The environment variable that holds the key; None for
            `NAME_API_KEY`.
        key_header: The header that carries the key.
        key_prefix: Text before the key there.
        unread_variables: Other variables in which users keep the same key. They are
            not read; the message about a missing key says so.
    """

    base_url: str | None
    model: str
    rpm: float | None
    concurrency: int
    reply_timeout_s: float
    source: str
    failed_tasks: Literal["unknown", "free"] = "unknown"
    failed_tasks_source: str = "documented nowhere"
    failures_are_free: bool = False
    empty_polls: int = 1
    key_variable: str | None = None
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    unread_variables: tuple[str, ...] = ()

    def headers(self, endpoint: Endpoint) -> dict[str, str]:
        """Return the headers that carry the key."""
        return {self.key_header: self.key_prefix + endpoint.key}

    def limits(self, terms: Terms) -> tuple[float | None, int]:
        """Return requests per minute and concurrency at the start of a job."""
        rpm, concurrency = terms.rpm, terms.concurrency
        return (
            self.rpm if rpm is None or rpm == "auto" else rpm,
            concurrency if isinstance(concurrency, int) else self.concurrency,
        )


@runtime_checkable
class Provider(Protocol):
    """Encode a request and decode its reply; pure.

    Attributes:
        prices: Of one image, by resolution; empty if none are published.
        rates: Prices of the units in which replies report the charge (`credit`), by
            unit; they may differ by model.
    """

    name: str
    defaults: Defaults
    capabilities: Capabilities
    prices: PriceList
    rates: RateList

    def encode(
        self,
        request: ImageRequest,
        model: str,
        endpoint: Endpoint,
        references: Sequence[Payload] = (),
    ) -> Call:
        """Return the request that buys `request.n` images.

        Args:
            request: What to buy; options that the provider lacks are not sent.
            model: As it is sent, never None.
            endpoint: Address and key.
            references: `request.references` in the form in which they are sent: links,
                base64 or files, as the carriers of the capabilities allow.
        """
        ...

    def decode(self, reply: Reply) -> Delivered | Accepted:
        """Read the answer to a purchase.

        Raises:
            AttemptError: it bought nothing, or nobody knows.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSchedule:
    """When a task is polled, in seconds.

    Attributes:
        first_s: Wait before the first poll when the provider gives no estimate.
        every_s: Wait between polls at the start.
        factor: The wait is multiplied by it after each poll.
        longest_s: Longest wait.
        deadline_s: Age at which a task becomes `held`; later runs poll it again.
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

    def encode_poll(self, handle: str, endpoint: Endpoint) -> Call:
        """Return the request for the state of a task; it buys nothing.

        Args:
            handle: From `Accepted`, as `decode` returned it, or from an older ledger.
            endpoint: Address and key.
        """
        ...

    def decode_poll(
        self, reply: Reply, endpoint: Endpoint
    ) -> Delivered | Running | Next:
        """Read the answer to a poll.

        Args:
            reply: Of the poll, or of the call of a `Next`.
            endpoint: For the call of a `Next`.

        Raises:
            AttemptError: the task failed or is unknown, or the poll itself failed.
            NoImage: it is completed without a result; `empty_polls` says how often
                it is polled again.
        """
        ...


@runtime_checkable
class UploadProvider(Provider, Protocol):
    """A provider that keeps reference images for a while; uploading buys nothing.

    Attributes:
        upload_life_s: Seconds that the link of an upload works.
    """

    upload_life_s: float

    def encode_upload(self, image: Attachment, endpoint: Endpoint) -> Call:
        """Return the request that uploads one image."""
        ...

    def decode_upload(self, reply: Reply) -> Link:
        """Read the link of the image.

        Raises:
            AttemptError: it was not accepted.
        """
        ...


@runtime_checkable
class BalanceProvider(Provider, Protocol):
    """A provider that states the remaining balance; the request buys nothing."""

    def encode_balance(self, endpoint: Endpoint) -> Call:
        """Return the request that asks for the balance."""
        ...

    def decode_balance(self, reply: Reply) -> Balance:
        """Read the balance.

        Raises:
            AttemptError: the reply does not state it.
        """
        ...
