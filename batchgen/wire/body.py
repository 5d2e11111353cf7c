"""Read the body of a response whole, within limits of size, silence and memory."""

from __future__ import annotations

import io
import math

import anyio
import httpx

from batchgen.wire.faults import TooLarge
from batchgen.wire.memory import MEGABYTE, SMALL_BYTES, Lease

# Some object stores keep the name of an upload's framing and send it back with the
# plain object.
_PLAIN = {
    "content-encoding": frozenset({"", "identity", "aws-chunked"}),
    "transfer-encoding": frozenset({"", "identity", "chunked"}),
}


class Admission:
    """Lets the bytes of one exchange into memory, and stops its clock meanwhile.

    Args:
        lease: What the exchange holds.
        patience: Ends the exchange; it does not run while we are the ones who pause.
        weight: Bytes of memory that each byte of the body takes, decoded ones included.
    """

    def __init__(
        self, lease: Lease, patience: anyio.CancelScope, weight: float = 1.0
    ) -> None:
        self._lease = lease
        self._patience = patience
        self._weight = weight
        self._admitted = SMALL_BYTES

    async def step(self, size_bytes: int) -> None:
        """Wait until as many bytes may be held of a body of unknown size."""
        if size_bytes > self._admitted:
            await self.admit(math.ceil(size_bytes / MEGABYTE) * MEGABYTE)

    async def admit(self, size_bytes: int) -> None:
        """Wait until as many bytes of the body may be held."""
        self._admitted = size_bytes
        weighed = math.ceil(size_bytes * self._weight)
        if self._lease.take(weighed):
            return
        left_s = self._patience.deadline - anyio.current_time()
        self._patience.deadline = math.inf
        try:
            await self._lease.grow(weighed)
        finally:
            self._patience.deadline = anyio.current_time() + left_s


async def read_body(
    response: httpx.Response,
    admission: Admission,
    *,
    limit_bytes: int,
    silence_s: float,
) -> bytes:
    """Return the body as it was sent.

    Raises:
        TooLarge: it is, or says that it will be, larger than the limit.
        httpx.HTTPError: it came encoded, fell silent, or ended too early.
    """
    _check_encoding(response)
    expected = _declared_length(response)
    if expected is not None:
        if expected > limit_bytes:
            raise TooLarge(f"the body has {expected} bytes, more than {limit_bytes}")
        await admission.admit(expected)
    if response.is_stream_consumed:
        body = response.content  # a client that is not ours has read it already
    else:
        body = await _collect(response, admission, limit_bytes, silence_s)
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
    for header, plain in _PLAIN.items():
        encoding = response.headers.get(header, "").strip().lower()
        if encoding not in plain:
            raise httpx.DecodingError(f"the body came encoded as {encoding[:50]!r}")


def _declared_length(response: httpx.Response) -> int | None:
    # A transfer encoding overrides the length (RFC 9112, section 6.3).
    if "transfer-encoding" in response.headers:
        return None
    text = response.headers.get("content-length", "")
    is_number = text.isascii() and text.isdecimal() and len(text) < 20
    return int(text) if is_number else None


async def _collect(
    response: httpx.Response,
    admission: Admission,
    limit_bytes: int,
    silence_s: float,
) -> bytes:
    # A file in memory gives its bytes away uncopied; joining chunks takes them twice.
    body = io.BytesIO()
    stream = response.aiter_raw()
    while True:
        try:
            with anyio.fail_after(silence_s):
                chunk = await anext(stream, None)
        except TimeoutError as error:
            raise httpx.ReadTimeout(f"silence for {silence_s:g} s") from error
        if chunk is None:
            return body.getvalue()
        size = body.tell() + len(chunk)
        if size > limit_bytes:
            raise TooLarge(f"the body has more than {limit_bytes} bytes")
        await admission.step(size)
        body.write(chunk)
