"""Errors that end one attempt at a purchase; each says what was charged."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Literal

from batchgen.errors.run_errors import BatchgenError


class Charge(StrEnum):
    """What an attempt cost, as far as it is known.

    BILLED was settled later, from the provider's bill: it may be nothing.
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
        message: The provider's words, or ours where it said nothing.
        charge: What was charged, as far as this error can say.
        again: Whether the same request may be bought again.
        cost_usd: US dollars that the provider says it charged; None if it did not say.
        usage: What it says it charged in units of its own, as in `Delivered`; set
            after the error was made.
        retry_after_s: Seconds that it asked us to wait; None if it did not say.
        request_id: The id by which the provider's bill knows the call.
        counts: Whether it counts as a purchase: False when nothing was sent, or the
            provider surely rejected the request unprocessed.
        is_unavailable: Whether the answer's status was 503, by which gateways refuse,
            too, what they never passed on; set after the error was made.
        retry_helps: Whether `batchgen retry` can help while the row stays as it is:
            False where the same request surely ends the same way.
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
        """Whether the same request may be bought again."""
        return self.default_again

    def __str__(self) -> str:
        return f"{self.provider}: {self.message}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only state travels as the instance dictionary, so errors pickle.
        return type(self), self.args, dict(self.__dict__)


class Retryable(AttemptError):
    """It may work when asked again."""


class Throttled(Retryable):
    """The provider asked us to slow down; the request was not processed."""

    counts = False


class NotConnected(Retryable):
    """No connection came about, so nothing was sent.

    Attributes:
        lacks_socket: Whether this machine had no socket left, so that the provider is
            not to blame. Set after the error was made.
    """

    counts = False
    lacks_socket: bool = False


class ProviderDown(Retryable):
    """The provider failed before it accepted anything."""


class GenerationFailed(Retryable):
    """The provider tried and failed; whether it charges for that, it alone knows."""


class NoImage(Retryable):
    """An answer came without an image; it may have been charged."""

    default_charge = Charge.UNKNOWN
    default_again = Again.NOW


class UploadLost(Retryable):
    """The provider could not fetch a reference image that was uploaded to its store.

    The image is uploaded anew.
    """


class Incomplete(Retryable):
    """A poll or a download broke off; asking again buys nothing.

    Attributes:
        was_answered: Whether an answer with a status came, so that the network is not
            to blame. Set after the error was made.
        connection: Whether a connection was made, refused by the machine that is
            there, or failed in another way. Set after the error was made.
    """

    was_answered: bool = False
    connection: Literal["made", "refused", "failed"] = "made"


class OutcomeUnknown(AttemptError):
    """The request left and no usable reply came: it may have been charged.

    Attributes:
        head: Status and headers of a reply that broke after them, else None; set
            after the error was made.
    """

    default_charge = Charge.UNKNOWN
    head: tuple[int, Mapping[str, str]] | None = None


class Permanent(AttemptError):
    """The same request would fail again.

    Attributes:
        is_final: Whether a download that ended so cannot come right by itself: the
            link must not be followed, or the image is too large. Set after the error
            was made.
    """

    default_again = Again.NEVER
    is_final: bool = False


class Refused(Permanent):
    """Content policy: the provider will not make this image."""

    retry_helps = False


class RequestInvalid(Permanent):
    """The provider does not take this request as it stands."""

    retry_helps = False


class ReplyMalformed(Permanent):
    """The reply is outside the provider's protocol; it may have been charged."""

    default_charge = Charge.UNKNOWN


class ImageRejected(Permanent):
    """What was delivered is no usable image; it was charged.

    Attributes:
        may_come: Whether it is a page or words in the place of an image that may still
            come; set after the error was made.
    """

    default_charge = Charge.PRICE_LIST
    may_come: bool = False


class TaskLost(Permanent):
    """The provider does not know the task: it may be another account's."""

    default_charge = Charge.UNKNOWN


class TaskOverdue(Permanent):
    """The task did not finish before its deadline; it is asked again by later runs."""

    default_charge = Charge.UNKNOWN


class ReferenceRejected(Permanent):
    """A reference image cannot be had or used; nothing was bought."""

    counts = False


class LinkLost(Permanent):
    """The image was paid for, and its link no longer downloads."""

    default_charge = Charge.PRICE_LIST


class Superseded(Permanent):
    """The image was paid for, and another attempt had brought it already."""

    default_charge = Charge.PRICE_LIST


class Internal(Permanent):
    """An unexpected fault in the work for one row; only that row ends.

    Whether anything was charged nobody can say once the request has left.
    """

    default_charge = Charge.UNKNOWN


class ProviderStopped(AttemptError):
    """This provider is done for this run; its rows stay pending.

    Attributes:
        is_certain: Whether the reply names the cause in words or by an exact status
            (401, 402). A bare 403 or 404, or a model that is called unknown, may be
            about one row alone: the provider stops only when other rows meet the
            same. Set after the error was made.
        concerns_all: Whether it says nothing of the row that met it, so that no other
            row is tried, whatever worked before.
    """

    default_again = Again.STOP
    counts = False
    concerns_all: ClassVar[bool] = False
    is_certain: bool = True


class CredentialRejected(ProviderStopped):
    """The provider does not accept the key; check the key variable."""


class OutOfCredit(ProviderStopped):
    """The account has no credit left; top it up and run the same command again."""


class QuotaReached(ProviderStopped):
    """The account's quota for the day is used up; run the same command tomorrow."""


class Unreachable(ProviderStopped):
    """No connection ever came about in this run: check the network and the base URL."""


class LinksUnreachable(ProviderStopped):
    """The host of its images took no connection for minutes; links are kept."""


class ModelGone(ProviderStopped):
    """The provider does not have this model (any more); name another one.

    Attributes:
        may_pass: Whether it came as a 5xx: gateways say so, too, of a model whose
            channels are all busy, so a model that has worked may work again. Set
            after the error was made.
    """

    is_certain = False
    may_pass: bool = False


class WrongAddress(ProviderStopped):
    """No API answered, but a web page or a redirect: is the base URL right?"""

    is_certain = False


class UnusableReplies(ProviderStopped):
    """Different rows in turn ended without anything usable; look at `kept/`."""


class CertificateRejected(ProviderStopped):
    """The server's certificate is not to be trusted, so nothing was sent to it."""

    concerns_all = True


class ProxyRejected(ProviderStopped):
    """The proxy that the environment names refuses to pass requests on."""

    concerns_all = True
