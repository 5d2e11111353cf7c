"""Read the body of a response to its end, within limits of size, silence and memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import cast

import anyio
import httpx

from batchgen.wire.body_sinks import BodySink
from batchgen.wire.decompression import Decompressor
from batchgen.wire.exchange_errors import TooLarge
from batchgen.wire.memory import MEGABYTE, SMALL_BYTES, MemoryLease

# A timer costs more than reading a small chunk: chunks that arrive within this time
# share one.
_TIMER_STEP_S = 0.001


class MemoryGate:
    """Let the bytes of one exchange into memory when the budget allows it.

    Args:
        lease: The memory that the exchange holds.
        timeout_scope: Ends the exchange; its clock stops while we wait for memory.
    """

    def __init__(self, lease: MemoryLease, timeout_scope: anyio.CancelScope) -> None:
        self._lease = lease
        self._timeout_scope = timeout_scope
        self._granted_bytes = SMALL_BYTES

    def allows(self, size_bytes: int) -> bool:
        """Return whether so many bytes may be held without waiting."""
        return size_bytes <= self._granted_bytes

    async def admit(self, size_bytes: int) -> None:
        """Wait until so many bytes may be held."""
        self._granted_bytes = size_bytes
        if self._lease.try_grow(size_bytes):
            return
        left_s = self._timeout_scope.deadline - anyio.current_time()
        self._timeout_scope.deadline = math.inf
        try:
            await self._lease.grow(size_bytes)
        finally:
            self._timeout_scope.deadline = anyio.current_time() + left_s


async def read_body(
    response: httpx.Response,
    headers: Mapping[str, str],
    gate: MemoryGate,
    sink: BodySink,
    limit_bytes: int,
    silence_s: float,
) -> None:
    """Write the body to a sink, decompressed where needed.

    Raises:
        TooLarge: the body, its declared length or what it decompresses to is larger
            than the limit.
        httpx.HTTPError: the body is damaged, fell silent, or ended too early.
    """
    expected = _declared_length(headers)
    if expected is not None:
        if expected > limit_bytes:
            raise TooLarge(f"the body has {expected} bytes, more than {limit_bytes}")
        await gate.admit(sink.estimate_bytes(expected))
        sink.reserve(expected)
    if response.is_stream_consumed:
        # A transport that is not ours has read the body already.
        sink.feed(response.content)
        size = len(response.content)
    else:
        limited_sink = _LimitedSink(Decompressor(headers), gate, sink, limit_bytes)
        size = await _copy(response, gate, limited_sink, silence_s)
    if expected is not None and size != expected:
        raise httpx.RemoteProtocolError(
            f"the body ended after {size} of {expected} bytes"
        )


def is_delimited(headers: Mapping[str, str]) -> bool:
    """Return whether the headers say where the body ends."""
    return "content-length" in headers or "transfer-encoding" in headers


def _declared_length(headers: Mapping[str, str]) -> int | None:
    # A transfer encoding overrides the length (RFC 9112, section 6.3).
    if "transfer-encoding" in headers:
        return None
    text = headers.get("content-length", "")
    is_number = text.isascii() and text.isdecimal() and len(text) < 20
    return int(text) if is_number else None


class _LimitedSink:
    """Decompress a body on its way to a sink, and stop at the limit."""

    def __init__(
        self,
        decompressor: Decompressor,
        gate: MemoryGate,
        sink: BodySink,
        limit_bytes: int,
    ) -> None:
        self.size_bytes = 0  # still compressed
        self._decompressed_bytes = 0
        self._decompressor = decompressor
        self._gate = gate
        self._sink = sink
        self._limit = limit_bytes

    def feed(self, chunk: bytes) -> Iterator[int]:
        """Pass on a chunk; yield the memory that is needed before the next piece.

        Raises:
            TooLarge: the body is larger than the limit.
        """
        self.size_bytes += len(chunk)
        return self._pass_on(self._decompressor.feed(chunk))

    def end(self) -> Iterator[int]:
        """Pass on what was held back, at the end of the body; else as `feed`."""
        return self._pass_on(self._decompressor.end())

    def _pass_on(self, pieces: Iterator[bytes]) -> Iterator[int]:
        for piece in pieces:
            self._decompressed_bytes += len(piece)
            if max(self.size_bytes, self._decompressed_bytes) > self._limit:
                raise TooLarge(f"the body has more than {self._limit} bytes")
            self._sink.feed(piece)
            if not self._gate.allows(self._sink.required_bytes):
                yield self._sink.required_bytes


async def _copy(
    response: httpx.Response,
    gate: MemoryGate,
    limited_sink: _LimitedSink,
    silence_s: float,
) -> int:
    """Return how many bytes came, before decompression."""
    silent_until = 0.0
    stream = aiter(cast(httpx.AsyncByteStream, response.stream))
    with anyio.CancelScope() as silence:
        while True:
            until = anyio.current_time() + silence_s
            if until - silent_until > _TIMER_STEP_S:
                silence.deadline = silent_until = until
            chunk = await anext(stream, None)
            growth = limited_sink.end() if chunk is None else limited_sink.feed(chunk)
            for size_bytes in growth:
                # While we wait for memory, the server is not the silent one.
                silence.deadline, silent_until = math.inf, 0.0
                # The size of the body is unknown: whole megabytes are asked for.
                await gate.admit(math.ceil(size_bytes / MEGABYTE) * MEGABYTE)
            if chunk is None:
                return limited_sink.size_bytes
    raise httpx.ReadTimeout(f"silence for {silence_s:g} s")
