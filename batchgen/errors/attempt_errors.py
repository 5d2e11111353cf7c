"""Errors that end one attempt at a purchase; each states the charge."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Literal

from batchgen.errors.run_errors import BatchgenError


class Charge(StrEnum):
    """How the cost of an attempt is known.

    BILLED comes from the provider's bill, read later; the amount may be zero.
    """

    NONE = "none"
    REPORTED = "reported"
    BILLED = "billed"
    PRICE_LIST = "price_list"
    UNKNOWN = "unknown"


class Again(StrEnum):
    """Whether the same request may be bought again."""

    NOW = "now"
    LATER = "later"
    NEVER = "never"
    STOP = "stop"


class AttemptError(BatchgenError):
    """One attempt ended without its images.

    Attributes:
        provider: Registered name of the provider.
        message: The provider's message, or ours if the provider sent none.
        charge: Whether there was a charge, as far as this error shows.
        again: Whether the same request may be bought again.
        cost_usd: The charge that the reply states, in US dollars; None for none.
        usage: The charge in units of the provider, as in `Delivered`; set after the
            error was created.
        retry_after_s: Seconds to wait, by the reply; None if it states none.
        request_id: The id of the call on the provider's bill.
        counts: Whether it counts as a purchase: False if nothing was sent, or if the
            provider certainly rejected the request unprocessed.
        is_unavailable: Whether the reply had the status 503. Gateways also send it for
            requests that they did not forward. Set after the error was created.
        retry_helps: Whether `batchgen retry` can help while the row is unchanged: False
            if the same request certainly ends the same way.
    """

    default_charge: ClassVar[Charge] = Charge.NONE
    default_again: ClassVar[Again] = Again.LATER
    counts: ClassVar[bool] = True
    retry_helps: ClassVar[bool] = True
    is_unavailable: bool = False

    def __init__(
        self,
        provider: str,
        message: str,
        charge: Charge | None = None,
        *,
        cost_usd: Decimal | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(provider, message, charge)
        self.provider = provider
        self.message = message
        self.charge = charge if charge is not None else self.default_charge
        self.cost_usd = cost_usd
        self.usage: Mapping[str, Decimal] = {}
        self.retry_after_s = retry_after_s
        self.request_id = request_id

    @property
    def again(self) -> Again:
        return self.default_again

    def __str__(self) -> str:
        return f"{self.provider}: {self.message}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors are pickled with their keyword arguments, which are in the dictionary.
        return type(self), self.args, dict(self.__dict__)


class Retryable(AttemptError):
    """The same request may work the next time."""


class Throttled(Retryable):
    """The provider limits the rate; the request was not processed."""

    counts = False


class NotConnected(Retryable):
    """No connection could be made, so nothing was sent.

    Attributes:
        lacks_socket: Whether this machine had no socket left, so that the provider is
            not at fault. Set after the error was created.
    """

    counts = False
    lacks_socket: bool = False


class ProviderDown(Retryable):
    """The provider failed before it accepted anything."""


class GenerationFailed(Retryable):
    """The provider tried and failed; only the provider knows whether it charges."""


class NoImage(Retryable):
    """A reply came without an image; the purchase may have been charged."""

    default_charge = Charge.UNKNOWN
    default_again = Again.NOW


class UploadLost(Retryable):
    """The provider could not fetch a reference image that was uploaded to its store.

    The image is uploaded anew.
    """


class Incomplete(Retryable):
    """A poll or a download broke off; to repeat it buys nothing.

    Attributes:
        was_answered: Whether a reply with a status came, so that the network is not at
            fault. Set after the error was created.
        connection: Whether a connection was made, was refused by the machine at the
            address, or failed in another way. Set after the error was created.
    """

    was_answered: bool = False
    connection: Literal["made", "refused", "failed"] = "made"


class OutcomeUnknown(AttemptError):
    """The request was sent and no usable reply came: it may have been charged.

    Attributes:
        head: Status and headers of a reply whose body broke off, else None; set after
            the error was created.
    """

    default_charge = Charge.UNKNOWN
    head: tuple[int, Mapping[str, str]] | None = None


class Permanent(AttemptError):
    """The same request would fail again.

    Attributes:
        is_final: Whether a download cannot succeed later, because the link must not be
            followed, or the image is too large. Set after the error was created.
    """

    default_again = Again.NEVER
    is_final: bool = False


class Refused(Permanent):
    """Content policy: the provider refuses to make this image."""

    retry_helps = False


class RequestInvalid(Permanent):
    """The provider does not accept this request as it is."""

    retry_helps = False


class ReplyMalformed(Permanent):
    """The reply is outside the provider's protocol; it may have been charged."""

    default_charge = Charge.UNKNOWN


