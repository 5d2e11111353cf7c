"""Read the body of a response whole, within limits of size and silence."""

from __future__ import annotations

import anyio
import httpx

from batchgen.wire.faults import TooLarge

# Some object stores keep the name of an upload's framing and send it back with the
# plain object.
_PLAIN = frozenset({"", "identity", "aws-chunked"})


async def read_body(
    response: httpx.Response, *, limit_bytes: int, silence_s: float
) -> bytes:
    """Return the body as it was sent.

    Raises:
        TooLarge: it is, or says that it will be, larger than the limit.
        httpx.HTTPError: it came encoded, fell silent, or ended too early.
    """
    _check_encoding(response)
    expected = _declared_length(response)
    if expected is not None and expected > limit_bytes:
        raise TooLarge(f"the body has {expected} bytes, more than {limit_bytes}")
    if response.is_stream_consumed:
        body = response.content  # a client that is not ours has read it already
    else:
        body = await _collect(response, limit_bytes, silence_s)
    if expected is not None and len(body) != expected:
        raise httpx.RemoteProtocolError(
            f"the body ended after {len(body)} of {expected} bytes"
        )
    return body


def is_delimited(response: httpx.Response) -> bool:
    """Return whether the response says where its body ends."""
    headers = response.headers
    return "content-length" in headers or "transfer-encoding" in headers


def _check_encoding(response: httpx.Response) -> None:
    # We ask for no encoding, so that no body can unfold beyond its limit.
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in _PLAIN:
        raise httpx.DecodingError(f"the body came encoded as {encoding!r}")


def _declared_length(response: httpx.Response) -> int | None:
    # A transfer encoding overrides the length (RFC 9112, section 6.3).
    if "transfer-encoding" in response.headers:
        return None
    text = response.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdecimal() else None


async def _collect(
    response: httpx.Response, limit_bytes: int, silence_s: float
) -> bytes:
    chunks: list[bytes] = []
    size = 0
    stream = response.aiter_raw()
    while True:
        try:
            with anyio.fail_after(silence_s):
                chunk = await anext(stream, None)
        except TimeoutError as error:
            raise httpx.ReadTimeout(f"silence for {silence_s:g} s") from error
        if chunk is None:
            return b"".join(chunks)
        size += len(chunk)
        if size > limit_bytes:
            raise TooLarge(f"the body has more than {limit_bytes} bytes")
        chunks.append(chunk)
