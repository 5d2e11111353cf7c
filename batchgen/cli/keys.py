"""What is wrong with a key as it stands in its variable; the key is never shown."""

from __future__ import annotations

import os
import re
import unicodedata

from batchgen.provider import key_variable
from batchgen.providers import PROVIDERS

SHORTEST = 16
"""Characters; what is shorter is a word that a server on this machine may want."""

_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
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
    """Return a message of ours without keys that were typed where none belongs."""
    for key in known_keys().values():
        if len(key) >= SHORTEST and _PLACEHOLDER.fullmatch(key) is None:
            message = message.replace(key, "[key]")
    return message


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
    if "\n" in key or "\r" in key:
        return "holds a line break: give the key on one line"
    if (odd := next((sign for sign in key if not " " <= sign <= "~"), None)) is not None:
        if odd in _QUOTES:
            return "has quotation marks around the key: give it without them"
        name = unicodedata.name(odd, "a control character").lower()
        return (
            f"holds U+{ord(odd):04X} ({name}), which is no part of a key: copy the key "
            "once more"
        )
    if len(key) < SHORTEST and not is_real:
        return None
    if key[0] in _QUOTES or key[-1] in _QUOTES:
        return "has quotation marks around the key: give it without them"
    if re.match(r"(?i)bearer\s", key):
        return "begins with the word Bearer: give the key alone"
    if is_real and _PLACEHOLDER.fullmatch(key):
        return "holds a placeholder: put your own key in its place"
    if " " in key:
        return "holds a blank: give the key without it"
    return None
