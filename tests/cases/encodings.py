"""Content codings, made by hand where no library of ours makes them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Mapping


def deflate_raw(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def brotli(data: bytes) -> bytes:
    """Return one stored meta-block and an empty last one (RFC 7932, section 9)."""
    assert 0 < len(data) <= 0x10000
    head = (len(data) - 1) << 4 | 1 << 20
    return head.to_bytes(3, "little") + data + b"\x03"


CODINGS: Mapping[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate with its header": ("deflate", zlib.compress),
    "deflate without it": ("deflate", deflate_raw),
    "br": ("br", brotli),
    "x-gzip": ("x-gzip", gzip.compress),
}
"""By case: the name in Content-Encoding, and how a body is packed."""

NO_CODINGS = ("utf-8", "aws-chunked", "none", "identity", "unknown", "base64")
"""Names that services give to bodies that are not packed at all."""
