"""Find whole keys in what is kept as it came, in every escaping, and overwrite them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from string import ascii_letters, digits

import pybase64

_COVER = b"*"
# An escape is itself escaped where one format stands in another: JSON in JSON in a URL.
_BACKSLASHES = r"\\{1,8}"
_LONGEST_ESCAPE = 16
"""No character of a key takes more bytes than this."""


class KeyMask:
    """Overwrite keys in bytes.

    Only a whole key counts: raw, URL-encoded, escaped for JSON or HTML, in base64 (also
    as a part of what was encoded), and in several of these at once. Upper and lower
    case are one.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        ordered = sorted(set(keys), key=len, reverse=True)
        forms = [form for key in ordered for form in _forms(key)]
        self._pattern = re.compile("|".join(forms).encode(), re.IGNORECASE)
        self._is_empty = not forms
        self.longest_bytes = _LONGEST_ESCAPE * max(map(len, ordered), default=0)

    def holds_key(self, data: bytes) -> bool:
        """Tell whether a key stands in the bytes."""
        return not self._is_empty and self._pattern.search(data) is not None

    def cover(self, data: bytes) -> bytes:
        """Return the bytes with each key overwritten, as long as before."""
        if self._is_empty:
            return data
        return self._pattern.sub(lambda key: _COVER * len(key[0]), data)


def _forms(key: str) -> Iterator[str]:
    yield "".join(map(_escaped, key))
    for offset in range(3):
        yield _in_base64(key, offset)


def _escaped(character: str) -> str:
    """Return the pattern of one character in all its escapings."""
    code = ord(character)
    forms = [
        re.escape(character),
        f"%(?:25){{0,3}}{code:02x}",
        f"{_BACKSLASHES}u{code:04x}",
    ]
    if character not in ascii_letters + digits:
        forms += [
            _BACKSLASHES + re.escape(character),
            f"&#(?:0{{0,3}}{code}|x0{{0,3}}{code:x});",
        ]
    return f"(?:{'|'.join(forms)})"


def _in_base64(key: str, offset: int) -> str:
    """Return what base64 makes of a key that stands behind `offset` other bytes.

    Letters that other bytes have a part in are left out.
    """
    plain = b"\0" * offset + key.encode("utf-8", "replace")
    text = pybase64.b64encode(plain).decode().rstrip("=")
    first = (0, 2, 3)[offset]
    end = len(plain) * 8 // 6
    return "".join(map(_in_alphabet, text[first:end]))


def _in_alphabet(letter: str) -> str:
    # RFC 4648: two letters differ in the alphabet for URLs, and URLs escape them.
    match letter:
        case "+":
            return "(?:[+-]|%2b)"
        case "/":
            return r"(?:\\{0,8}/|_|%2f)"
        case _:
            return letter
