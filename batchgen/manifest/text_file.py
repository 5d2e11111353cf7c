"""Text files as UTF-8, whatever their compression and encoding."""

from __future__ import annotations

import codecs
import io
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from gzip import BadGzipFile
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from batchgen.errors import SpecError
from batchgen.manifest.wording import shown

Compression = Literal["", "gzip", "zstd"]

UTF8 = "utf-8"
MARK = b"\xef\xbb\xbf"
"""The byte order mark of UTF-8."""

_MAGIC: dict[bytes, Compression] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_BLOCK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text on disk.

    Attributes:
        encoding: A codec of Python.
    """

    path: Path
    compression: Compression = ""
    encoding: str = UTF8

    def open(self) -> BinaryIO:
        """Open the text from its start, as UTF-8.

        Reading raises SpecError where the compressed file is damaged, and
        UnicodeDecodeError after the last character before a wrong byte.
        """
        if self.encoding != UTF8:
            recoded = _Recoded(self.open_bytes(), self.encoding)
            return cast("BinaryIO", io.BufferedReader(recoded, _BLOCK_BYTES))
        return self.open_bytes()

    def open_bytes(self) -> BinaryIO:
        """Open the text from its start, decompressed, in its own encoding."""
        file = self.path.open("rb")
        if not self.compression:
            return file
        unpacked = _Unpacked(self.path, file, self.compression)
        return cast("BinaryIO", io.BufferedReader(unpacked, _BLOCK_BYTES))

    def open_at(self, offset: int) -> BinaryIO:
        """Open the text at a byte of its UTF-8."""
        file = self.open()
        if self.encoding == UTF8 and not self.compression:
            file.seek(offset)
            return file
        while offset and (block := file.read(min(offset, _BLOCK_BYTES))):
            offset -= len(block)
        return file


def compression_of(head: bytes) -> Compression:
    """Return how a file is compressed, by its first bytes."""
    for magic, compression in _MAGIC.items():
        # A text may begin with the same letters, but has no such bytes.
        if head.startswith(magic):
            return compression
    return ""


class _Unpacked(io.RawIOBase):
    """The content of a compressed file."""

    def __init__(
        self, path: Path, file: BinaryIO, compression: Literal["gzip", "zstd"]
    ) -> None:
        self._path = path
        self._packed = file
        self._file, self._errors = _unpacker(file, compression)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        try:
            data = self._file.read(len(view))
        except self._errors as error:
            raise SpecError(
                f"{shown(self._path)}: the compressed file is damaged or not whole "
                f"({' '.join(str(error).split())}): get it anew"
            ) from error
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._packed.close()
        super().close()


def _unpacker(
    file: BinaryIO, compression: Literal["gzip", "zstd"]
) -> tuple[BinaryIO, tuple[type[Exception], ...]]:
    """Return a decompressing file, and the errors that it raises for damage."""
    if compression == "gzip":
        # Imported here: few tables are compressed.
        from isal import igzip
        from isal.igzip_lib import IsalError

        unpack: Callable[..., Any] = igzip.GzipFile
        damage: Any = IsalError
        return unpack(fileobj=file), (BadGzipFile, EOFError, zlib.error, damage)
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return cast("BinaryIO", zstd.ZstdFile(file)), (EOFError, zstd.ZstdError)


class _Recoded(io.RawIOBase):
    """A text of another encoding as UTF-8."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ready = b""
        self._error: UnicodeDecodeError | None = None
        self._is_at_end = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        while not self._ready and not self._is_at_end:
            self._ready = self._next_text().encode("utf-8", "surrogatepass")
        part = self._ready[: len(view)]
        self._ready = self._ready[len(part) :]
        view[: len(part)] = part
        return len(part)

    def _next_text(self) -> str:
        if self._error is not None:
            raise self._error
        block = self._file.read(_BLOCK_BYTES)
        self._is_at_end = not block
        try:
            return self._decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            # What stands before the wrong byte is delivered first: then the reader
            # knows its line.
            self._error, self._is_at_end = error, False
            return bytes(error.object[: error.start]).decode(self._encoding)

    def close(self) -> None:
        self._file.close()
        super().close()
