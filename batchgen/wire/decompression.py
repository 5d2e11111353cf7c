"""Unfold a body that came compressed, though nobody asked for that, as it arrives.

We ask for no encoding, but caches and object stores send what they have. The bytes
decide more than the header: a proxy unfolds a body and keeps its header, and some
encodings are none (`utf-8`, `base64`, `aws-chunked`). What unfolds comes in small
pieces, so that a limit of size holds before the memory is taken.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import httpx

PIECE_BYTES = 256 * 1024
"""No piece that unfolds is larger."""

MAX_LAYERS = 3
"""Encodings within one another; more are built to be a burden."""

_UNDECIDED_BYTES = 64 * 1024  # without any output: it is what its header says
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_RAW_WBITS, _GZIP_WBITS = -zlib.MAX_WBITS, zlib.MAX_WBITS | 16
# What JSON and images begin with, and no text that is deflated. The brotli of much
# data may begin with a bracket.
_PLAIN_STARTS = (b"{", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")


class Codec(Protocol):
    """Unfolds one encoding."""

    @property
    def is_finished(self) -> bool:
        """Whether its end has come."""
        ...

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what unfolds, in pieces; raises an error of its own for bad data."""
        ...


class Decompressor:
    """The layers of encoding of one body; plain bytes pass as they are.

    Args:
        headers: Of the response, names in lower case.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        names = list(_names(headers))
        if len(names) > MAX_LAYERS:
            raise httpx.DecodingError(f"the body came encoded {len(names)} times")
        # The one that was applied last is taken off first.
        layers = [_Layer(_CODECS_BY_NAME[name], name) for name in reversed(names)]
        # One layer in any case: some forget to say that they compressed.
        self._layers = layers or [_Layer((), "")]

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next bytes unfold to.

        Raises:
            httpx.DecodingError: they are damaged.
        """
        yield from self._through(self._layers, data)

    def end(self) -> Iterator[bytes]:
        """Yield what was held back; all has come.

        Raises:
            httpx.RemoteProtocolError: a compressed body was cut.
        """
        for index, layer in enumerate(self._layers):
            for piece in layer.end():
                yield from self._through(self._layers[index + 1 :], piece)

    def _through(self, layers: list[_Layer], data: bytes) -> Iterator[bytes]:
        if not layers:
            yield data
            return
        for piece in layers[0].feed(data):
            yield from self._through(layers[1:], piece)


class _Layer:
    """One encoding, whose first bytes tell if it is what its name says.

    Args:
        codecs: To be tried in this order; where none fits, the bytes are plain.
        name: For messages.
    """

    def __init__(self, codecs: tuple[Callable[[], Codec], ...], name: str) -> None:
        self._codecs = codecs
        self._name = name
        self._undecided = b""
        self._codec: Codec | None = None
        self._is_plain = False

    @property
    def _is_open(self) -> bool:
        return self._codec is None and not self._is_plain

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._is_plain:
            yield data
        elif self._codec is not None:
            yield from self._unfold(self._codec, data)
        else:
            self._undecided += data
            yield from self._choose(is_end=False)

    def end(self) -> Iterator[bytes]:
        start = self._undecided
        is_cut = bool(self._name) and self._is_open and _may_begin_magic(start)
        if start and not is_cut:
            yield from self._choose(is_end=True)
        if is_cut or (self._codec is not None and not self._codec.is_finished):
            raise httpx.RemoteProtocolError(
                f"the {self._name or 'encoded'} body was cut"
            )

    def _choose(self, *, is_end: bool) -> Iterator[bytes]:
        """Yield what the first bytes are, once they tell it."""
        start = self._undecided
        if len(start) < len(_ZSTD) and not is_end:
            return
        by_magic = _codecs_by_magic(start)
        has_magic = bool(by_magic)
        is_list = self._name == "deflate" and start.lstrip().startswith(b"[")
        is_plain = is_list or start.lstrip().startswith(_PLAIN_STARTS)
        for make in by_magic or (() if is_plain else self._codecs):
            codec = make()
            pieces = codec.feed(start)
            try:
                first = next(pieces, b"")
            except _errors():
                if has_magic:
                    raise httpx.DecodingError(f"damaged {self._name} body") from None
                continue
            if first or has_magic or len(start) > _UNDECIDED_BYTES:
                self._codec, self._undecided = codec, b""
                yield from filter(None, (first,))
                yield from self._unfold(codec, b"", pieces)
                return
            if not is_end and not codec.is_finished:
                return  # it may be: more will tell
        self._is_plain, self._undecided = True, b""
        yield start

    def _unfold(
        self, codec: Codec, data: bytes, pieces: Iterator[bytes] | None = None
    ) -> Iterator[bytes]:
        try:
            yield from codec.feed(data) if pieces is None else pieces
        except _errors() as error:
            raise httpx.DecodingError(f"damaged {self._name} body: {error}") from error


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._unfold = zlib.decompressobj(wbits)
        self._after_end = b""

    @property
    def is_finished(self) -> bool:
        return self._unfold.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._unfold.eof:
                data = self._after_end + data
                self._after_end = data[: len(_GZIP)]
                if not data.startswith(_GZIP) or self._wbits != _GZIP_WBITS:
                    return  # what follows the end is padding, or too little to tell
                self._after_end = b""
                self._unfold = zlib.decompressobj(self._wbits)  # the next member
            piece = self._unfold.decompress(data, PIECE_BYTES)
            data = self._unfold.unconsumed_tail or self._unfold.unused_data
            if piece:
                yield piece
        while rest := self._unfold.decompress(b"", PIECE_BYTES):
            yield rest


