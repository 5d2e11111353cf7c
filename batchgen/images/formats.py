"""Walk the structure of each image format to its end, and read its size.

Each function gets bytes that begin with the format's magic, and returns size in pixels
and number of frames as the file states them. It raises NotAnImage, struct.error or
IndexError if the file ends early. No pixels are read: the cost is one step for each
chunk.

Sources: PNG (W3C, third edition), JPEG (ITU T.81 annex B), WebP container (RFC 9649),
GIF89a (W3C), ISO base media file format and HEIF (ISO 14496-12, 23008-12).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

# Between pixels, FF is followed by 00 or by a restart marker; further FF are padding.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_Path = tuple[tuple[bytes, int], ...]
# Names of nested boxes, each with the bytes of its version and flags.
_AVIF_SIZE: _Path = ((b"meta", 4), (b"iprp", 0), (b"ipco", 0), (b"ispe", 4))
_AVIF_FRAMES: _Path = (
    (b"moov", 0),
    (b"trak", 0),
    (b"mdia", 0),
    (b"minf", 0),
    (b"stbl", 0),
    (b"stsz", 4),
)


class Shape(NamedTuple):
    """The size of an image; an animation has more than one frame."""

    width_px: int
    height_px: int
    frames: int = 1


class NotAnImage(ValueError):
    """The bytes are no whole, usable image; the message says what they are."""


def cut_off(name: str) -> NotAnImage:
    """Return the error for a truncated file."""
    return NotAnImage(f"cut off: {name} without its end")


def png(data: bytes) -> Shape:
    """Walk the chunks to IEND."""
    kind, size = b"", None
    has_pixels, frames = False, 1
    position = 8
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, position)
        position += 12 + length
        if not kind.isalpha():
            raise NotAnImage("damaged: PNG with a chunk of no known kind")
        if position > len(data):
            raise cut_off("PNG")
        if size is None:
            if kind != b"IHDR" or length != 13:
                raise NotAnImage("damaged: PNG without its header")
            size = struct.unpack_from(">II", data, 16)
        if kind == b"acTL":
            (frames,) = struct.unpack_from(">I", data, position - 4 - length)
        has_pixels = has_pixels or kind == b"IDAT"
    if size is None or not has_pixels:
        raise NotAnImage("damaged: PNG without pixels")
    return Shape(size[0], size[1], frames)


def jpeg(data: bytes) -> Shape:
    """Walk the markers to the end-of-image marker, over the pixels by a search."""
    shape: Shape | None = None
    has_pixels = False
    position = 2
    while (match := _JPEG_MARKER.search(data, position)) is not None:
        marker = data[match.start() + 1]
        position = match.end()
        if marker == 0xD9:
            if shape is None or not has_pixels:
                raise NotAnImage("damaged: JPEG without pixels")
            return shape
        if marker == 0x01:
            continue
        if marker in _JPEG_FRAMES:
            height_px, width_px = struct.unpack_from(">HH", data, position + 3)
            shape = shape or Shape(width_px, height_px)
        has_pixels = has_pixels or marker == 0xDA
        (length,) = struct.unpack_from(">H", data, position)
        position += length
    raise cut_off("JPEG")


def webp(data: bytes) -> Shape:
    """Walk the chunks to the length that the file states."""
    (length,) = struct.unpack_from("<I", data, 4)
    if 8 + length > len(data):
        raise cut_off("WebP")
    size: tuple[int, int] | None = None
    stills = frames = 0
    for kind, start, end in _webp_chunks(data, 8 + length):
        if kind == b"VP8X":
            size = (
                int.from_bytes(data[start + 4 : start + 7], "little") + 1,
                int.from_bytes(data[start + 7 : start + 10], "little") + 1,
            )
        elif kind in (b"VP8 ", b"VP8L"):
            size = size or _webp_frame(kind, data[start : min(end, start + 10)])
            stills += 1
        elif kind == b"ANMF":
            frames += 1
    if size is None or not stills + frames:
        raise NotAnImage("damaged: WebP without pixels")
    return Shape(*size, frames=max(frames, 1))


def _webp_chunks(data: bytes, stop: int) -> Iterator[tuple[bytes, int, int]]:
    position = 12
    while position + 8 <= stop:
        kind, length = struct.unpack_from("<4sI", data, position)
        start, end = position + 8, position + 8 + length
        if end > stop:
            raise cut_off("WebP")
        yield kind, start, end
        position = end + length % 2


def _webp_frame(kind: bytes, head: bytes) -> tuple[int, int]:
    if kind == b"VP8L":
        signature, bits = struct.unpack_from("<BI", head)
        if signature != 0x2F:
            raise NotAnImage("damaged: WebP without its header")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    start_code, width, height = struct.unpack_from("<3sHH", head, 3)
    if start_code != b"\x9d\x01\x2a":
        raise NotAnImage("damaged: WebP without its header")
    return width & 0x3FFF, height & 0x3FFF


def gif(data: bytes) -> Shape:
    """Walk the blocks to the trailer."""
    width_px, height_px, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + _gif_colours(flags)
    frames = 0
    while (block := data[position]) != 0x3B:
        if block == 0x21:  # extension: one byte says which
            position += 2
        elif block == 0x2C:  # image: place, size, flags, colours, one byte of code size
            position += 10 + _gif_colours(data[position + 9]) + 1
            frames += 1
        else:
            raise NotAnImage("damaged: GIF with a block of no known kind")
        while length := data[position]:
            position += 1 + length
        position += 1
    if not frames:
        raise NotAnImage("damaged: GIF without pixels")
    return Shape(width_px, height_px, frames)


def _gif_colours(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def avif(data: bytes) -> Shape:
    """Return the largest size that an AVIF with pixel data states."""
    if not any(kind == b"mdat" for kind, _, _ in _boxes(data, 0, len(data))):
        raise cut_off("AVIF")
    sizes = [struct.unpack_from(">II", data, at) for at in _avif(data, _AVIF_SIZE)]
    if not sizes:
        raise NotAnImage("damaged: AVIF without its header")
    # A sequence has a track of frames, and a second one if they are transparent. The
    # number of frames follows the size that all of them share, or 0.
    frames = [
        struct.unpack_from(">I", data, at + 4)[0] for at in _avif(data, _AVIF_FRAMES)
    ]
    # Tiles and thumbnails state sizes, too, but smaller ones.
    width_px, height_px = max(sizes, key=lambda size: size[0] * size[1])
    return Shape(width_px, height_px, max(frames, default=1))


def _avif(data: bytes, path: _Path) -> list[int]:
    """Return the start of the content of each box at the end of a path."""
    spans = [(0, len(data))]
    for name, header_bytes in path:
        spans = [
            (start + header_bytes, end)
            for outer in spans
            for kind, start, end in _boxes(data, *outer)
            if kind == name
        ]
    return [start for start, _ in spans]


def _boxes(data: bytes, position: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    while position < stop:
        length, kind = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = stop if length == 0 else position + length
        if not start <= end <= stop:
            raise cut_off("AVIF")
        yield kind, start, end
        position = end
