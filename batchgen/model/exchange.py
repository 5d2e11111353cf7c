"""One HTTP request and its answer as plain data, and what is read out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider is reached, and with what key.

    Attributes:
        base_url: Scheme, host and path prefix, without a slash at the end.
        key: The secret itself, or a shell variable when a command is only shown.
    """

    base_url: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request as data.

    Attributes:
        headers: Names in lower case; they hold the key, so they are never shown.
        json: Body to be sent as JSON; None for no body.
        blob_keys: Object keys whose string values in the reply are base64: they
            arrive in the reply as Blobs.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: Mapping[str, object] | None = None
    blob_keys: frozenset[str] = frozenset()


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
            else the text (HTML pages and the like).
    """

    status: int
    headers: Mapping[str, str]
    body: Json


@dataclass(frozen=True, slots=True)
class Link:
    """A place to download one image from, without any header of ours."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The images are made and were (or will be) charged.

    Attributes:
        images: In the provider's order; may be fewer than asked for.
        cost_usd: What the provider says it charged; None where it does not say.
        request_id: The id by which the provider's bill knows the call.
    """

    images: tuple[Link | Blob, ...]
    cost_usd: Decimal | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A task exists at the provider; it must be polled, never bought again.

    Attributes:
        estimate_s: Seconds that the provider expects it to take; None if not said.
    """

    task_id: str
    estimate_s: float | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """The task is not finished yet."""
