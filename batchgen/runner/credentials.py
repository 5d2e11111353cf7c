"""Read keys from the environment, and say what is wrong with one without showing it."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Collection, Iterator

from batchgen.providers import PROVIDERS, key_variable
from batchgen.providers.registry import variable_of

MIN_KEY_LENGTH = 16
"""Characters; a shorter word is no secret: a server on this machine may want one."""

_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
_QUOTED = "has quotation marks around the key: give it without them"
_PLACEHOLDER = re.compile(
    r"<.*>|\{.*\}|\[.*\]|\$.*|.*\.\.\.|.*\u2026|x{4,}|\*{4,}"
    r"|.*(your|my|insert|put|enter|paste|replace)[-_ ].*(key|token|here|me)\b.*"
    r"|changeme|todo|(api|secret)[-_]?key",
    re.IGNORECASE,
)
_KEY = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])[\w-]{24,}", re.ASCII)


def reachable_providers(chosen: Collection[str] = ()) -> Iterator[str]:
    """Yield the providers that a run may need: the chosen ones, and those with a key.

    The package of another provider is not loaded, which may take long.
    """
    for name in PROVIDERS:
        is_chosen = name in chosen or PROVIDERS.is_loaded_or_own(name)
        if (is_chosen or os.environ.get(variable_of(name))) and name in PROVIDERS:
            yield name


def known_keys(chosen: Collection[str] = ()) -> dict[str, str]:
    """Read the keys that are set in the environment; nothing else reads them there."""
    keys = {}
    for name in reachable_providers(chosen):
        key = os.environ.get(key_variable(name), "").strip()
        if key:
            keys[name] = key
    return keys


def without_keys(message: str) -> str:
    """Return a message without keys that a user typed in the wrong place.

    Passwords of proxies are left out, too.
    """
    for key in known_keys().values():
        if len(key) >= MIN_KEY_LENGTH and _PLACEHOLDER.fullmatch(key) is None:
            message = message.replace(key, "[key]")
    if not any(
        name.lower().endswith("_proxy") and "@" in value
        for name, value in os.environ.items()
    ):
        return message
    from batchgen.wire.redaction import redactor_for

    return redactor_for(()).redact(message)


def looks_like_a_key(word: str) -> bool:
    """Say whether a word on the command line may be a key: long and without blanks."""
    return _KEY.fullmatch(word) is not None


def key_problem(key: str, *, is_real: bool) -> str | None:
    """Return what is wrong with a key, and what to do; None if nothing seems to be.

    Args:
        key: As it stands in the variable, without white space around it.
        is_real: Whether it goes to a service that issues keys; a server of the user's
            own may take any word.
    """
    problem = _unsendable(key)
    if problem is None and (is_real or len(key) >= MIN_KEY_LENGTH):
        problem = next(_signs_of_a_mistake(key, is_real=is_real), None)
    return problem


def _unsendable(key: str) -> str | None:
    """Return why a key cannot be sent in an HTTP header, if it cannot."""
    if "\n" in key or "\r" in key:
        return "holds a line break: give the key on one line"
    foreign = next((letter for letter in key if not " " <= letter <= "~"), None)
    if foreign is None:
        return None
    if foreign in _QUOTES:
        return _QUOTED
    name = unicodedata.name(foreign, "a control character").lower()
    return (
        f"holds U+{ord(foreign):04X} ({name}), which is no part of a key: copy the key "
        "once more"
    )


def _signs_of_a_mistake(key: str, *, is_real: bool) -> Iterator[str]:
    """Yield what makes a key look unlike any service's key."""
    if key[0] in _QUOTES or key[-1] in _QUOTES:
        yield _QUOTED
    if re.match(r"(?i)bearer\s", key):
        yield "begins with the word Bearer: give the key alone"
    if is_real and _PLACEHOLDER.fullmatch(key):
        yield "holds a placeholder: put your own key in its place"
    if " " in key:
        yield "holds a blank: give the key without it"
