"""Decompress a body as it arrives, although batchgen asked for no compression.

Caches and object stores send compressed bodies that nobody asked for. The first bytes
of the body count more than the header: some proxies decompress a body and keep its
header, and some names in the header are no compression (`utf-8`, `base64`,
`aws-chunked`). The output comes in small pieces, so that a size limit can stop it
before the memory is used.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator, Mapping

import httpx

PIECE_BYTES = 256 * 1024
"""Largest piece of output."""

MAX_LAYERS = 3
"""Encodings within one another; a body with more is an attack."""

_UNDECIDED_BYTES = 64 * 1024  # a codec without output after these is the right one
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_RAW_WBITS, _GZIP_WBITS = -zlib.MAX_WBITS, zlib.MAX_WBITS | 16
# JSON and images begin like this, and deflated data never does. `[` is not among them:
# brotli data may begin with it.
_PLAIN_STARTS = (b"{", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")


class Decompressor:
    """Remove the encodings of one body; plain bytes pass as they are."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        names = list(_names(headers))
        if len(names) > MAX_LAYERS:
            raise httpx.DecodingError(f"the body came encoded {len(names)} times")
        # The encoding that was applied last is removed first.
        layers = [_Layer(_CODECS_BY_NAME[name], name) for name in reversed(names)]
        # At least one layer: some servers do not declare that they compressed.
        self._layers = layers or [_Layer((), "")]

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the output of the next chunk.

        Raises:
            httpx.DecodingError: the compressed data is damaged.
        """
        yield from self._through(self._layers, data)

    def end(self) -> Iterator[bytes]:
        """Yield what was held back, at the end of the body.

        Raises:
            httpx.RemoteProtocolError: the compressed body was cut off.
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
    """One encoding; the first bytes show whether the header names it rightly.

    The codecs are tried in their order; if none fits, the bytes are plain.
    """

    def __init__(self, codecs: tuple[Callable[[], Codec], ...], name: str) -> None:
        self._codecs = codecs
        self._name = name
        self._undecided = b""
        self._codec: Codec | None = None
        self._is_plain = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._is_plain:
            yield data
        elif self._codec is not None:
            yield from self._decompress(self._codec, data)
        else:
            self._undecided += data
            yield from self._choose(is_end=False)

    def end(self) -> Iterator[bytes]:
        start = self._undecided
        is_open = self._codec is None and not self._is_plain
        is_cut = (
            bool(self._name)
            and is_open
            and any(magic.startswith(start) for magic in (_GZIP, _ZSTD))
        )
        if start and not is_cut:
            yield from self._choose(is_end=True)
        if is_cut or (self._codec is not None and not self._codec.is_finished):
            raise httpx.RemoteProtocolError(
                f"the {self._name or 'encoded'} body was cut"
            )

    def _choose(self, *, is_end: bool) -> Iterator[bytes]:
        """Choose a codec once the first bytes show which; yield their output."""
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
                yield from self._decompress(codec, b"", pieces)
                return
            if not is_end and not codec.is_finished:
                return  # this codec may fit: the next bytes will show
        self._is_plain, self._undecided = True, b""
        yield start

    def _decompress(
        self, codec: Codec, data: bytes, pieces: Iterator[bytes] | None = None
    ) -> Iterator[bytes]:
        try:
            yield from codec.feed(data) if pieces is None else pieces
        except _errors() as error:
            raise httpx.DecodingError(f"damaged {self._name} body: {error}") from error


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._decompressor = zlib.decompressobj(wbits)
        self._after_end = b""

    @property
    def is_finished(self) -> bool:
        return self._decompressor.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._decompressor.eof:
                data = self._after_end + data
                self._after_end = data[: len(_GZIP)]
                if not data.startswith(_GZIP) or self._wbits != _GZIP_WBITS:
                    return  # padding after the end, or too few bytes to know
                self._after_end = b""
                self._decompressor = zlib.decompressobj(self._wbits)  # the next member
            piece = self._decompressor.decompress(data, PIECE_BYTES)
            data = self._decompressor.unconsumed_tail or self._decompressor.unused_data
            if piece:
                yield piece
        while rest := self._decompressor.decompress(b"", PIECE_BYTES):
            yield rest


class _Brotli:
    def __init__(self) -> None:
        # Imported here, because hardly any run needs it.
        import brotli

        self._decompressor = brotli.Decompressor()

    @property
    def is_finished(self) -> bool:
        return bool(self._decompressor.is_finished())

    def feed(self, data: bytes) -> Iterator[bytes]:
        while not self.is_finished:
            piece: bytes = self._decompressor.process(
                data, output_buffer_limit=PIECE_BYTES
            )
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
        self._decompressor = self._new()

    @property
    def is_finished(self) -> bool:
        return self._decompressor.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        while True:
            if self._decompressor.eof:
                if not data.startswith(_ZSTD):
                    return
                self._decompressor = self._new()
            piece = self._decompressor.decompress(data, PIECE_BYTES)
            if piece:
                yield piece
            if self._decompressor.eof:
                data = self._decompressor.unused_data
            elif self._decompressor.needs_input:
                return
            else:
                data = b""


Codec = _Zlib | _Brotli | _Zstd
"""Decompresses one encoding; damaged data raises an error of the library."""


def _errors() -> tuple[type[Exception], ...]:
    """Return the errors of the libraries that are loaded."""
    brotli = sys.modules.get("brotli")
    zstd = sys.modules.get("backports.zstd") or sys.modules.get("compression.zstd")
    return (
        zlib.error,
        *((brotli.error,) if brotli is not None else ()),
        *((zstd.ZstdError,) if zstd is not None else ()),
    )


# gzip and zstd are recognized by their magic numbers.
_CODECS_BY_NAME: Mapping[str, tuple[Callable[[], Codec], ...]] = {
    "gzip": (),
    "zstd": (),
    "deflate": (lambda: _Zlib(zlib.MAX_WBITS), lambda: _Zlib(_RAW_WBITS)),
    "br": (_Brotli,),
}


def _names(headers: Mapping[str, str]) -> Iterator[str]:
    """Yield the supported encodings that the headers name, in their order."""
    for header in ("content-encoding", "transfer-encoding"):
        for text in headers.get(header, "").lower().split(","):
            if (name := text.strip().removeprefix("x-")) in _CODECS_BY_NAME:
                yield name


def _codecs_by_magic(start: bytes) -> tuple[Callable[[], Codec], ...]:
    """Return the codec of the magic number at the start, whatever the header says."""
    if start.startswith(_GZIP):
        return (lambda: _Zlib(_GZIP_WBITS),)
    return (_Zstd,) if start.startswith(_ZSTD) else ()
