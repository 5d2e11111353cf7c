"""Re-encode and scale down an image until a provider takes it."""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image, ImageOps

from batchgen.images.pixels import BROKEN
from batchgen.references.facts import MOST_PIXELS, Unusable

_QUALITIES = (90, 80, 70)
"""Tried at full size, since models see pixels better than artefacts of 80 and more."""
_QUALITY_SCALED = 80
_SMALLEST_SIDE_PX = 64
"""An image whose longer side would be less is no use as a reference."""
_WEBP_SIDE_PX = 16_383  # RFC 9649
_SMALLER = 0.9
"""Each step takes at least a tenth of each side."""


def shrink(
    data: bytes, media_type: str, wanted: Collection[str], most_bytes: int | None
) -> bytes:
    """Return an image of a wanted type, and within the limit; the same for the same.

    Quality goes down before size does. The image stands upright, keeps its colour
    profile, and its transparency where a wanted type has any, else it is on white.
    All other metadata, places and names included, are left behind.

    Args:
        data: One whole image that was examined.
        media_type: What it is.
        wanted: Media types, of which one can be made.
        most_bytes: None for no limit.

    Raises:
        Unusable: its pixels cannot be read, or it would become too small.
    """
    try:
        picture = _Picture.of(data, media_type)
        for made in _attempts(picture, wanted, most_bytes or len(data)):
            if most_bytes is None or len(made) <= most_bytes:
                return made
    except BROKEN as error:
        raise Unusable(f"damaged, its pixels cannot be read: {error}") from error
    raise Unusable(
        f"it cannot be made as small as {most_bytes:,} bytes with more than "
        f"{_SMALLEST_SIDE_PX} pixels a side"
    )


@dataclass(frozen=True, slots=True)
class _Picture:
    """Pixels, RGB or RGBA, upright and without metadata."""

    pixels: Image.Image
    profile: bytes | None
    is_drawn: bool
    """Whether it comes from a format of few colours, which JPEG would blur."""

    @classmethod
    def of(cls, data: bytes, media_type: str) -> _Picture:
        kind = media_type.removeprefix("image/").upper()
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            # What the header said before may differ from what Pillow reads in it.
            if image.width * image.height > MOST_PIXELS:
                raise ValueError("there are more than it says")
            # A profile of grey or of inks does not fit the colours that are made.
            coloured = image.mode in ("RGB", "RGBA", "P", "PA")
            profile = image.info.get("icc_profile") if coloured else None
            upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):  # 16 bits, which `convert` would cut off
            upright = upright.point(lambda value: value / 256).convert("L")
        mode = "RGBA" if upright.has_transparency_data else "RGB"
        pixels = upright.convert(mode)
        if mode == "RGBA" and not any(pixels.getchannel("A").histogram()[:255]):
            pixels = pixels.convert("RGB")  # nothing shines through
        pixels.info = {}
        return cls(pixels, profile, is_drawn=kind == "GIF")

    def scaled(self, factor: float) -> _Picture:
        """Return a smaller one."""
        size = (
            max(1, round(self.pixels.width * factor)),
            max(1, round(self.pixels.height * factor)),
        )
        if size == self.pixels.size:
            return self
        pixels = self.pixels.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        return replace(self, pixels=pixels)

    def written(self, kind: str, quality: int) -> bytes:
        """Return it as a file; PNG knows no quality."""
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


def _attempts(
    picture: _Picture, wanted: Collection[str], most_bytes: int
) -> Iterator[bytes]:
    """Yield files of less and less quality, then of less and less size."""
    if picture.is_drawn and "image/png" in wanted:
        yield picture.written("PNG", 100)
    kind = _kind(picture, wanted)
    longest_px = max(picture.pixels.size)
    factor = min(1.0, _WEBP_SIDE_PX / longest_px) if kind == "WEBP" else 1.0
    whole = picture.scaled(factor)
    for quality in (100,) if kind == "PNG" else _QUALITIES:
        made = whole.written(kind, quality)
        yield made
    while True:
        factor *= min(_SMALLER, math.sqrt(most_bytes / len(made)))
        if longest_px * factor < _SMALLEST_SIDE_PX:
            return
        made = picture.scaled(factor).written(kind, _QUALITY_SCALED)
        yield made


def _kind(picture: _Picture, wanted: Collection[str]) -> str:
    """Return the format to write: the first that keeps all, and is small."""
    kinds = ("JPEG", "WEBP", "PNG")
    if picture.pixels.mode == "RGBA":
        kinds = ("WEBP", "PNG", "JPEG")
    return next(kind for kind in kinds if f"image/{kind.lower()}" in wanted)
