"""Records of the sandbox: requests, charges, images, tasks, uploads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

LinkState = Literal["live", "dead", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A purchase request as it was recorded.

    Attributes:
        request: Its key in the table.
        number: Its position among the purchase requests of its provider, from 1.
        occurrence: How often its content was seen, this time included; 0 for an invalid
            request.
    """

    request: int
    number: int
    occurrence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One line of the bill: a purchase with all its images."""

    id: str
    provider: str
    at: float
    amount_nano: int
    prompt: str
    resolution: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All that is needed to draw an image, and the state of its link.

    Attributes:
        position: Among the images of its purchase, from 1.
        first: The first image of its purchase; None for that one itself.
    """

    id: str
    provider: str
    content: str
    occurrence: int
    prompt: str
    width_px: int
    height_px: int
    format: str
    issued_at: float
    link: int = 1
    link_state: LinkState = "live"
    downloads: int = 0
    position: int = 1
    first: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A purchase that is made later; its ending is chosen when it is submitted.

    Attributes:
        image: The first of its images.
    """

    id: str
    provider: str
    content: str
    occurrence: int
    model: str
    prompt: str
    resolution: str
    created_at: float
    ready_at: float
    ending: str
    image: str
    amount_nano: int
    bill_status: str
    settled: int = 0
    times_completed_seen: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A reference image that a client uploaded.

    Attributes:
        ends_at: When its link expires; None for never.
        record: The form of the upload, as JSON.
    """

    id: str
    provider: str
    at: float
    ends_at: float | None
    file_name: str
    media_type: str
    size_bytes: int
    sha256: str
    record: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """A request as it is stored: without the key in headers and body."""

    at: float
    path: str
    headers: Mapping[str, str]
    body: str
