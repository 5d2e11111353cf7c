"""Read the body of a response to its end, within limits of size, silence and memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import cast

import anyio
import httpx

from batchgen.wire.faults import TooLarge
from batchgen.wire.intake import Intake
from batchgen.wire.memory import MEGABYTE, SMALL_BYTES, Lease
from batchgen.wire.unfold import Unfolding

# Chunks that come together share a timer: each costs more than many a chunk.
_WORTH_A_TIMER_S = 0.001


class Admission:
    """Lets the bytes of one exchange into memory, and stops its clock meanwhile.

    Args:
        lease: What the exchange holds.
        patience: Ends the exchange; it does not run while we are the ones who pause.
    """

    def __init__(self, lease: Lease, patience: anyio.CancelScope) -> None:
        self._lease = lease
        self._patience = patience
        self._admitted = SMALL_BYTES

    def covers(self, size_bytes: int) -> bool:
        """Return whether as many bytes may be held already."""
        return size_bytes <= self._admitted

    async def step(self, size_bytes: int) -> None:
        """Wait until as many bytes may be held, of which nobody knows how many come."""
        await self.admit(math.ceil(size_bytes / MEGABYTE) * MEGABYTE)

    async def admit(self, size_bytes: int) -> None:
        """Wait until as many bytes may be held."""
        self._admitted = size_bytes
        if self._lease.take(size_bytes):
            return
        left_s = self._patience.deadline - anyio.current_time()
        self._patience.deadline = math.inf
        try:
            await self._lease.grow(size_bytes)
        finally:
            self._patience.deadline = anyio.current_time() + left_s


async def read_body(
    response: httpx.Response,
    headers: Mapping[str, str],
    admission: Admission,
    intake: Intake,
    *,
    limit_bytes: int,
    silence_s: float,
) -> None:
    """Pour the body into an intake, unfolded where it came compressed.

    Raises:
        TooLarge: it is, says that it will be, or unfolds to more than the limit.
        httpx.HTTPError: it is damaged, fell silent, or ended too early.
    """
    expected = _declared_length(headers)
    if expected is not None:
        if expected > limit_bytes:
            raise TooLarge(f"the body has {expected} bytes, more than {limit_bytes}")
        await admission.admit(intake.expected_bytes(expected))
        intake.make_room(expected)
    if response.is_stream_consumed:
        # A client that is not ours has read it already.
        intake.feed(response.content)
        size = len(response.content)
    else:
        sink = _Sink(Unfolding(headers), admission, intake, limit_bytes)
        size = await _pour(response, admission, sink, silence_s)
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


class _Sink:
    """Takes the bytes of a body as they come, and what they unfold to."""

    def __init__(
        self,
        unfolding: Unfolding,
        admission: Admission,
        intake: Intake,
        limit_bytes: int,
    ) -> None:
        self.size_bytes = 0  # as they came
        self._unfolded_bytes = 0
        self._unfolding = unfolding
        self._admission = admission
        self._intake = intake
        self._limit = limit_bytes

    def take(self, chunk: bytes) -> Iterator[int]:
        """Take what came next; yield how many bytes must be let in before it goes on.

        Raises:
            TooLarge: that is more than the limit.
        """
        self.size_bytes += len(chunk)
        return self._pass_on(self._unfolding.feed(chunk))

    def end(self) -> Iterator[int]:
        """Take note that all has come; as `take`."""
        return self._pass_on(self._unfolding.end())

    def _pass_on(self, pieces: Iterator[bytes]) -> Iterator[int]:
        for piece in pieces:
            self._unfolded_bytes += len(piece)
            if max(self.size_bytes, self._unfolded_bytes) > self._limit:
                raise TooLarge(f"the body has more than {self._limit} bytes")
            self._intake.feed(piece)
            if not self._admission.covers(self._intake.needs_bytes):
                yield self._intake.needs_bytes


async def _pour(
    response: httpx.Response, admission: Admission, sink: _Sink, silence_s: float
) -> int:
    """Return how many bytes came."""
    silent_until = 0.0
    stream = aiter(cast(httpx.AsyncByteStream, response.stream))
    with anyio.CancelScope() as silence:
        while True:
            until = anyio.current_time() + silence_s
            if until - silent_until > _WORTH_A_TIMER_S:
                silence.deadline = silent_until = until
            chunk = await anext(stream, None)
            for needed in sink.end() if chunk is None else sink.take(chunk):
                # Nobody is silent while we are the ones who pause.
                silence.deadline, silent_until = math.inf, 0.0
                await admission.step(needed)
            if chunk is None:
                return sink.size_bytes
    raise httpx.ReadTimeout(f"silence for {silence_s:g} s")
