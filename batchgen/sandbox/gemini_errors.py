"""Error replies of Google's APIs: an object with details, sometimes in a list."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from starlette.responses import JSONResponse, Response

from batchgen.sandbox.faults import roll
from batchgen.sandbox.refusal import Reason, Refusal

PER_DAY = "GenerateRequestsPerDayPerProjectPerModel"
"""Quota per day; the other one is per minute."""
_PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel"
_TYPE = "type.googleapis.com/google.rpc."
_WAITS = ("1s", "0.5s", "1.25s")

_REPLIES: Mapping[Reason, tuple[tuple[int, str, str], ...]] = MappingProxyType(
    {
        Reason.BAD_REQUEST: (
            (400, "INVALID_ARGUMENT", "Invalid JSON payload received."),
        ),
        Reason.INVALID: ((400, "INVALID_ARGUMENT", "Invalid value."),),
        Reason.TOO_LARGE: (
            (400, "INVALID_ARGUMENT", "Request payload size exceeds the limit."),
        ),
        Reason.WRONG_KEY: (
            (400, "INVALID_ARGUMENT", "API key not valid. Pass a valid API key."),
        ),
        Reason.NO_CREDIT: (
            (402, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."),
        ),
        Reason.MODEL_GONE: (
            (404, "NOT_FOUND", "The model is not found for this API version."),
        ),
        Reason.REFUSED: (
            (400, "INVALID_ARGUMENT", "The prompt violates our content policy."),
        ),
        Reason.THROTTLED: (
            (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota."),
        ),
        Reason.THROTTLED_SILENTLY: (
            (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota."),
        ),
        Reason.SERVER_ERROR: (
            (500, "INTERNAL", "An internal error has occurred."),
            (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
            (504, "DEADLINE_EXCEEDED", "Deadline expired before it could complete."),
        ),
        Reason.NOT_FOUND: ((404, "NOT_FOUND", "Requested entity was not found."),),
        Reason.WRONG_METHOD: ((404, "NOT_FOUND", "Requested entity was not found."),),
    }
)
_NO_KEY = (403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers.")


def error_reply(refusal: Refusal) -> Response:
    """Return the reply; its detail names a quota where the request was throttled."""
    status, word, message = refusal.choose(_REPLIES)
    if refusal.reason is Reason.WRONG_KEY and not refusal.detail:
        status, word, message = _NO_KEY
    error: dict[str, Any] = {
        "code": status,
        "message": f"{message} {refusal.detail}".strip(),
        "status": word,
    }
    if details := _details(refusal):
        error["details"] = details
    body = {"error": error}
    in_list = roll("list", refusal.variant, refusal.detail) < 1 / 8
    return JSONResponse([body] if in_list else body, status_code=status)


def _details(refusal: Refusal) -> list[dict[str, Any]]:
    match refusal.reason:
        case Reason.INVALID:
            violations = [{"description": line} for line in refusal.detail.splitlines()]
            return [_detail("BadRequest", fieldViolations=violations)]
        case Reason.WRONG_KEY if refusal.detail:
            return [
                _detail("ErrorInfo", reason="API_KEY_INVALID", domain="googleapis.com")
            ]
        case Reason.THROTTLED:
            chosen = int(roll("wait", refusal.variant) * len(_WAITS))
            wait = _detail("RetryInfo", retryDelay=_WAITS[chosen])
            details = [*_quota(_PER_MINUTE), wait]
            # Details come in any order.
            return details[::-1] if refusal.variant < 1 / 2 else details
        case Reason.THROTTLED_SILENTLY:
            return _quota(refusal.detail or _PER_MINUTE)
        case _:
            return []


def _quota(quota: str) -> list[dict[str, Any]]:
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
        "quotaId": quota,
        "quotaDimensions": {"location": "global"},
        "quotaValue": "250",
    }
    return [_detail("QuotaFailure", violations=[violation]), _detail("Help", links=[])]


def _detail(kind: str, **fields: Any) -> dict[str, Any]:
    return {"@type": f"{_TYPE}{kind}", **fields}
