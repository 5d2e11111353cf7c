"""What the words of an error blame: content, account, model, pace, time or request."""

from __future__ import annotations

import re
from functools import lru_cache

from batchgen import phrases
from batchgen.errors import (
    AttemptError,
    CredentialRejected,
    ModelGone,
    OutOfCredit,
    Refused,
    RequestInvalid,
    Throttled,
)

_JOINT = re.compile(
    r"(?<=[A-Za-z0-9])[_-]+(?=[A-Za-z0-9])"
    r"|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
)
# A prompt that an error quotes accuses nobody.
_PROMPT = re.compile(
    r"\b(?:prompt|input|text|drawing|making|generating)\b\W{0,3}(?:(?:of|is|was)\W{1,3})?"
    r"(?:'[^']{1,2000}'|\"[^\"]{1,2000}\"|`[^`]{1,2000}`|“[^”]{1,2000}”|「[^」]{1,2000}」)",
    re.IGNORECASE,
)
_LONGEST = 8_000  # characters of an error that are read


@lru_cache(maxsize=64)
def split_identifiers(text: str) -> str:
    """Return a text whose snake_case, camelCase and kebab-case are parted words."""
    return _JOINT.sub(" ", text)


def _search(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """Look for a phrase in a text as it stands, and with its identifiers split."""
    text = _PROMPT.sub(" ", text[:_LONGEST])
    if match := pattern.search(text):
        return match
    words = split_identifiers(text)
    return None if words == text else pattern.search(words)


def policy_reason(text: str) -> str | None:
    """Return the words of an error that name a content policy, or None."""
    match = _search(phrases.POLICY, text)
    return match.group().strip(" (") if match else None


def is_verdict(text: str) -> bool:
    """Say whether an error holds a code that is only ever given to a refused image."""
    return phrases.VERDICT.search(text) is not None


def blames_account(text: str) -> bool:
    """Say whether an error is about the account or its region, and no row's."""
    return _search(phrases.ACCOUNT, text) is not None


def blames_key(text: str) -> bool:
    """Say whether an error is about the key."""
    return _search(phrases.KEY, text) is not None


def blames_model(text: str) -> bool:
    """Say whether an error is about the model's name itself [assumed phrases]."""
    served = _search(phrases.MODEL_NOT_SERVED, text) is not None
    return served or calls_model_unknown(text)


def calls_model_unknown(text: str) -> bool:
    """Say whether an error says that there is no model of that name at all."""
    return _search(phrases.UNKNOWN_MODEL, text) is not None


def calls_task_unknown(text: str) -> bool:
    """Say whether an error says that there is no task of that id."""
    return _search(phrases.UNKNOWN_TASK, text) is not None


def lacks_credit(text: str) -> bool:
    """Say whether an error is about an account without money, or a quota of zero.

    A quota that is exceeded is only that where nothing says that it is one of pace.
    """
    if _search(phrases.CREDIT, text) or _search(phrases.QUOTA_OF_ZERO, text):
        return True
    is_spent = _search(phrases.QUOTA_SPENT, text)
    return is_spent is not None and _search(phrases.PACE, text) is None


def asks_too_much(text: str) -> bool:
    """Say whether one request alone is above the limit of pace: waiting never helps."""
    if numbers := phrases.LIMIT_AND_REQUESTED.search(text[:_LONGEST]):
        limit, requested = (
            int(re.sub(r"\D", "", numbers[name]) or 0)
            for name in ("limit", "requested")
        )
        return requested > limit
    return _search(phrases.TOO_LARGE, text) is not None


def tells_timeout(text: str) -> bool:
    """Say whether an error tells that somebody stopped waiting."""
    return _search(phrases.TIMEOUT, text) is not None


def tells_broken_connection(text: str) -> bool:
    """Say whether a gateway tells that it lost the service behind it."""
    return _search(phrases.BROKEN_BEHIND_GATEWAY, text) is not None


def tells_work_in_progress(text: str) -> bool:
    """Say whether an error tells that the same request is, or was, being processed."""
    return _search(phrases.IN_PROGRESS, text) is not None


def blames_reference(text: str) -> bool:
    """Say whether an error is about a reference image that cannot be fetched."""
    return _search(phrases.REFERENCE, text) is not None


def blamed(text: str) -> type[AttemptError] | None:
    """Return the error that words alone tell of, None where they tell of none."""
    candidates: dict[type[AttemptError], object] = {
        Refused: policy_reason(text),
        OutOfCredit: lacks_credit(text),
        ModelGone: blames_model(text),
        Throttled: _search(phrases.RATE, text),
        CredentialRejected: blames_key(text),
        RequestInvalid: _search(phrases.FIELD, text),
    }
    if blames_account(text):
        return CredentialRejected
    return next((kind for kind, match in candidates.items() if match), None)
