"""The cause that an error's text names: content, account, model, rate, or request."""

from __future__ import annotations

import re
from functools import lru_cache

from batchgen.errors import (
    AttemptError,
    CredentialRejected,
    ModelGone,
    OutOfCredit,
    Refused,
    RequestInvalid,
    Throttled,
)
from batchgen.providers import _phrases as phrases

_WORD_BOUNDARY = re.compile(
    r"(?<=[A-Za-z0-9])[_-]+(?=[A-Za-z0-9])"
    r"|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
)
# A prompt that an error quotes says nothing about the cause.
_QUOTED_PROMPT = re.compile(
    r"\b(?:prompt|input|text|drawing|making|generating)\b\W{0,3}(?:(?:of|is|was)\W{1,3})?"
    r"(?:'[^']{1,2000}'|\"[^\"]{1,2000}\"|`[^`]{1,2000}`|“[^”]{1,2000}”|「[^」]{1,2000}」)",
    re.IGNORECASE,
)
_MAX_LENGTH = 8_000  # characters of an error that are read


@lru_cache(maxsize=64)
def split_identifiers(text: str) -> str:
    """Return a text with its snake_case, camelCase and kebab-case split into words."""
    return _WORD_BOUNDARY.sub(" ", text)


def _search(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """Look for a phrase in a text as it is, and then with its identifiers split."""
    text = _QUOTED_PROMPT.sub(" ", text[:_MAX_LENGTH])
    if match := pattern.search(text):
        return match
    split_text = split_identifiers(text)
    return None if split_text == text else pattern.search(split_text)


def policy_reason(text: str) -> str | None:
    """Return the part of an error that names a content policy, or None."""
    match = _search(phrases.POLICY, text)
    return match.group().strip(" (") if match else None


def is_verdict(text: str) -> bool:
    """Return whether an error has a code that only refused images get."""
    return phrases.VERDICT.search(text) is not None


def blames_account(text: str) -> bool:
    """Return whether an error is about the account or its region, not about one row."""
    return _search(phrases.ACCOUNT, text) is not None


def blames_key(text: str) -> bool:
    """Return whether an error is about the key."""
    return _search(phrases.KEY, text) is not None


def blames_model(text: str) -> bool:
    """Return whether an error is about the model's name itself [assumed phrases]."""
    is_not_served = _search(phrases.MODEL_NOT_SERVED, text) is not None
    return is_not_served or says_model_unknown(text)


def says_model_unknown(text: str) -> bool:
    """Return whether an error says that no model has this name."""
    return _search(phrases.UNKNOWN_MODEL, text) is not None


def says_task_unknown(text: str) -> bool:
    """Return whether an error says that no task has this id."""
    return _search(phrases.UNKNOWN_TASK, text) is not None


def lacks_credit(text: str) -> bool:
    """Return whether an error is about an account without money, or a quota of zero.

    An exceeded quota means that only if nothing shows that it is a rate limit.
    """
    if _search(phrases.CREDIT, text) or _search(phrases.QUOTA_OF_ZERO, text):
        return True
    is_quota_spent = _search(phrases.QUOTA_SPENT, text)
    return is_quota_spent is not None and _search(phrases.PACE, text) is None


def asks_too_much(text: str) -> bool:
    """Return whether one request alone exceeds the rate limit: waiting never helps."""
    if numbers := phrases.LIMIT_AND_REQUESTED.search(text[:_MAX_LENGTH]):
        limit, requested = (
            int(re.sub(r"\D", "", numbers[name]) or 0)
            for name in ("limit", "requested")
        )
        return requested > limit
    return _search(phrases.TOO_LARGE, text) is not None


def mentions_timeout(text: str) -> bool:
    """Return whether an error is about a timeout."""
    return _search(phrases.TIMEOUT, text) is not None


def mentions_broken_connection(text: str) -> bool:
    """Return whether a gateway says that it lost the service behind it."""
    return _search(phrases.BROKEN_BEHIND_GATEWAY, text) is not None


def mentions_work_in_progress(text: str) -> bool:
    """Return whether an error says that the same request is or was processed."""
    return _search(phrases.IN_PROGRESS, text) is not None


def blames_reference(text: str) -> bool:
    """Return whether an error is about a reference image that cannot be fetched."""
    return _search(phrases.REFERENCE, text) is not None


def error_type_in(text: str) -> type[AttemptError] | None:
    """Return the error that the text alone shows; None if it shows none."""
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
