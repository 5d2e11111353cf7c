"""Remove keys from a provider's messages, echoed whole, in part, masked or escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from string import ascii_lowercase, ascii_uppercase

from batchgen.wire.key_mask import KeyMask, whole_word
from batchgen.wire.proxies import Login, proxy_logins

MARK = "[key]"
"""Written in the place of a key."""

MIN_KEY_LENGTH = 16
"""A shorter key, such as `local` or `none`, is a placeholder for a server that takes
any key: not a secret, and a common word in texts and links."""

MIN_PASSWORD_LENGTH = 4
"""A shorter password is removed only after its user name: alone it may be any word."""

MIN_MASKED_PASSWORD_LENGTH = 8
"""In a reply that is stored as it came, a shorter password may be a word of the
format."""

# So many characters of a key in a row are hardly chance in plain text, and already
# tell too much of the key.
_RUN = 5
_EDGE_SIZES = (3, 4)
# An id is as random as a key: more characters in a row may be chance.
_RUN_IN_ID = 8

_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
# Characters that hide the rest of a key; a single dot, x or underscore is plain text.
# As lookaround, so that a page of dots does not take quadratic time.
_MASK_FOLLOWS = r"(?=[*•●…#]|[.x_]{2})"
_MASK_STANDS_BEFORE = r"(?:(?<=[*•●…#])|(?<=[.x_]{2}))"
_ESCAPES = re.compile(r"%([0-9a-fA-F]{2})|\\u00([0-9a-fA-F]{2})|\\([^u])")
# Messages are JSON inside JSON inside a URL at most.
_LAYERS = 3

Span = tuple[int, int]


def redactor_for(keys: Iterable[str]) -> Redactor:
    """Return a redactor of keys, and of passwords in the variables of proxies."""
    return Redactor(keys, proxy_logins())


class Redactor:
    """Remove keys from text.

    Removed are five or more characters of a key in a row, its first or last three or
    four characters beside a mask, as in `sk-a...9f2Z`, and a whole key in any escaping.
    Upper and lower case count as equal. Placeholders are not keys.

    The password of a proxy is a secret, too. A long password counts as a key; a short
    one is removed after its user name, or as a whole word.

    Attributes:
        mask: Overwrites whole keys in replies that are stored as they came.
    """

    def __init__(self, keys: Iterable[str], logins: Iterable[Login] = ()) -> None:
        logins = list(logins)
        passwords = {login.secret for login in logins} - {""}
        stripped = (key.strip() for key in keys)
        secrets = {key for key in (*stripped, *passwords) if len(key) >= MIN_KEY_LENGTH}
        folded = sorted(map(_fold, secrets))
        pairs = {f"{login.user}:{login.password}" for login in logins}
        short_passwords = {
            word for word in passwords - secrets if len(word) >= MIN_PASSWORD_LENGTH
        }
        masked_passwords = {
            word for word in short_passwords if len(word) >= MIN_MASKED_PASSWORD_LENGTH
        }
        self.mask = KeyMask(secrets, pairs, masked_passwords)
        self._passwords = re.compile(
            _any_pattern(map(whole_word, short_passwords)), re.IGNORECASE
        )
        self._is_empty = not (secrets or pairs)
        self._runs = {run for key in folded for run in _runs(key, _RUN)}
        self._long_runs = {run for key in folded for run in _runs(key, _RUN_IN_ID)}
        heads = _any_word({key[:size] for key in folded for size in _EDGE_SIZES})
        tails = _any_word({key[-size:] for key in folded for size in _EDGE_SIZES})
        self._masked = (
            re.compile(heads + _MASK_FOLLOWS),
            re.compile(_MASK_STANDS_BEFORE + tails),
        )

    def redact(self, text: str) -> str:
        """Return the text with `MARK` in the place of each key, or part of a key."""
        if self._is_empty or not text:
            return text
        spans = [span for layer in _layers(text) for span in self._find(*layer)]
        passwords = (match.span() for match in self._passwords.finditer(text))
        return _replace(text, [*spans, *passwords, *self.mask.spans(text)])

    def redact_id(self, text: str) -> str:
        """Return an id as it is, or `MARK` if the id contains a key."""
        folded = _fold(text)
        is_key = any(run in folded for run in self._long_runs) or self.holds_key(text)
        return MARK if is_key else text

    def holds_key(self, text: str) -> bool:
        """Return whether the text contains a whole key, as it is or escaped."""
        return self.mask.holds_key(text)

    def _find(self, chars: str, offsets: list[int]) -> Iterator[Span]:
        """Yield spans of the original text; `offsets` gives each character's place."""
        if not self._runs:
            return
        folded = _fold(chars)
        for start, end in self._find_runs(folded):
            yield offsets[start], offsets[end]
        for start, end in self._find_masked(folded):
            yield offsets[start], offsets[end]

    def _find_runs(self, folded: str) -> Iterator[Span]:
        for start in range(len(folded) - _RUN + 1):
            if folded[start : start + _RUN] in self._runs:
                yield start, start + _RUN

    def _find_masked(self, folded: str) -> Iterator[Span]:
        for pattern in self._masked:
            yield from (match.span() for match in pattern.finditer(folded))


def _runs(key: str, size: int) -> Iterator[str]:
    return (key[at : at + size] for at in range(len(key) - size + 1))


def _any_pattern(patterns: Iterable[str]) -> str:
    """Return a pattern of any of these; without patterns, one that never matches."""
    return "|".join(sorted(patterns, key=len, reverse=True)) or r"(?!)"


def _any_word(words: set[str]) -> str:
    longest_first = sorted(words, key=len, reverse=True)
    return f"(?:{'|'.join(map(re.escape, longest_first))})"


def _layers(text: str) -> Iterator[tuple[str, list[int]]]:
    """Yield the text as it is, then with one layer of escapes after another removed."""
    chars, offsets = text, list(range(len(text) + 1))
    yield chars, offsets
    for _ in range(_LAYERS):
        if "%" not in chars and "\\" not in chars:
            return
        chars, offsets = _unescape(chars, offsets)
        yield chars, offsets


def _unescape(chars: str, offsets: list[int]) -> tuple[str, list[int]]:
    out: list[str] = []
    new_offsets: list[int] = []
    at = 0
    for escape in _ESCAPES.finditer(chars):
        start, end = escape.span()
        out.extend(chars[at:start])
        new_offsets.extend(offsets[at:start])
        code = escape[1] or escape[2]
        out.append(chr(int(code, 16)) if code else escape[3])
        new_offsets.append(offsets[start])
        at = end
    out.extend(chars[at:])
    new_offsets.extend(offsets[at:])
    return "".join(out), new_offsets


def _fold(text: str) -> str:
    # Not str.lower(), which changes the length of some letters; keys are ASCII.
    return text.translate(_LOWER)


def _replace(text: str, spans: list[Span]) -> str:
    pieces: list[str] = []
    at = 0
    for start, end in _merge(spans):
        pieces += (text[at:start], MARK)
        at = end
    return "".join((*pieces, text[at:]))


def _merge(spans: list[Span]) -> Iterator[Span]:
    merged: Span | None = None
    for start, end in sorted(spans):
        if merged is None:
            merged = (start, end)
        elif start <= merged[1]:
            merged = (merged[0], max(merged[1], end))
        else:
            yield merged
            merged = (start, end)
    if merged is not None:
        yield merged
