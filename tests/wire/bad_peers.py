"""Servers that do harm, by malice or by accident: how each answers a request."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import brotli
from backports import zstd

from batchgen.wire import WireLimits
from tests.wire.server import Peer, reply

PATIENT = WireLimits(
    connect_s=1.0,
    silence_s=5.0,
    transfer_s=15.0,
    reply_bytes=4_000_000,
    image_bytes=4_000_000,
)
"""For peers that are recognized by their bytes: even a slow machine has enough time."""
NO_SILENCE = replace(PATIENT, silence_s=0.3)
NO_DELAY = replace(PATIENT, connect_s=0.3, transfer_s=0.3)

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
ZEROS = bytes(20_000_000)


@dataclass(frozen=True, kw_only=True)
class Bad:
    """One bad peer.

    Attributes:
        says: What the server does after it has read a request.
        words: Part of the message when a purchase meets the peer.
        limits: The limits of the exchange.
        lost: How a download ends.
    """

    says: Callable[[Peer], None]
    words: str
    limits: WireLimits = PATIENT
    lost: str = "incomplete"

    @property
    def reply_timeout_s(self) -> float:
        return min(self.limits.silence_s, self.limits.transfer_s)


def once(data: bytes) -> Callable[[Peer], None]:
    def says(peer: Peer) -> None:
        peer.say(data)

    return says


def for_ever(head: bytes, more: bytes) -> Callable[[Peer], None]:
    def says(peer: Peer) -> None:
        peer.say(head)
        while True:
            peer.say(more)

    return says


def drop_by_drop(head: bytes, drop: bytes) -> Callable[[Peer], None]:
    """Send a little, now and then: often enough never to be silent."""

    def says(peer: Peer) -> None:
        peer.say(head)
        while not peer.stopped.wait(0.05):
            peer.say(drop)

    return says


def then_silent(data: bytes) -> Callable[[Peer], None]:
    def says(peer: Peer) -> None:
        peer.say(data)
        peer.be_silent()

    return says


def encoded(data: bytes, name: str) -> bytes:
    return reply(data, headers=(f"content-encoding: {name}",))


def bomb(data: bytes, name: str) -> Bad:
    """Send what unfolds to twenty megabytes."""
    return Bad(
        says=once(encoded(data, name)),
        words="more than 4000000 bytes",
        lost="image_rejected",
    )


MANY = b"[" + b"{}," * 300_000 + b"{}]"
DEEP = b"[" * 99_999

BAD: Mapping[str, Bad] = MappingProxyType(
    {
        "endless-chunks": Bad(
            says=for_ever(CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
            words="more than 4000000 bytes",
            lost="image_rejected",
        ),
        "endless-undelimited": Bad(
            says=for_ever(HEAD + b"\r\n", b"x" * 65536),
            words="more than 4000000 bytes",
            lost="image_rejected",
        ),
        "endless-declared": Bad(
            says=for_ever(HEAD + b"content-length: 999999999999\r\n\r\n", b"x" * 65536),
            words="has 999999999999 bytes, more than 4000000",
            lost="image_rejected",
        ),
        "length-beyond-numbers": Bad(
            says=then_silent(HEAD + b"content-length: " + b"9" * 5000 + b"\r\n\r\n"),
            words="no usable reply",
        ),
        "length-below-zero": Bad(
            says=then_silent(HEAD + b"content-length: -1\r\n\r\n"),
            words="no usable reply",
        ),
        "two-lengths": Bad(
            says=then_silent(
                HEAD + b"content-length: 2\r\ncontent-length: 9\r\n\r\n{}"
            ),
            words="no usable reply",
        ),
        "gzip-bomb": bomb(gzip.compress(ZEROS), "gzip"),
        "gzip-bomb-in-gzip": bomb(gzip.compress(gzip.compress(ZEROS)), "gzip, gzip"),
        "gzip-bomb-unnamed": bomb(gzip.compress(ZEROS), "utf-8"),
        "deflate-bomb": bomb(zlib.compress(ZEROS), "deflate"),
        "br-bomb": bomb(brotli.compress(ZEROS, quality=5), "br"),
        "zstd-bomb": bomb(zstd.compress(ZEROS), "zstd"),
        "gzip-many-times": Bad(
            says=once(encoded(gzip.compress(b"{}"), "gzip, gzip, gzip, gzip")),
            words="encoded 4 times",
        ),
        "gzip-cut": Bad(
            says=once(encoded(gzip.compress(b"{}" * 99)[:-9], "gzip")),
            words="body was cut",
        ),
        "zstd-cut": Bad(says=once(encoded(b"(\xb5", "zstd")), words="body was cut"),
        "gzip-damaged": Bad(
            says=once(encoded(gzip.compress(b"{}" * 99)[:12] + b"x" * 99, "gzip")),
            words="damaged",
        ),
        "gzip-as-transfer": Bad(
            says=then_silent(
                HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
            ),
            words="body was cut",
        ),
        "silence-in-body": Bad(
            says=then_silent(HEAD + b"content-length: 9\r\n\r\n{"),
            words="silence for 0.3 s",
            limits=NO_SILENCE,
        ),
        "drops-in-body": Bad(
            says=drop_by_drop(HEAD + b"content-length: 99999\r\n\r\n", b" "),
            words="not finished",
            limits=NO_DELAY,
        ),
        "drops-in-chunks": Bad(
            says=drop_by_drop(CHUNKED, b"1\r\n \r\n"),
            words="not finished",
            limits=NO_DELAY,
        ),
        "drops-in-head": Bad(
            says=drop_by_drop(HEAD, b"x: y\r\n"),
            words="did not begin in time",
            limits=NO_DELAY,
        ),
        "endless-headers": Bad(
            says=for_ever(HEAD, b"x-more: y\r\n"), words="no usable reply"
        ),
        "endless-header": Bad(
            says=for_ever(HEAD + b"x-long: ", b"y" * 65536), words="no usable reply"
        ),
        "endless-status": Bad(
            says=for_ever(b"HTTP/1.1 200 ", b"y" * 65536), words="no usable reply"
        ),
        "endless-early-hints": Bad(
            says=for_ever(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100),
            words="did not begin in time",
            limits=NO_SILENCE,
        ),
        "no-http": Bad(says=then_silent(b"\x00\xff" * 99), words="no usable reply"),
        "chunked-nonsense": Bad(
            says=then_silent(CHUNKED + b"zz\r\n{}\r\n"), words="no usable reply"
        ),
        "chunk-of-huge-size": Bad(
            says=then_silent(CHUNKED + b"f" * 5000 + b"\r\n"), words="no usable reply"
        ),
        "chunk-size-without-end": Bad(
            says=for_ever(CHUNKED + b"1;x=", b"y" * 65536),
            words="silence for 0.3 s",
            limits=NO_SILENCE,
        ),
        "endless-trailers": Bad(
            says=for_ever(CHUNKED + b"2\r\n{}\r\n0\r\n", b"x-more: y\r\n"),
            words="no usable reply",
        ),
        "body-below-its-length": Bad(
            says=once(reply(b"{}", length=9)), words="ended after|payload"
        ),
        "body-beyond-its-length": Bad(
            says=once(reply(b'{"task": 1}', length=5)), words="no usable reply"
        ),
        "deep-json": Bad(says=once(reply(DEEP)), words="nested too deeply"),
        "many-values": Bad(says=once(reply(MANY)), words="more than 100,000 values"),
    }
)
