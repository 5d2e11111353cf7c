"""Decode the base64 in a JSON document while the document arrives.

A 4K image comes as 27 MB of text. A JSON parser would hold it in memory three times
and block the event loop for a tenth of a second. So the parser only gets the text
around the images.
"""

from __future__ import annotations

import io
import json
import re
from secrets import token_hex

import pybase64

from batchgen.model import Blob

MAX_DECODED_VALUES = 100
"""Values that are decoded here; the parser decodes the rest. No reply has so many
images."""

PARSED_WEIGHT = 3
"""Bytes of memory for each byte of JSON during parsing: as bytes, as text, and as the
values in it [assumed]."""

# Room for a key, its colon, and white space around the colon.
_KEY_BYTES = 256
_ESCAPE_BYTES = 6
_BACKSLASH = 0x5C
DATA_URI = r"data:image/[a-zA-Z0-9.+-]{1,40};base64,"
"""The start of a value that is an image as base64, whatever its key is."""

# What is not decodable yet: less than a group of four letters, and padding.
_TAIL = re.compile(rb"[A-Za-z0-9+/]{0,3}={0,3}")


class Base64StreamDecoder:
    """Replace base64 in a JSON text by placeholders, and decode it.

    The base64 of some keys, and of data URIs under any key.

    The parser must come to the same result as without this class: a value that is not
    plain base64 up to its end goes back into the text as it was.

    Attributes:
        decoded: The decoded values, by their placeholders in the text.
    """

    def __init__(self, blob_keys: frozenset[str]) -> None:
        names = b"|".join(re.escape(key.encode()) for key in sorted(blob_keys))
        # A value that begins with `d` may be a data URI: the second pattern finds it.
        self._key = re.compile(
            rb'"(?:' + names + rb')"\s*:\s*"(?!d)|"\s*:\s*"' + DATA_URI.encode()
        )
        # Random, so that no text of the document can equal a placeholder.
        self._placeholder_prefix = token_hex(16)
        self._finished: list[bytes | _Value] = []
        self._text = bytearray()
        self._searched_to = 0
        self._open: _Value | None = None
        self._remaining_values = MAX_DECODED_VALUES
        self.decoded: dict[str, Blob] = {}
        self._decoded_bytes = self._finished_bytes = 0

    @property
    def text_bytes(self) -> int:
        """Bytes of the text so far."""
        return self._finished_bytes + len(self._text)

    @property
    def required_bytes(self) -> int:
        """Memory for the bytes so far, up to the end of parsing."""
        open_bytes = self._open.size_bytes if self._open else 0
        return self._decoded_bytes + open_bytes + PARSED_WEIGHT * self.text_bytes

    def feed(self, chunk: bytes) -> None:
        """Take the next chunk."""
        rest = chunk
        while rest:
            if self._open is None:
                rest = self._find_value(rest)
            else:
                rest = self._decode_value(rest, self._open)

    def text(self) -> bytes:
        """Return the document with placeholders; call it once, at the end."""
        if self._open is not None:
            self._restore_value(self._open)
        finished = [
            part.base64() if isinstance(part, _Value) else part
            for part in self._finished
        ]
        return b"".join([*finished, self._text])

    def original(self) -> bytes:
        """Return the document as it came, except for escapes within its base64."""
        text = self.text()
        for placeholder, image in self.decoded.items():
            text = text.replace(placeholder.encode(), pybase64.b64encode(image.data))
        return text

    def _find_value(self, text: bytes) -> bytes:
        """Look for a base64 value; return what follows its opening quote."""
        self._text += text
        while match := self._remaining_values and self._key.search(
            self._text, self._searched_to
        ):
            start = self._searched_to = match.end()
            # A key that begins with an escaped quote is only the end of another key.
            if self._text[max(0, match.start() - 1)] == _BACKSLASH:
                continue
            following = bytes(self._text[start:])
            del self._text[start:]
            self._open = _Value()
            self._remaining_values -= 1
            return following
        self._searched_to = max(self._searched_to, len(self._text) - _KEY_BYTES)
        return b""

    def _decode_value(self, text: bytes, value: _Value) -> bytes:
        """Decode up to the closing quote; return the rest, which begins with it."""
        end = text.find(b'"')
        if end < 0:
            if value.add(text):
                return b""
        elif value.add(text[:end], is_last=True):
            self._finish_value(value.close())
            return text[end:]
        self._restore_value(value)
        return text

    def _finish_value(self, image: bytes) -> None:
        self._open = None
        if image:
            placeholder = f"{self._placeholder_prefix}{len(self.decoded)}"
            self.decoded[placeholder] = Blob(image)
            self._decoded_bytes += len(image)
            self._text += placeholder.encode()

    def _restore_value(self, value: _Value) -> None:
        self._open = None
        self._finished += (bytes(self._text), value)
        self._finished_bytes += len(self._text) + value.size_bytes * 4 // 3
        self._text = bytearray(value.undecoded())
        self._searched_to = 0


class _Value:
    """Base64 between two quotes, decoded as far as it has arrived."""

    def __init__(self) -> None:
        self._image = io.BytesIO()
        self._tail = b""
        self._partial_escape = b""

    @property
    def size_bytes(self) -> int:
        """Decoded bytes."""
        return self._image.tell()

    def add(self, piece: bytes, *, is_last: bool = False) -> bool:
        """Decode the next piece; return False, and change nothing, if it is not base64.

        White space, and letters after padding, are not base64 here: such values are
        left to the parser.
        """
        try:
            letters, partial_escape = _unescape(
                self._partial_escape + piece, is_last=is_last
            )
            letters = self._tail + letters
            padding_start = letters.find(b"=")
            letter_count = len(letters) if padding_start < 0 else padding_start
            end = letter_count & ~3  # of the last group of four letters
            tail = letters[end:]
            if not _TAIL.fullmatch(tail):
                return False
            image = pybase64.b64decode(memoryview(letters)[:end], validate=True)
            if is_last:
                tail += b"=" * (-len(tail) % 4)
                image += pybase64.b64decode(tail, validate=True)
        except ValueError:
            return False
        self._image.write(image)
        self._tail, self._partial_escape = tail, partial_escape
        return True

    def close(self) -> bytes:
        """Return the image."""
        # BytesIO hands out its bytes uncopied.
        return self._image.getvalue()

    def base64(self) -> bytes:
        """Return the decoded part as it came, except for its escapes."""
        return pybase64.b64encode(self._image.getvalue())

    def undecoded(self) -> bytes:
        """Return what follows the decoded part."""
        return self._tail + self._partial_escape


def _unescape(text: bytes, *, is_last: bool) -> tuple[bytes, bytes]:
    r"""Return the text without JSON escapes, and an escape at its end that may be cut.

    Some JSON writers escape characters of base64: `\/`, `\u002B`, `\u003d`.

    Raises:
        ValueError: the text is not ASCII, or not JSON.
    """
    if b"\\" not in text:
        return text, b""
    end = len(text)
    if not is_last:
        last = text.rfind(b"\\", max(0, end - _ESCAPE_BYTES + 1))
        end = end if last < 0 else last
    text, partial_escape = text[:end], text[end:]
    unescaped: str = json.loads(f'"{text.decode("ascii")}"', strict=False)
    return unescaped.encode("ascii"), partial_escape
