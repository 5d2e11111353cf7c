"""One HTTP request, its reply and what the reply means, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Link:
    """The link of an image: to download it, or to pass it on to a provider.

    Attributes:
        url: Absolute, or relative to the base URL of the reply that names it.
        from_text: Whether it came from a text that a model wrote: the key is never sent
            to such a link.
    """

    url: str
    from_text: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Attachment:
    """A reference image as bytes, for a part of a form; rows share one object.

    Attributes:
        name: File name, of characters that need no escaping in a form.
    """

    name: str
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Inline:
    """A reference image as base64; rows share one object.

    As a value in `Call.json` it represents its base64 text.

    Attributes:
        base64: ASCII, without line breaks.
    """

    media_type: str
    base64: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class DataUri:
    """A value in `Call.json` that represents a data URI."""

    image: Inline


Payload = Link | Attachment | Inline
"""A reference image in the form that a provider gets."""


def as_urls(references: Sequence[Payload]) -> list[str | DataUri]:
    """Return references as items of an array of URLs: links and data URIs."""
    return [
        reference.url if isinstance(reference, Link) else DataUri(reference)
        for reference in references
        if not isinstance(reference, Attachment)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request as data.

    Attributes:
        headers: Names in lower case; they contain the key, so they are never shown.
        json: Body to send as JSON; an Inline or DataUri in it represents text.
        form: Body to send as multipart/form-data, in this order. Either this or `json`;
            None for both means no body.
        blob_keys: Object keys of the reply whose string values are base64: they
            become Blobs.
        not_found: The message of a row for a 404, if this is a secondary URL that a
            working server may lack; None for the main URL, whose 404 is about all
            rows.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: Mapping[str, object] | None = None
    form: Sequence[tuple[str, str | Attachment]] | None = None
    blob_keys: frozenset[str] = frozenset()
    not_found: str | None = None


BASE64_KEYS = frozenset({"b64_json", "b64", "image_base64", "base64_image"})
"""Keys of replies whose string values are always base64."""


@dataclass(frozen=True, slots=True, repr=False)
class Blob:
    """Bytes from a reply, already decoded if they came as base64."""

    data: bytes

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        return f"Blob({len(self.data)} bytes)"


Json: TypeAlias = (
    "dict[str, Json] | list[Json] | str | int | Decimal | bool | Blob | None"
)
"""A JSON document; numbers with a fraction are Decimal, base64 values are Blobs."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The complete reply to a Call.

    Attributes:
        headers: Names in lower case.
        body: A JSON document, a Blob for an image, or else the text (an HTML page, for
            example). Several documents, as in a stream of events, are a list.
        is_own: Whether it came from the provider's own base URL: the documented facts
            do not apply to a gateway elsewhere. Loopback counts as its own.
        whole: All bytes of a successful reply, if its body could only be read as text
            and the text is incomplete; else None.
    """

    status: int
    headers: Mapping[str, str]
    body: Json
    is_own: bool = True
    whole: Blob | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The images are made and were (or will be) charged.

    Attributes:
        images: In the provider's order; may be fewer than requested.
        cost_usd: The charge in dollars that the provider states; None if it states
            none.
        usage: The charge in units of the provider (`credit`, `image_token`); it becomes
            money if each unit has a rate.
        request_id: The id of the call on the provider's bill.
        may_cost_more: Whether more than these images may have been charged, so that
            the total is unknown.
        warning: What is wrong with these images; None for nothing.
    """

    images: tuple[Link | Blob, ...]
    cost_usd: Decimal | None = None
    usage: Mapping[str, Decimal] = field(default_factory=dict)
    request_id: str | None = None
    may_cost_more: bool = False
    warning: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A task exists at the provider; it must be polled, never bought again.

    Attributes:
        handle: What the provider file needs to poll the task: its id, its URL, or any
            other text without blanks. Only the provider file that made it reads it. If
            one purchase made several tasks: their handles, with a blank between them.
        request_id: The id of the task on the provider's bill; None if that is the
            handle.
        estimate_s: Seconds that the provider expects it to take; None if not stated.
    """

    handle: str
    request_id: str | None = None
    estimate_s: float | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """The task is not finished yet."""


@dataclass(frozen=True, slots=True)
class Next:
    """A poll must send one more request, whose reply is read as that of a poll.

    Attributes:
        call: Sent at once; it must not buy anything.
    """

    call: Call


@dataclass(frozen=True, slots=True)
class Balance:
    """The credit that is left in an account.

    Attributes:
        amount: None if the provider sets no limit.
        unit: `usd`, or a unit of the provider: see `Provider.rates`.
    """

    amount: Decimal | None
    unit: str = "usd"
