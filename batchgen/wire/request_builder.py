"""Build requests without a client, which would add headers of its own.

A body is held in pieces, so that images are not copied for each request.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from secrets import token_hex
from types import MappingProxyType

import httpx

from batchgen.addresses.url import read_url
from batchgen.errors import CredentialRejected, RequestInvalid
from batchgen.model import Attachment, Call, DataUri, Inline

# Without compression, a body cannot grow beyond its limit after it has arrived.
_COMMON_HEADERS = {"accept-encoding": "identity", "user-agent": "batchgen"}

_CHUNK_BYTES = 64 * 1024

# These characters in names of a form (HTML standard, multipart/form-data encoding).
_NAME_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


def _join_small(pieces: Iterable[bytes]) -> Iterator[bytes]:
    buffer: list[bytes] = []
    size = 0
    for piece in pieces:
        if buffer and size + len(piece) > _CHUNK_BYTES:
            yield b"".join(buffer)
            buffer, size = [], 0
        buffer.append(piece)
        size += len(piece)
    # join() does not copy a single piece.
    yield b"".join(buffer)


class RequestBody(httpx.AsyncByteStream, httpx.SyncByteStream):
    """A body that can be read again; its large pieces are not copied.

    Attributes:
        size: Bytes of the whole body.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = list(_join_small(pieces))
        self.size = sum(map(len, self._pieces))

    def chunks(self) -> Iterator[memoryview]:
        """Yield the body in chunks of at most 64 KB; a small body is one chunk."""
        for piece in self._pieces:
            view = memoryview(piece)
            for start in range(0, len(view), _CHUNK_BYTES):
                yield view[start : start + _CHUNK_BYTES]

    def __iter__(self) -> Iterator[bytes]:
        yield from map(bytes, self.chunks())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


# With a stream as its body, httpx adds no headers; a GET needs none.
_NO_BODY = RequestBody([])


def build_purchase(provider: str, call: Call) -> httpx.Request:
    """Return the request of a call.

    Raises:
        CredentialRejected: the key cannot be written in a header.
        RequestInvalid: the URL is not valid.
    """
    _check_headers(provider, call.headers)
    headers = _COMMON_HEADERS | {"accept": "application/json, image/*;q=0.9"}
    content_type, body = body_of(call)
    if body is not None:
        headers |= {"content-type": content_type, "content-length": f"{body.size}"}
    try:
        url = _read_url(call.url)
    except httpx.InvalidURL as error:
        raise RequestInvalid(provider, f"the URL cannot be used: {error}") from error
    # httpx sets the host only for bodies of bytes.
    headers["host"] = url.netloc.decode()
    stream = _NO_BODY if body is None and call.method == "GET" else body
    return httpx.Request(
        call.method, url, headers=headers | dict(call.headers), stream=stream
    )


@lru_cache(maxsize=1024)
def _read_url(text: str) -> httpx.URL:
    # Most purchases go to the same URL, and httpx parses URLs slowly.
    url = read_url(text)
    if not url.host:
        raise httpx.InvalidURL("it has no host")
    return url


def _check_headers(provider: str, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise CredentialRejected(
                provider,
                f"the header {name} would hold a line break or a character that HTTP "
                "does not allow; check the key variable",
            )


def build_download(
    url: httpx.URL, key_headers: Mapping[str, str] = MappingProxyType({})
) -> httpx.Request:
    """Return the request of an image: no cookie, and no key except `key_headers`."""
    headers = {
        **key_headers,
        **_COMMON_HEADERS,
        "accept": "image/*,*/*;q=0.5",
        "host": url.netloc.decode(),
    }
    return httpx.Request("GET", url, headers=headers, stream=_NO_BODY)


def body_of(call: Call) -> tuple[str, RequestBody | None]:
    """Return the content type and the body of a call; None where it has no body."""
    if call.json is not None:
        return "application/json", RequestBody(encode_json(call.json))
    if call.form is not None:
        boundary = token_hex(16)
        kind = f"multipart/form-data; boundary={boundary}"
        return kind, RequestBody(encode_form(call.form, boundary))
    return "", None


def encode_json(document: Mapping[str, object]) -> list[bytes]:
    """Return a JSON document in pieces; the base64 of its images is not copied.

    Raises:
        TypeError, ValueError: a value cannot be written as JSON.
    """
    images: list[Inline | DataUri] = []
    # Random, so that no prompt can contain it.
    placeholder = token_hex(16)

    def replace_image(value: object) -> str:
        if not isinstance(value, Inline | DataUri):
            raise TypeError(f"{type(value).__name__} cannot stand in JSON")
        images.append(value)
        return placeholder

    text = json.dumps(
        dict(document), separators=(",", ":"), allow_nan=False, default=replace_image
    )
    if not images:
        return [text.encode()]
    first, *others = text.encode().split(placeholder.encode())
    pieces = [first]
    for image, following in zip(images, others, strict=True):
        pieces += (*text_of_image(image), following)
    return pieces


def text_of_image(image: Inline | DataUri) -> tuple[bytes, bytes]:
    """Return how an image is written in JSON: a prefix, and base64."""
    if isinstance(image, Inline):
        return b"", image.base64
    return f"data:{image.image.media_type};base64,".encode(), image.image.base64


def encode_form(
    form: Sequence[tuple[str, str | Attachment]], boundary: str
) -> Iterator[bytes]:
    """Yield a form as multipart/form-data (RFC 7578); files are not copied."""
    for name, value in form:
        head = f'--{boundary}\r\ncontent-disposition: form-data; name="{_quote(name)}"'
        if isinstance(value, str):
            yield f"{head}\r\n\r\n{value}".encode()
        else:
            file = f'filename="{_quote(value.name)}"'
            kind = f"content-type: {value.media_type}"
            yield f"{head}; {file}\r\n{kind}\r\n\r\n".encode()
            yield value.data
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _quote(name: str) -> str:
    return name.translate(_NAME_ESCAPES)