class _Brotli:
    def __init__(self) -> None:
        # Hardly any run needs it, so its library is loaded by the one that does.
        import brotli

        self._unfold = brotli.Decompressor()

    @property
    def is_finished(self) -> bool:
        return bool(self._unfold.is_finished())

    def feed(self, data: bytes) -> Iterator[bytes]:
        while not self.is_finished:
            piece: bytes = self._unfold.process(data, output_buffer_limit=PIECE_BYTES)
            data = b""
            if not piece:
                return
            yield piece


class _Zstd:
    def __init__(self) -> None:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd

        self._new = zstd.ZstdDecompressor
        self._unfold = self._new()

    @property
    def is_finished(self) -> bool:
        return self._unfold.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._unfold.eof:
                if not data.startswith(_ZSTD):
                    return
                self._unfold = self._new()
            piece = self._unfold.decompress(data, PIECE_BYTES)
            if piece:
                yield piece
            if self._unfold.eof:
                data = self._unfold.unused_data
            elif self._unfold.needs_input:
                return
            else:
                data = b""


def _errors() -> tuple[type[Exception], ...]:
    """Return the errors of the libraries that are loaded."""
    brotli = sys.modules.get("brotli")
    zstd = sys.modules.get("backports.zstd") or sys.modules.get("compression.zstd")
    return (
        zlib.error,
        *((brotli.error,) if brotli is not None else ()),
        *((zstd.ZstdError,) if zstd is not None else ()),
    )


def _gzip() -> Codec:
    return _Zlib(_GZIP_WBITS)


# What has a magic number is known by it.
_CODECS_BY_NAME: Mapping[str, tuple[Callable[[], Codec], ...]] = {
    "gzip": (),
    "zstd": (),
    "deflate": (lambda: _Zlib(zlib.MAX_WBITS), lambda: _Zlib(_RAW_WBITS)),
    "br": (_Brotli,),
}


def _names(headers: Mapping[str, str]) -> Iterator[str]:
    """Yield the encodings that the headers name and that we know, in their order."""
    for header in ("content-encoding", "transfer-encoding"):
        for name in headers.get(header, "").lower().split(","):
            if (known := name.strip().removeprefix("x-")) in _CODECS_BY_NAME:
                yield known


def _may_begin_magic(start: bytes) -> bool:
    """Return whether it is nothing yet, or the beginning of a magic number."""
    return _GZIP.startswith(start) or _ZSTD.startswith(start)


def _codecs_by_magic(start: bytes) -> tuple[Callable[[], Codec], ...]:
    """Return the codec that the first bytes name, whatever the header says."""
    if start.startswith(_GZIP):
        return (_gzip,)
    return (_Zstd,) if start.startswith(_ZSTD) else ()
