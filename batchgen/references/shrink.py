"""Re-encode and scale down an image until a provider accepts it."""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image, ImageOps

from batchgen.images import MAX_DECODED_PIXELS
from batchgen.images.pixels import DECODING_ERRORS
from batchgen.references.loading import Unusable

_QUALITIES = (90, 80, 70)
"""Tried at full size: a model loses more by fewer pixels than by these qualities."""
_QUALITY_SCALED = 80
_MIN_SIDE_PX = 64
"""An image whose longer side is shorter is useless as a reference."""
_MAX_WEBP_SIDE_PX = 16_383  # RFC 9649
_MAX_FACTOR = 0.9
"""Each step shortens both sides by a tenth or more."""


def shrink(
    data: bytes, media_type: str, targets: Collection[str], max_bytes: int | None
) -> bytes:
    """Return an image of a target type within the limit; equal input, equal output.

    Quality is reduced before size. The image is turned upright and keeps its colour
    profile. It keeps its transparency where a target type supports it, and gets a white
    background elsewhere. All other metadata, places and names included, are removed.

    Args:
        data: One whole image that was examined.
        media_type: Of `data`.
        targets: Media types; one of them must be possible.
        max_bytes: None for no limit.

    Raises:
        Unusable: the pixels cannot be read, or the image would become too small.
    """
    try:
        picture = _Picture.of(data, media_type)
        for encoded in _encodings(picture, targets, max_bytes or len(data)):
            if max_bytes is None or len(encoded) <= max_bytes:
                return encoded
    except DECODING_ERRORS as error:
        raise Unusable(f"damaged, its pixels cannot be read: {error}") from error
    raise Unusable(
        f"it cannot be made as small as {max_bytes:,} bytes with more than "
        f"{_MIN_SIDE_PX} pixels a side"
    )


@dataclass(frozen=True, slots=True)
class _Picture:
    """Pixels, RGB or RGBA, upright and without metadata."""

    pixels: Image.Image
    profile: bytes | None
    has_few_colours: bool
    """Whether it came as a GIF: JPEG would blur it."""

    @classmethod
    def of(cls, data: bytes, media_type: str) -> _Picture:
        kind = media_type.removeprefix("image/").upper()
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            # Pillow may read another size than the header check did.
            if image.width * image.height > MAX_DECODED_PIXELS:
                raise ValueError("there are more than it says")
            # A profile for grey or for inks does not fit an RGB image.
            coloured = image.mode in ("RGB", "RGBA", "P", "PA")
            profile = image.info.get("icc_profile") if coloured else None
            upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):  # 16 bits, which `convert` would cut off
            upright = upright.point(lambda value: value / 256).convert("L")
        mode = "RGBA" if upright.has_transparency_data else "RGB"
        pixels = upright.convert(mode)
        if mode == "RGBA" and not any(pixels.getchannel("A").histogram()[:255]):
            pixels = pixels.convert("RGB")  # no pixel is transparent
        pixels.info = {}
        return cls(pixels, profile, has_few_colours=kind == "GIF")

    def scaled(self, factor: float) -> _Picture:
        size = (
            max(1, round(self.pixels.width * factor)),
            max(1, round(self.pixels.height * factor)),
        )
        if size == self.pixels.size:
            return self
        pixels = self.pixels.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        return replace(self, pixels=pixels)

    def encoded(self, kind: str, quality: int) -> bytes:
        """Return the picture as a file; PNG ignores the quality."""
        pixels = self.pixels
        if kind == "JPEG" and pixels.mode == "RGBA":
            pixels = Image.new("RGB", pixels.size, "white")
            pixels.paste(self.pixels, mask=self.pixels.getchannel("A"))
        options: dict[str, Any] = {} if kind == "PNG" else {"quality": quality}
        if self.profile is not None:
            options["icc_profile"] = self.profile
        file = io.BytesIO()
        pixels.save(file, kind, **options)
        return file.getvalue()


def _encodings(
    picture: _Picture, targets: Collection[str], max_bytes: int
) -> Iterator[bytes]:
    """Yield files of lower and lower quality, then of smaller and smaller size."""
    if picture.has_few_colours and "image/png" in targets:
        yield picture.encoded("PNG", 100)
    kind = _kind(picture, targets)
    longest_px = max(picture.pixels.size)
    factor = min(1.0, _MAX_WEBP_SIDE_PX / longest_px) if kind == "WEBP" else 1.0
    full_size = picture.scaled(factor)
    for quality in (100,) if kind == "PNG" else _QUALITIES:
        encoded = full_size.encoded(kind, quality)
        yield encoded
    while True:
        factor *= min(_MAX_FACTOR, math.sqrt(max_bytes / len(encoded)))
        if longest_px * factor < _MIN_SIDE_PX:
            return
        encoded = picture.scaled(factor).encoded(kind, _QUALITY_SCALED)
        yield encoded


def _kind(picture: _Picture, targets: Collection[str]) -> str:
    """Return the format to write: it keeps transparency and gives small files."""
    kinds = ("JPEG", "WEBP", "PNG")
    if picture.pixels.mode == "RGBA":
        kinds = ("WEBP", "PNG", "JPEG")
    return next(kind for kind in kinds if f"image/{kind.lower()}" in targets)
