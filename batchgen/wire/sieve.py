"""Take base64 out of a JSON document while it arrives, and decode it at once.

A 4K image comes as 27 MB of text: a parser would hold it three times, and everybody
else up for a tenth of a second. So only what stands around it is left to the parser.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from secrets import token_hex
from types import MappingProxyType

import pybase64

from batchgen.model import Blob

MOST_TAKEN = 100
"""Values that are looked into; a parser has the others: no reply has as many images."""

PARSED_WEIGHT = 3
"""Bytes that each byte of JSON takes while it is parsed: as it came, as text, and as
the values in it [assumed]."""

# Room for a key, its colon, and the white space that somebody may put around it.
_KEY_BYTES = 256
_ESCAPE_BYTES = 6
_BACKSLASH = 0x5C
DATA_URI = r"data:image/[a-zA-Z0-9.+-]{1,40};base64,"
"""What a value begins with that is an image as base64, whatever its key is."""

# What may wait for its end: a part of four letters, and padding.
_TAIL = re.compile(rb"[A-Za-z0-9+/]{0,3}={0,3}")


class Sieve:
    """Holds back base64, decoded; a word takes its place in the text.

    That of some keys, and of data URIs.

    Nothing is decided here that a parser decides otherwise: a value that is no plain
    base64 to its end is put back into the text as it was.
    """

    def __init__(self, blob_keys: frozenset[str]) -> None:
        names = b"|".join(re.escape(it.encode()) for it in sorted(blob_keys))
        # What begins with a `d` may be a data URI, which is looked for under all keys.
        self._key = re.compile(
            rb'"(?:' + names + rb')"\s*:\s*"(?!d)|"\s*:\s*"' + DATA_URI.encode()
        )
        # Random, so that no text of the document can be it.
        self._word = token_hex(16)
        self._before: list[bytes | _Value] = []
        self._text = bytearray()
        self._looked_to = 0
        self._open: _Value | None = None
        self._left = MOST_TAKEN
        self._taken: dict[str, Blob] = {}
        self._taken_bytes = self._before_bytes = 0

    @property
    def taken(self) -> Mapping[str, Blob]:
        """What stands for what in the text."""
        return MappingProxyType(self._taken)

    @property
    def text_bytes(self) -> int:
        """Bytes of the text by now."""
        return self._before_bytes + len(self._text)

    @property
    def needs_bytes(self) -> int:
        """Memory for what came by now, until it is parsed."""
        arriving = self._open.size_bytes if self._open else 0
        return self._taken_bytes + arriving + PARSED_WEIGHT * self.text_bytes

    def feed(self, chunk: bytes) -> None:
        """Take what comes next."""
        left = chunk
        while left:
            value = self._open
            left = self._skim(left) if value is None else self._pour(left, value)

    def text(self) -> bytes:
        """Return the document with words for what was taken; long work at its end."""
        if self._open is not None:
            self._put_back(self._open)
        before = [it.base64() if isinstance(it, _Value) else it for it in self._before]
        return b"".join([*before, self._text])

    def whole(self) -> bytes:
        """Return the document as it came, but for escapes within its base64."""
        text = self.text()
        for word, image in self._taken.items():
            text = text.replace(word.encode(), pybase64.b64encode(image.data))
        return text

    def _skim(self, text: bytes) -> bytes:
        """Look for a value; return what follows after its opening quote."""
        self._text += text
        while found := self._left and self._key.search(self._text, self._looked_to):
            start = self._looked_to = found.end()
            # A key that begins with an escaped quote is only the end of another.
            if self._text[max(0, found.start() - 1)] == _BACKSLASH:
                continue
            following = bytes(self._text[start:])
            del self._text[start:]
            self._open = _Value()
            self._left -= 1
            return following
        self._looked_to = max(self._looked_to, len(self._text) - _KEY_BYTES)
        return b""

    def _pour(self, text: bytes, value: _Value) -> bytes:
        """Decode up to the closing quote; return what follows, with the quote."""
        end = text.find(b'"')
        if end < 0:
            if value.add(text):
                return b""
        elif value.add(text[:end], ends=True):
            self._take(value.close())
            return text[end:]
        self._put_back(value)
        return text

    def _take(self, image: bytes) -> None:
        self._open = None
        if image:
            word = f"{self._word}{len(self._taken)}"
            self._taken[word] = Blob(image)
            self._taken_bytes += len(image)
            self._text += word.encode()

    def _put_back(self, value: _Value) -> None:
        self._open = None
        self._before += (bytes(self._text), value)
        self._before_bytes += len(self._text) + value.size_bytes * 4 // 3
        self._text = bytearray(value.undecoded())
        self._looked_to = 0


class _Value:
    """Base64 between two quotes, decoded as far as it came."""

    def __init__(self) -> None:
        self._image = io.BytesIO()
        self._tail = b""
        self._cut = b""

    @property
    def size_bytes(self) -> int:
        """Bytes that are decoded."""
        return self._image.tell()

    def add(self, piece: bytes, *, ends: bool = False) -> bool:
        """Decode what comes next; False, and nothing changed, if it is no base64.

        Letters after padding are none, nor is white space: a parser may see to it.
        """
        try:
            letters, cut = _unescape(self._cut + piece, ends=ends)
            letters = self._tail + letters
            padded_from = letters.find(b"=")
            usable = len(letters) if padded_from < 0 else padded_from
            whole = usable & ~3
            tail = letters[whole:]
            if not _TAIL.fullmatch(tail):
                return False
            image = pybase64.b64decode(memoryview(letters)[:whole], validate=True)
            if ends:
                tail += b"=" * (-len(tail) % 4)
                image += pybase64.b64decode(tail, validate=True)
        except ValueError:
            return False
        self._image.write(image)
        self._tail, self._cut = tail, cut
        return True

    def close(self) -> bytes:
        """Return the image."""
        # A file in memory gives its bytes away uncopied.
        return self._image.getvalue()

    def base64(self) -> bytes:
        """Return what was decoded as it came, but for its escapes."""
        return pybase64.b64encode(self._image.getvalue())

    def undecoded(self) -> bytes:
        """Return what follows after that."""
        return self._tail + self._cut


def _unescape(text: bytes, *, ends: bool) -> tuple[bytes, bytes]:
    r"""Return what JSON text stands for, and an escape at its end that may be cut.

    Some writers of JSON escape what base64 has: `\/`, `\u002B`, `\u003d`.

    Raises:
        ValueError: it is no ASCII, or no JSON.
    """
    if b"\\" not in text:
        return text, b""
    cut_at = -1 if ends else text.rfind(b"\\", max(0, len(text) - _ESCAPE_BYTES + 1))
    whole, cut = (text, b"") if cut_at < 0 else (text[:cut_at], text[cut_at:])
    meant: str = json.loads(f'"{whole.decode("ascii")}"', strict=False)
    return meant.encode("ascii"), cut