class ImageRejected(Permanent):
    """The delivered bytes are no usable image; they were charged.

    Attributes:
        may_come: Whether they are a page or a text instead of an image that may still
            come; set after the error was created.
    """

    default_charge = Charge.PRICE_LIST
    may_come: bool = False


class TaskLost(Permanent):
    """The provider does not know the task: it may belong to another account."""

    default_charge = Charge.UNKNOWN


class TaskOverdue(Permanent):
    """The task did not finish before its deadline; later runs poll it again."""

    default_charge = Charge.UNKNOWN


class ReferenceRejected(Permanent):
    """A reference image cannot be loaded or used; nothing was bought."""

    counts = False


class LinkLost(Permanent):
    """The image was paid for, and its link does not work any more."""

    default_charge = Charge.PRICE_LIST


class Superseded(Permanent):
    """The image was paid for, and another attempt had delivered it already."""

    default_charge = Charge.PRICE_LIST


class Internal(Permanent):
    """An unexpected fault in the work for one row; only that row ends.

    If the request was sent already, nobody knows whether it was charged.
    """

    default_charge = Charge.UNKNOWN


class ProviderStopped(AttemptError):
    """This provider is not used any more in this run; its rows stay pending.

    Attributes:
        is_certain: Whether the reply names the cause by its text or by an exact status
            (401, 402). A 403 or 404 without a text, or an unknown model, may concern
            one row alone: the provider stops only when other rows get the same error.
            Set after the error was created.
        concerns_all: Whether the cause has nothing to do with the row, so that no other
            row is tried, whatever worked before.
    """

    default_again = Again.STOP
    counts = False
    concerns_all: ClassVar[bool] = False
    is_certain: bool = True


class CredentialRejected(ProviderStopped):
    """The provider does not accept the key; check the key variable."""


class OutOfCredit(ProviderStopped):
    """The account has no credit left; add credit and run the same command again."""


class QuotaReached(ProviderStopped):
    """The account's quota for the day is used up; run the same command tomorrow."""


class Unreachable(ProviderStopped):
    """No connection was ever made in this run: check the network and the base URL."""


class LinksUnreachable(ProviderStopped):
    """The host of its images accepted no connection for minutes; links are kept."""


class ModelGone(ProviderStopped):
    """The provider does not have this model (any more); name another one.

    Attributes:
        may_pass: Whether the status was a 5xx. Gateways also send that for a model
            whose channels are all busy, so a model that has worked may work again. Set
            after the error was created.
    """

    is_certain = False
    may_pass: bool = False


class WrongAddress(ProviderStopped):
    """A web page or a redirect came instead of an API's reply: check the base URL."""

    is_certain = False


class UnusableReplies(ProviderStopped):
    """Several rows in a row got no usable reply; the replies are in `kept/`."""


class CertificateRejected(ProviderStopped):
    """The server's certificate cannot be trusted, so nothing was sent to the server."""

    concerns_all = True


class ProxyRejected(ProviderStopped):
    """The proxy that the environment names refuses to forward requests."""

    concerns_all = True
