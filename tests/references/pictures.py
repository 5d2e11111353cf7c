"""Real images, as Pillow writes them."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image


def noise(size: tuple[int, int] = (64, 48), mode: str = "RGB") -> Image.Image:
    """Return a picture that compresses badly."""
    return Image.merge("RGB", [Image.effect_noise(size, 90)] * 3).convert(mode)


def written(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Return a picture as a file."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def animation(kind: str) -> bytes:
    """Return a file of three frames."""
    first, *others = (noise() for _ in range(3))
    return written(first, kind, save_all=True, append_images=others)


def opened(data: bytes) -> Image.Image:
    """Return what a file holds, its pixels read."""
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture
