"""Faults of replies: chosen by profile and seed, or queued on demand for tests.

A fault of a profile depends on the seed, the content of the request, and how often
that content was seen. It does not depend on order or time, so the same seed gives the
same faults under concurrency. The outage is the exception: a range of requests, with
an end in time.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args

Profile = Literal["calm", "storm", "outage"]
PROFILES: tuple[Profile, ...] = get_args(Profile)


class Fault(StrEnum):
    """Every fault that the sandbox can simulate."""

    THROTTLE = "throttle"
    THROTTLE_SILENT = "throttle_silent"
    SERVER_ERROR = "server_error"
    HTML_ERROR = "html_error"
    LOST_BEFORE = "lost_before"
    WRONG_KEY = "wrong_key"
    NO_CREDIT = "no_credit"
    MODEL_GONE = "model_gone"
    REFUSAL = "refusal"
    GENERATION_FAILED = "generation_failed"
    NO_IMAGE = "no_image"
    FEWER_IMAGES = "fewer_images"
    SMALLER_IMAGE = "smaller_image"
    LOST_REPLY = "lost_reply"
    CUT_BODY = "cut_body"
    MALFORMED = "malformed"
    HTML_PAGE = "html_page"
    SLOW = "slow"
    TASK_UNKNOWN = "task_unknown"
    CUT_DOWNLOAD = "cut_download"
    EXPIRED_LINK = "expired_link"
    GONE_LINK = "gone_link"
    UPLOAD_FAILED = "upload_failed"


TASK_FAULTS = frozenset({Fault.GENERATION_FAILED, Fault.TASK_UNKNOWN})
POLL_FAULTS = frozenset({Fault.TASK_UNKNOWN})
DOWNLOAD_FAULTS = frozenset({Fault.CUT_DOWNLOAD, Fault.EXPIRED_LINK, Fault.GONE_LINK})
SEVERAL_FAULTS = frozenset({Fault.FEWER_IMAGES})
UPLOAD_FAULTS = frozenset({Fault.UPLOAD_FAILED})
# For providers with one call per purchase: no task, no upload.
CALL_FAULTS = frozenset(Fault) - TASK_FAULTS - UPLOAD_FAULTS
PURCHASE_FAULTS = frozenset(Fault) - POLL_FAULTS - DOWNLOAD_FAULTS - UPLOAD_FAULTS
REPLY_NEVER_COMES = frozenset({Fault.LOST_REPLY, Fault.CUT_BODY, Fault.MALFORMED})

_STORM_PURCHASE = (
    (Fault.THROTTLE, 0.04),
    (Fault.THROTTLE_SILENT, 0.01),
    (Fault.SERVER_ERROR, 0.05),
    (Fault.HTML_ERROR, 0.02),
    (Fault.LOST_REPLY, 0.02),
    (Fault.GENERATION_FAILED, 0.02),
)
_STORM_INLINE = (*_STORM_PURCHASE, (Fault.CUT_BODY, 0.05))
_STORM_DOWNLOAD = (
    (Fault.CUT_DOWNLOAD, 0.05),
    (Fault.EXPIRED_LINK, 0.009),
    (Fault.GONE_LINK, 0.001),
)
_STORM_REFUSED = 0.05
_OUTAGE = (
    (Fault.LOST_BEFORE, 0.34),
    (Fault.SERVER_ERROR, 0.33),
    (Fault.HTML_ERROR, 0.33),
)
_OUTAGE_NUMBERS = range(40, 91)
_OUTAGE_S = 20.0
_REFUSED_WORD = "REFUSE-ME"


def roll(*parts: object) -> float:
    """Return a number from 0 up to 1 that depends on the parts alone."""
    text = "\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(text, digest_size=8).digest()
    # 53 bits, the precision of a float: so the result stays below 1.
    return (int.from_bytes(digest) >> 11) / (1 << 53)


def _choose(shares: Iterable[tuple[Fault, float]], random_value: float) -> Fault | None:
    for fault, share in shares:
        if random_value < share:
            return fault
        random_value -= share
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """A moment at which a fault may occur.

    Attributes:
        content: Equal for equal requests.
        occurrence: How often that content was seen, from 1.
        number: Position of the request among its provider's purchase requests, or of
            the download among its image's downloads; from 1.
        is_inline: Whether images come in the reply to a purchase: then replies are cut,
            not downloads.
    """

    provider: str
    content: str
    occurrence: int
    number: int
    is_inline: bool = False


class Faults:
    """Chooses the faults; queued faults come first, in their order."""

    def __init__(self, profile: Profile, seed: int) -> None:
        self._profile = profile
        self._seed = seed
        self._queued: list[tuple[str, Fault, int]] = []
        self._outage_ends: float | None = None

    def queue(self, provider: str, fault: Fault, times: int) -> None:
        """Make the next requests of a provider fail with this fault."""
        self._queued.append((provider, fault, times))

    def queued(self) -> list[tuple[str, Fault, int]]:
        """Return provider, fault and number of times, in their order."""
        return list(self._queued)

    def pop_queued(self, provider: str, possible: frozenset[Fault]) -> Fault | None:
        """Return the first queued fault of a provider that is possible now, once."""
        for position, (queued_provider, fault, times) in enumerate(self._queued):
            if queued_provider == provider and fault in possible:
                left = [(queued_provider, fault, times - 1)] if times > 1 else []
                self._queued[position : position + 1] = left
                return fault
        return None

    def at_purchase(self, occasion: Occasion) -> Fault | None:
        """Return the fault of a purchase request, if any."""
        queued = self.pop_queued(occasion.provider, PURCHASE_FAULTS)
        if queued is not None:
            return queued
        random_value = roll(
            self._seed, "purchase", occasion.content, occasion.occurrence
        )
        if self._profile == "storm":
            shares = _STORM_INLINE if occasion.is_inline else _STORM_PURCHASE
            return _choose(shares, random_value)
        if self._profile == "outage" and self._is_out(occasion.number):
            return _choose(_OUTAGE, random_value)
        return None

    def _is_out(self, number: int) -> bool:
        """Say whether the outage goes on; after some time it ends for slow clients."""
        if number not in _OUTAGE_NUMBERS:
            return False
        now = time.monotonic()
        if self._outage_ends is None:
            self._outage_ends = now + _OUTAGE_S
        return now < self._outage_ends

    def at_download(self, occasion: Occasion) -> Fault | None:
        """Return the fault of a download, if any."""
        queued = self.pop_queued(occasion.provider, DOWNLOAD_FAULTS)
        if queued is not None or self._profile != "storm":
            return queued
        parts = (occasion.content, occasion.occurrence, occasion.number)
        fault = _choose(_STORM_DOWNLOAD, roll(self._seed, "download", *parts))
        # A link whose first download worked, or was only cut, stays valid.
        return fault if occasion.number == 1 or fault is Fault.CUT_DOWNLOAD else None

    def refuses(self, content: str, prompt: str) -> bool:
        """Say whether the policy forbids a prompt; always the same for one prompt."""
        if _REFUSED_WORD in prompt:
            return True
        random_value = roll(self._seed, "refusal", content)
        return self._profile == "storm" and random_value < _STORM_REFUSED
