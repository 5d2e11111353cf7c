"""What is wrong with a key as it stands in its variable; the key is never shown."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator

from batchgen.providers import PROVIDERS, key_variable

SHORTEST = 16
"""Characters; what is shorter is a word that a server on this machine may want."""

_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
_QUOTED = "has quotation marks around the key: give it without them"
_PLACEHOLDER = re.compile(
    r"<.*>|\{.*\}|\[.*\]|\$.*|.*\.\.\.|.*\u2026|x{4,}|\*{4,}"
    r"|.*(your|my|insert|put|enter|paste|replace)[-_ ].*(key|token|here|me)\b.*"
    r"|changeme|todo|(api|secret)[-_]?key",
    re.IGNORECASE,
)
_KEY = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])[\w-]{24,}", re.ASCII)


def known_keys() -> dict[str, str]:
    """Read the keys that are set from the environment: the one place that does."""
    keys = {}
    for name in PROVIDERS:
        key = os.environ.get(key_variable(name), "").strip()
        if key:
            keys[name] = key
    return keys


def without_keys(message: str) -> str:
    """Return a message of ours without keys that were typed where none belongs.

    Likewise without the passwords of proxies.
    """
    for key in known_keys().values():
        if len(key) >= SHORTEST and _PLACEHOLDER.fullmatch(key) is None:
            message = message.replace(key, "[key]")
    if not _has_proxy_login():
        return message
    from batchgen.wire.redaction import redactor_for

    return redactor_for(()).redact(message)


def _has_proxy_login() -> bool:
    variables = os.environ.items()
    return any(
        name.lower().endswith("_proxy") and "@" in value for name, value in variables
    )


def looks_like_a_key(word: str) -> bool:
    """Say whether a word on the command line may be a key: long, and of one piece."""
    return _KEY.fullmatch(word) is not None


def key_problem(key: str, *, is_real: bool) -> str | None:
    """Return what is wrong with a key, and what to do; None if nothing seems to be.

    Args:
        key: As it stands in the variable, without white space around it.
        is_real: Whether it goes to a service that gives out keys, not to a server of
            one's own, where any word may do.
    """
    problem = _unsendable(key)
    if problem is None and (is_real or len(key) >= SHORTEST):
        problem = next(_odd(key, is_real=is_real), None)
    return problem


def _unsendable(key: str) -> str | None:
    """Return what HTTP does not take of a key."""
    if "\n" in key or "\r" in key:
        return "holds a line break: give the key on one line"
    sign = next((sign for sign in key if not " " <= sign <= "~"), None)
    if sign is None:
        return None
    if sign in _QUOTES:
        return _QUOTED
    name = unicodedata.name(sign, "a control character").lower()
    return (
        f"holds U+{ord(sign):04X} ({name}), which is no part of a key: copy the key "
        "once more"
    )


def _odd(key: str, *, is_real: bool) -> Iterator[str]:
    """Yield what no service's key looks like."""
    if key[0] in _QUOTES or key[-1] in _QUOTES:
        yield _QUOTED
    if re.match(r"(?i)bearer\s", key):
        yield "begins with the word Bearer: give the key alone"
    if is_real and _PLACEHOLDER.fullmatch(key):
        yield "holds a placeholder: put your own key in its place"
    if " " in key:
        yield "holds a blank: give the key without it"
