"""What takes the body of a response while it arrives."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

from batchgen.model import Blob, Json
from batchgen.wire.base64_stream import PARSED_WEIGHT, Base64StreamDecoder
from batchgen.wire.body_decoding import (
    declares_image,
    decode_body,
    image_in_text,
    is_events,
    is_image,
    is_json,
    read_text,
    start_as_text,
)
from batchgen.wire.memory import SMALL_BYTES


class ImageSink:
    """Keep a body as it is."""

    def __init__(self) -> None:
        # BytesIO hands out its bytes uncopied; joining chunks takes the memory twice.
        self._file = io.BytesIO()

    @property
    def required_bytes(self) -> int:
        """Memory for the bytes so far, and for what they are decoded to."""
        return self._file.tell()

    def estimate_bytes(self, size_bytes: int) -> int:
        """Return the memory that a body of this size will most likely need."""
        return size_bytes

    def reserve(self, size_bytes: int) -> None:
        """Prepare for a body of a declared length."""
        # A buffer that grows with each write takes four times as long for 1.5 MB.
        if size_bytes > SMALL_BYTES:
            self._file.seek(size_bytes - 1)
            self._file.write(b"\0")
            self._file.seek(0)

    def feed(self, chunk: bytes) -> None:
        self._file.write(chunk)

    def close(self) -> None:
        """Free the bytes, even where a frame still refers to the sink."""
        self._file.close()

    def image(self) -> Blob:
        """Return the whole body; decoded where the body is base64 of an image."""
        # `reserve` may have made room for more than what came.
        self._file.truncate()
        image = self._file.getvalue()
        return image_in_text(image) or Blob(image)


class ReplySink:
    """Read a reply; base64 under `blob_keys` of large JSON is decoded as it arrives."""

    def __init__(self, headers: Mapping[str, str], blob_keys: frozenset[str]) -> None:
        self._headers = headers
        self._blob_keys = blob_keys
        self._file = io.BytesIO()
        self._weight = 1 if declares_image(headers) else PARSED_WEIGHT
        self._decoder: Base64StreamDecoder | None = None
        self._is_detected = False

    @property
    def required_bytes(self) -> int:
        if self._decoder is not None:
            return self._decoder.required_bytes
        return self._weight * self._file.tell()

    @property
    def parsed_bytes(self) -> int:
        """Bytes that `document` has to parse."""
        return self._decoder.text_bytes if self._decoder else self._file.tell()

    def estimate_bytes(self, size_bytes: int) -> int:
        if self._weight > 1 and self._blob_keys and size_bytes > SMALL_BYTES:
            return size_bytes * 3 // 4
        return size_bytes * self._weight

    def reserve(self, size_bytes: int) -> None:
        pass  # the decoder keeps less than the declared length, by an unknown amount

    def feed(self, chunk: bytes) -> None:
        if self._decoder is not None:
            self._decoder.feed(chunk)
            return
        self._file.write(chunk)
        if self._file.tell() > SMALL_BYTES and not self._is_detected:
            self._is_detected = True
            self._detect_format(self._file.getvalue())

    def _detect_format(self, start: bytes) -> None:
        """Decide whether base64 in a large body is decoded as it arrives."""
        is_text = is_json(start, self._headers) or is_events(start, self._headers)
        if is_image(start, self._headers) or not is_text:
            self._weight = 1
        elif self._blob_keys and json.detect_encoding(start).startswith("utf-8"):
            self._decoder = Base64StreamDecoder(self._blob_keys)
            self._decoder.feed(start)

    def close(self) -> None:
        self._file.close()
        self._decoder = None

    def document(self) -> Json:
        """Return the body, exactly as `decode_body` would have read it.

        Raises:
            JsonTooLarge: the JSON is nested too deeply, or has too many values.
        """
        if self._decoder is None:
            return decode_body(self._file.getvalue(), self._headers, self._blob_keys)
        text, decoded = self._decoder.text(), self._decoder.decoded
        try:
            return read_text(text, self._headers, self._blob_keys, decoded)
        except ValueError:
            return start_as_text(self._file.getvalue())

    def body_if_longer(self, text: str) -> Blob | None:
        """Return the whole body if this text, as which it was read, is only a part."""
        decoder = self._decoder
        body = self._file.getvalue() if decoder is None else decoder.original()
        return None if text.encode("utf-8", "replace") == body else Blob(body)


BodySink = ImageSink | ReplySink
"""Takes a body chunk by chunk, and knows how much memory it needs."""
