"""One HTTP request and its answer as plain data, and what is read out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider is reached, and with what key.

    Attributes:
        base_url: Scheme, host and path prefix, without a slash at the end.
        key: The secret itself, or a shell variable when a command is only shown.
        choice: What the job says of `endpoint`: a path, or a word that the provider
            knows; None leaves it to the provider.
    """

    base_url: str
    key: str = field(repr=False)
    choice: str | None = None

    def path(self, default: str) -> str:
        """Return the path of purchases: the job's, else the provider's."""
        return default if self.choice is None else "/" + self.choice.lstrip("/")

    def at(self, path: str) -> str:
        """Return the URL of a path that begins with a slash.

        What the base URL ends with and the path begins with is not said twice, since
        people give either (`https://host` and `https://host/v1`).
        """
        whole = path
        while path and not self.base_url.endswith(path):
            path = path.rpartition("/")[0]
        return self.base_url.removesuffix(path) + whole


@dataclass(frozen=True, slots=True)
class Link:
    """Where an image is: to be downloaded from, or given to a provider as it is.

    Attributes:
        url: Absolute, or relative to the base URL of the reply that names it.
        from_text: Whether it stood in a text that a model wrote: such a link never
            gets the key.
    """

    url: str
    from_text: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Attachment:
    """A reference image as bytes, for a part of a form; one object serves many rows.

    Attributes:
        name: File name, of letters that no form must escape.
    """

    name: str
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Inline:
    """A reference image as base64; one object serves many rows.

    As a value in `Call.json` it stands for its base64 text.

    Attributes:
        base64: ASCII, without line breaks.
    """

    media_type: str
    base64: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class DataUri:
    """A value in `Call.json` that stands for a data URI."""

    image: Inline


Carried = Link | Attachment | Inline
"""A reference image as a provider gets it."""


def as_urls(references: Sequence[Carried]) -> list[str | DataUri]:
    """Return references as they stand in an array of URLs: links, or data URIs."""
    return [
        it.url if isinstance(it, Link) else DataUri(it)
        for it in references
        if not isinstance(it, Attachment)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request as data.

    Attributes:
        headers: Names in lower case; they hold the key, so they are never shown.
        json: Body to be sent as JSON; an Inline or DataUri in it stands for text.
        form: Body to be sent as multipart/form-data, in this order. Either this or
            `json`; None for both means no body.
        blob_keys: Object keys whose string values in the reply are base64: they
            arrive in the reply as Blobs.
        not_found: What a row is told whose request meets a 404, where the URL is one
            that a server may lack although it makes images; None for the main URL,
            whose 404 is about every row.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: Mapping[str, object] | None = None
    form: Sequence[tuple[str, str | Attachment]] | None = None
    blob_keys: frozenset[str] = frozenset()
    not_found: str | None = None


BASE64_KEYS = frozenset({"b64_json", "b64", "image_base64", "base64_image"})
"""Keys of replies whose texts are base64 and nothing else."""


@dataclass(frozen=True, slots=True, repr=False)
class Blob:
    """Bytes that came with a reply, already decoded from base64 where they were."""

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
    """The answer to a Call, whole.

    Attributes:
        headers: Names in lower case.
        body: A JSON document where the body is one, a Blob for an image,
            else the text (HTML pages and the like). Several documents, as in a stream
            of events, are a list.
        is_own: Whether it came from the provider's own base URL: what the provider
            documents holds for no gateway elsewhere. Loopback counts as its own.
        whole: The bytes of a success that could only be read as text, where the text
            is not all of them; None elsewhere.
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
        images: In the provider's order; may be fewer than asked for.
        cost_usd: What the provider says it charged, in dollars; None if it does not.
        usage: What it says it charged in units of its own (`credit`, `image_token`);
            money as soon as each unit has a rate.
        request_id: The id by which the provider's bill knows the call.
        may_cost_more: Whether something beside these images may have been charged, so
            that nothing is known of the whole.
        warning: What is not as it should be with these images; None for nothing.
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
        handle: What the provider needs to ask for the task: its id, its URL, or any
            other text without blanks. Only the provider that made it reads it. Where
            one purchase made several tasks, their handles, with a blank between them.
        request_id: The id by which the provider's bill knows the task; None where
            that is the handle.
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
        call: It is sent at once, and must not buy anything.
    """

    call: Call


@dataclass(frozen=True, slots=True)
class Balance:
    """What is left of the money that was paid in.

    Attributes:
        amount: None where the provider sets no limit.
        unit: `usd`, or a unit of the provider's own: see `Provider.rates`.
    """

    amount: Decimal | None
    unit: str = "usd"
