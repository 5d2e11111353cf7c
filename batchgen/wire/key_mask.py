"""Overwrite whole keys, in any escaping, in replies that are stored as they came."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from string import ascii_letters, digits

import pybase64

_COVER = b"*"
# Several, where one format is inside another: JSON in JSON in a URL.
_BACKSLASHES = r"\\{1,8}"
_MAX_ESCAPE_BYTES = 20
"""Longest escape of one byte of a key."""
_WINDOW = 1024 * 1024
_MIN_LOGIN_LENGTH = 10
"""A shorter login may occur by chance in the base64 of an image."""


class KeyMask:
    """Overwrite keys in bytes.

    Only a whole key counts: raw, URL-encoded, escaped as in JSON, HTML or source code,
    in hexadecimal or base64 (also within a longer base64 text), or in several of these
    at once. Upper and lower case count as equal. A login is written as `user:password`;
    a short login counts only as a whole word, as do all of `whole_words`.
    """

    def __init__(
        self,
        keys: Iterable[str],
        logins: Iterable[str] = (),
        whole_words: Iterable[str] = (),
    ) -> None:
        ordered = sorted(set(keys), key=len, reverse=True)
        patterns = [pattern for key in ordered for pattern in _patterns_of_key(key)]
        pairs = sorted(set(logins), key=len, reverse=True)
        patterns += [pattern for pair in pairs for pattern in _patterns_of_login(pair)]
        sorted_words = sorted(set(whole_words), key=len, reverse=True)
        patterns += map(whole_word, sorted_words)
        ordered += pairs + sorted_words
        text = "|".join(patterns)
        self._of_bytes = re.compile(text.encode(), re.IGNORECASE)
        self._of_text = re.compile(text, re.IGNORECASE | re.ASCII)
        self._is_empty = not patterns
        sizes = (len(_bytes_of(secret)) for secret in ordered)
        self._max_pattern_bytes = _MAX_ESCAPE_BYTES * max(sizes, default=0)

    def holds_key(self, text: str) -> bool:
        """Return whether the text contains a key."""
        return not self._is_empty and self._of_text.search(text) is not None

    def pieces(self, content: bytes | str) -> Iterator[bytes]:
        """Yield the content in pieces, a text as UTF-8, with its keys overwritten.

        The length stays the same, and large content is not copied as a whole.
        """
        at = 0
        for start, end in self.spans(content):
            yield from _slices(content, at, start)
            yield _COVER * (end - start)
            at = end
        yield from _slices(content, at, len(content))

    def spans(self, content: bytes | str) -> Iterator[tuple[int, int]]:
        """Yield start and end of each key."""
        at, size = 0, 0 if self._is_empty else len(content)
        while at < size:
            # Window by window, because a search does not let other threads run. Each
            # window overlaps the next by the length of the longest key.
            end = min(at + _WINDOW + self._max_pattern_bytes, size)
            if isinstance(content, str):
                span = _span(self._of_text.search(content, at, end))
            else:
                span = _span(self._of_bytes.search(content, at, end))
            if span is None:
                at += _WINDOW
            else:
                yield span
                at = span[1]


def _span(match: re.Match[str] | re.Match[bytes] | None) -> tuple[int, int] | None:
    return None if match is None else match.span()


def _slices(content: bytes | str, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, _WINDOW):
        part = content[at : min(at + _WINDOW, end)]
        yield part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part


def _patterns_of_key(key: str) -> Iterator[str]:
    yield "".join(map(_character_pattern, key))
    yield "[ :-]?".join(f"{byte:02x}" for byte in _bytes_of(key))
    for offset in range(3):
        yield _pattern_in_base64(key, offset)


def _patterns_of_login(pair: str) -> Iterator[str]:
    """Yield patterns of a login: as text, and in base64, as HTTP sends a login."""
    if len(pair) >= _MIN_LOGIN_LENGTH:
        yield from _patterns_of_key(pair)
        return
    yield whole_word(pair)
    encoded = pybase64.b64encode(_bytes_of(pair)).decode()
    yield rf"(?<![\w+/]){re.escape(encoded)}(?![\w+/])"


def whole_word(secret: str) -> str:
    """Return the pattern of a secret as a whole word, or after an escaped character."""
    chars = "".join(map(_character_pattern, secret))
    return rf"(?:(?<![^\W_])|(?<=%[2-7][0-9a-f])){chars}(?![^\W_])"


def _bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _character_pattern(character: str) -> str:
    """Return the pattern of one character in all its escapings."""
    code = ord(character)
    patterns = [
        re.escape(character),
        "".join(f"%(?:25){{0,3}}{byte:02x}" for byte in _bytes_of(character)),
        f"{_BACKSLASHES}(?:u{code:04x}|u\\{{0{{0,4}}{code:x}\\}}|x{code:02x}|{code:03o})",
        f"&(?:amp;){{0,2}}#(?:0{{0,3}}{code}|x0{{0,3}}{code:x});",
    ]
    if character not in ascii_letters + digits:
        patterns.append(_BACKSLASHES + re.escape(character))
    return f"(?:{'|'.join(patterns)})"


def _pattern_in_base64(key: str, offset: int) -> str:
    """Return the base64 pattern of a key that follows `offset` other bytes.

    Letters that also encode bits of other bytes are left out.
    """
    plain = b"\0" * offset + _bytes_of(key)
    text = pybase64.b64encode(plain).decode().rstrip("=")
    first = (0, 2, 3)[offset]
    end = len(plain) * 8 // 6
    return "".join(map(_letter_pattern, text[first:end]))


def _letter_pattern(letter: str) -> str:
    # RFC 4648: two letters differ in the alphabet for URLs, and URLs escape them.
    match letter:
        case "+":
            return "(?:[+-]|%2b)"
        case "/":
            return r"(?:\\{0,8}/|_|%2f)"
        case _:
            return letter
