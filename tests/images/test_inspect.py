"""Whole images are known by their content, everything else is refused in words."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from batchgen.images import ImageFacts, NotAnImage, inspect


def encode(kind: str, size: tuple[int, int] = (37, 21), **options: Any) -> bytes:
    """Return an image that Pillow made, with some noise in it."""
    picture = Image.effect_noise(size, 90).convert("RGB")
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def animated(kind: str) -> bytes:
    pictures = [Image.effect_noise((37, 21), 90).convert("RGB") for _ in range(3)]
    file = io.BytesIO()
    pictures[0].save(file, kind, save_all=True, append_images=pictures[1:])
    return file.getvalue()


def png_of(width: int, height: int) -> bytes:
    """Return a PNG that says it has this size; its pixels are not there."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


WHOLE = {
    "png": encode("PNG"),
    "jpeg": encode("JPEG"),
    "jpeg-progressive": encode("JPEG", progressive=True),
    "jpeg-with-thumbnail": encode(
        "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + encode("JPEG", (4, 3))
    ),
    "jpeg-restarts": encode("JPEG", restart_marker_blocks=1),
    "webp": encode("WEBP"),
    "webp-lossless": encode("WEBP", lossless=True),
    "webp-extended": encode("WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
    "webp-odd-chunk": encode("WEBP", icc_profile=b"odd"),
    "webp-animated": animated("WEBP"),
    "gif": encode("GIF"),
    "gif-animated": animated("GIF"),
    "gif-interlaced": encode("GIF", interlace=1),
    "png-animated": animated("PNG"),
    "avif": encode("AVIF"),
    "avif-animated": animated("AVIF"),
}
each_kind = pytest.mark.parametrize("kind", WHOLE)


@each_kind
def test_a_whole_image_is_known_by_its_content(kind: str) -> None:
    facts = inspect(WHOLE[kind])

    name = kind.split("-", maxsplit=1)[0]
    assert facts == ImageFacts(
        media_type=f"image/{name}",
        extension="jpg" if name == "jpeg" else name,
        size_bytes=len(WHOLE[kind]),
        width_px=37,
        height_px=21,
        frames=3 if kind.endswith("animated") else 1,
    )


@each_kind
def test_an_image_cut_anywhere_is_refused(kind: str) -> None:
    for size in range(len(WHOLE[kind])):
        with pytest.raises(NotAnImage):
            inspect(WHOLE[kind][:size])


@each_kind
def test_an_image_cut_in_its_pixels_is_called_cut_off(kind: str) -> None:
    with pytest.raises(NotAnImage, match=r"^cut off: (PNG|JPEG|WebP|GIF|AVIF) without"):
        inspect(WHOLE[kind][:-20])


@each_kind
def test_zeros_behind_the_end_are_left_alone(kind: str) -> None:
    assert inspect(WHOLE[kind] + bytes(4096)).width_px == 37


@pytest.mark.parametrize(
    "kind", sorted(name for name in WHOLE if not name.startswith("avif"))
)
def test_a_second_picture_behind_the_end_is_left_alone(kind: str) -> None:
    assert inspect(WHOLE[kind] + encode("JPEG", (99, 99))).width_px == 37


@given(
    kind=st.sampled_from(sorted(WHOLE)),
    changes=st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=8
    ),
)
def test_damage_is_never_worse_than_a_refusal(
    kind: str, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(WHOLE[kind])
    for position, value in changes:
        data[position % len(data)] = value

    try:
        facts = inspect(bytes(data))
    except NotAnImage:
        return
    assert 0 < facts.width_px * facts.height_px <= 400_000_000


@given(magic=st.sampled_from(sorted(WHOLE)), rest=st.binary(max_size=200))
def test_noise_behind_any_magic_is_never_worse_than_a_refusal(
    magic: str, rest: bytes
) -> None:
    with pytest.raises(NotAnImage):
        inspect(WHOLE[magic][:16] + rest + b"\xff")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"", "^empty$", id="empty"),
        pytest.param(b" \n<!DOCTYPE html><html>", "an HTML page", id="html"),
        pytest.param(b"\xef\xbb\xbf<html>", "an HTML page", id="html-with-mark"),
        pytest.param(b'<?xml version="1.0"?><Error/>', "XML", id="xml"),
        pytest.param(b'<?xml version="1.0"?>\n<svg/>', "an SVG drawing", id="svg"),
        pytest.param(b'{"error": "expired"}', "JSON", id="json"),
        pytest.param(b"Not found", "text", id="text"),
        pytest.param("nicht verfügbar".encode(), "text", id="text-not-ascii"),
        pytest.param(bytes(600), "zero bytes", id="zeros"),
        pytest.param(b"\x1f\x8b\x08" + bytes(20), "gzip", id="gzip"),
        pytest.param(encode("BMP"), "BMP", id="bmp"),
        pytest.param(encode("TIFF"), "TIFF", id="tiff"),
        pytest.param(b"%PDF-1.7\n", "a PDF", id="pdf"),
        pytest.param(b"\0\0\0\x18ftypheic" + bytes(12), "HEIC", id="heic"),
        pytest.param(b"\x89PN\r", "cut off: 4 bytes", id="cut-magic"),
        pytest.param(b"\x01\x02\x80" * 9, "begins with 01 02 80", id="unknown"),
        pytest.param(png_of(0, 5), "0 x 5", id="no-width"),
        pytest.param(png_of(30_000, 30_000), "too large", id="too-many-pixels"),
        pytest.param(png_of(65_536, 1), "too large", id="too-long"),
    ],
)
def test_what_is_no_image_is_named(data: bytes, words: str) -> None:
    with pytest.raises(NotAnImage, match=words):
        inspect(data)


def test_the_largest_image_is_taken() -> None:
    assert inspect(png_of(65_535, 6_103)).width_px == 65_535


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png_of(5, 5)[:8] + png_of(5, 5)[33:], id="png-header"),
        pytest.param(png_of(5, 5)[:33] + png_of(5, 5)[45:], id="png-pixels"),
        pytest.param(WHOLE["png"][:33] + bytes(4096), id="png-filled-with-zeros"),
        pytest.param(b"\xff\xd8\xff\xe0\0\x04\0\0\xff\xd9", id="jpeg-pixels"),
        pytest.param(b"RIFF\x04\0\0\0WEBP", id="webp-pixels"),
        pytest.param(b"GIF89a\x05\0\x05\0\0\0\0;", id="gif-pixels"),
        pytest.param(WHOLE["gif"][:13] + b"\x99" * 999, id="gif-block"),
        pytest.param(WHOLE["avif"].replace(b"ispe", b"free"), id="avif-size"),
    ],
)
def test_an_image_that_lacks_a_part_is_called_damaged(data: bytes) -> None:
    with pytest.raises(NotAnImage, match="damaged"):
        inspect(data)
