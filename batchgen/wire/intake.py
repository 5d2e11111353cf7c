"""What a body is poured into while it arrives."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Protocol

from batchgen.model import Blob, Json
from batchgen.wire.decode import (
    as_text,
    claims_image,
    decode_body,
    image_in_text,
    is_events,
    is_image,
    is_json,
    read_text,
)
from batchgen.wire.documents import Sifted
from batchgen.wire.memory import SMALL_BYTES
from batchgen.wire.sieve import PARSED_WEIGHT, Sieve


class Intake(Protocol):
    """Takes a body, and knows what memory that needs."""

    @property
    def needs_bytes(self) -> int:
        """Memory for what came by now, and for what is made of it."""
        ...

    def expected_bytes(self, size_bytes: int) -> int:
        """Return what a body of a size will most likely need."""
        ...

    def make_room(self, size_bytes: int) -> None:
        """Prepare for a body that says how long it is."""
        ...

    def feed(self, chunk: bytes) -> None:
        """Take what comes next."""
        ...

    def close(self) -> None:
        """Let go of all that came, whoever still holds the intake."""
        ...


class ImageIntake:
    """Keeps a body as it is."""

    def __init__(self) -> None:
        # A file in memory gives its bytes away uncopied; joining takes them twice.
        self._file = io.BytesIO()

    @property
    def needs_bytes(self) -> int:
        return self._file.tell()

    def expected_bytes(self, size_bytes: int) -> int:
        return size_bytes

    def make_room(self, size_bytes: int) -> None:
        # A file that grows as it is written takes four times as long for 1.5 MB.
        if size_bytes > SMALL_BYTES:
            self._file.seek(size_bytes - 1)
            self._file.write(b"\0")
            self._file.seek(0)

    def feed(self, chunk: bytes) -> None:
        self._file.write(chunk)

    def close(self) -> None:
        self._file.close()

    def image(self) -> Blob:
        """Return the whole body, decoded where it is an image's base64."""
        # What unfolded may be less than what was made room for.
        self._file.truncate()
        image = self._file.getvalue()
        return image_in_text(image) or Blob(image)


class ReplyIntake:
    """Reads a reply; base64 in a large JSON document is decoded as it comes.

    Args:
        headers: Of the reply, names in lower case.
        blob_keys: Whose values are base64.
    """

    def __init__(self, headers: Mapping[str, str], blob_keys: frozenset[str]) -> None:
        self._headers = headers
        self._blob_keys = blob_keys
        self._file = io.BytesIO()
        self._weight = 1 if claims_image(headers) else PARSED_WEIGHT
        self._sieve: Sieve | None = None
        self._is_judged = False

    @property
    def needs_bytes(self) -> int:
        if self._sieve is not None:
            return self._sieve.needs_bytes
        return self._weight * self._file.tell()

    @property
    def parsed_bytes(self) -> int:
        """How much `document` will have to read."""
        return self._sieve.text_bytes if self._sieve else self._file.tell()

    def expected_bytes(self, size_bytes: int) -> int:
        if self._weight > 1 and self._blob_keys and size_bytes > SMALL_BYTES:
            return size_bytes * 3 // 4
        return size_bytes * self._weight

    def make_room(self, size_bytes: int) -> None:
        pass  # a sieve keeps less, and nobody can say how much

    def feed(self, chunk: bytes) -> None:
        if self._sieve is not None:
            self._sieve.feed(chunk)
            return
        self._file.write(chunk)
        if self._file.tell() > SMALL_BYTES and not self._is_judged:
            self._is_judged = True
            self._judge(self._file.getvalue())

    def _judge(self, start: bytes) -> None:
        """Decide what to do with a body that is not small."""
        is_text = is_json(start, self._headers) or is_events(start, self._headers)
        if is_image(start, self._headers) or not is_text:
            self._weight = 1
        elif self._blob_keys and json.detect_encoding(start).startswith("utf-8"):
            self._sieve = Sieve(self._blob_keys)
            self._sieve.feed(start)

    def close(self) -> None:
        self._file.close()
        self._sieve = None

    def document(self) -> Json:
        """Return what came, exactly as `decode_body` would have read it.

        Raises:
            Unreadable: it is nested too deeply, or has too many values.
        """
        if self._sieve is None:
            return decode_body(self._file.getvalue(), self._headers, self._blob_keys)
        sifted = Sifted(self._sieve.text(), self._sieve.taken)
        try:
            return read_text(sifted, self._headers, self._blob_keys)
        except ValueError:
            return as_text(self._file.getvalue())

    def beyond(self, text: str) -> Blob | None:
        """Return the whole body if a text that it was read as is not all of it."""
        sieve = self._sieve
        body = self._file.getvalue() if sieve is None else sieve.whole()
        return None if text.encode("utf-8", "replace") == body else Blob(body)
