"""A request that gets an error reply, before it is put in a provider's words."""

from __future__ import annotations

from enum import StrEnum


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
        detail: What is wrong, where the reason alone does not say it.
        variant: From 0 up to 1; picks one where a provider has several replies.
    """

    def __init__(self, reason: Reason, detail: str = "", variant: float = 0.0) -> None:
        super().__init__(reason, detail, variant)
        self.reason = reason
        self.detail = detail
        self.variant = variant

    @property
    def headers(self) -> dict[str, str]:
        """Headers that go with the reply, whoever gives it."""
        return {"retry-after": "1"} if self.reason is Reason.THROTTLED else {}
