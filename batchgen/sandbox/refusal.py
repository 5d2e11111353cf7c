"""A request that gets an error reply, before the reply has a provider's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")


class Reason(StrEnum):
    """Why a request gets an error reply."""

    BAD_REQUEST = "bad_request"
    INVALID = "invalid"
    TOO_LARGE = "too_large"
    WRONG_KEY = "wrong_key"
    NO_CREDIT = "no_credit"
    MODEL_GONE = "model_gone"
    REFUSED = "refusal"
    THROTTLED = "throttle"
    THROTTLED_SILENTLY = "throttle_silent"
    SERVER_ERROR = "server_error"
    NOT_FOUND = "not_found"
    WRONG_METHOD = "wrong_method"


class Refusal(Exception):
    """A request gets an error reply and is not charged.

    Attributes:
        detail: What is wrong, if the reason alone does not say it.
        variant: From 0 up to 1; chooses one of a provider's several replies.
    """

    def __init__(self, reason: Reason, detail: str = "", variant: float = 0.0) -> None:
        super().__init__(reason, detail, variant)
        self.reason = reason
        self.detail = detail
        self.variant = variant

    def choose(self, replies: Mapping[Reason, Sequence[T]]) -> T:
        """Return one of a provider's replies for the reason."""
        choices = replies[self.reason]
        return choices[int(self.variant * len(choices))]

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the reply, for every provider."""
        return {"retry-after": "1"} if self.reason is Reason.THROTTLED else {}
