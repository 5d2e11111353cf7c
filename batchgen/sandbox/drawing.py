"""Draw the sandbox's images: fast, always the same, never stored."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from io import BytesIO
from itertools import islice
from types import MappingProxyType

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from batchgen.sandbox.faults import roll
from batchgen.sandbox.state_records import Picture

MEDIA_TYPES = MappingProxyType(
    {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
)

# Column 1K of the table in Google's guide to Gemini 3.1 Flash Image; the other sizes
# are half, double and four times as large.
_AT_1K = MappingProxyType(
    {
        "1:1": (1024, 1024),
        "1:4": (512, 2048),
        "1:8": (384, 3072),
        "2:3": (848, 1264),
        "3:2": (1264, 848),
        "3:4": (896, 1200),
        "4:1": (2048, 512),
        "4:3": (1200, 896),
        "4:5": (928, 1152),
        "5:4": (1152, 928),
        "8:1": (3072, 384),
        "9:16": (768, 1376),
        "16:9": (1376, 768),
        "21:9": (1584, 672),
    }
)
_HALVES = MappingProxyType({"512": 1, "0.5K": 1, "1K": 2, "2K": 4, "4K": 8})

# An image is drawn in shades of grey, which is fast. Then each shade becomes an index
# into a palette of three colour ranges: for the background, for the shapes, and from
# the panel to its text, so that the soft edges of letters look right.
_GROUND = range(128)
_SHAPES = range(128, 192)
_PANEL = range(192, 256)
_BOTTOM = (16, 18, 24)
_WHITE = (255, 255, 255)
_load_font = lru_cache(maxsize=32)(ImageFont.load_default)
_MAX_LINES = 12
_MAX_CHARACTERS = 20_000
"""More than fits into the widest image; Pillow refuses texts of a million."""


def pixel_size(aspect_ratio: str, resolution: str) -> tuple[int, int]:
    """Return width and height in pixels.

    Source: Google's image guide, read 2026-11-20.
    """
    width, height = _AT_1K[aspect_ratio]
    halves = _HALVES[resolution]
    return width * halves // 2, height * halves // 2


def draw(picture: Picture) -> bytes:
    """Return the image as a file in its format."""
    size = (picture.width_px, picture.height_px)
    canvas = _ground(picture, size)
    pen = ImageDraw.Draw(canvas)
    _draw_shapes(pen, picture, size)
    _draw_panel(pen, picture.prompt, size)
    canvas.putpalette(_palette(picture))
    return _encode(canvas, picture)


def stand_in() -> bytes:
    """Return an image to replace one that a rehearsal must not download."""
    file = BytesIO()
    Image.linear_gradient("L").save(file, "PNG")
    return file.getvalue()


def _ground(picture: Picture, size: tuple[int, int]) -> Image.Image:
    turn = int(roll("turn", *_motif(picture)) * 4) * 90
    shades = Image.linear_gradient("L").rotate(turn)
    shades = shades.point([shade * _GROUND[-1] // 255 for shade in range(256)])
    return shades.resize(size, Image.Resampling.NEAREST)


def _motif(picture: Picture) -> tuple[object, ...]:
    """Return the values by which two images of one prompt differ."""
    return picture.prompt, picture.occurrence, picture.position


def _draw_shapes(
    pen: ImageDraw.ImageDraw, picture: Picture, size: tuple[int, int]
) -> None:
    for shape in range(5):
        x, y, radius, shade = (
            roll(what, shape, *_motif(picture))
            for what in ("x", "y", "radius", "shade")
        )
        reach = (0.06 + 0.2 * radius) * min(size)
        middle = (x * size[0], y * size[1])
        box = (
            middle[0] - reach,
            middle[1] - reach,
            middle[0] + reach,
            middle[1] + reach,
        )
        fill = _SHAPES[int(shade * len(_SHAPES))]
        if shape % 2:
            pen.rounded_rectangle(box, radius=reach / 3, fill=fill)
        else:
            pen.ellipse(box, fill=fill)


def _draw_panel(pen: ImageDraw.ImageDraw, prompt: str, size: tuple[int, int]) -> None:
    letter = max(11, min(size) // 26)
    margin = letter
    font = _load_font(letter)
    room = min(_MAX_LINES, (size[1] - 4 * margin) // (letter + letter // 3) - 2)
    wrapped = _wrap(prompt[:_MAX_CHARACTERS], font, size[0] - 4 * margin)
    text = "\n".join(["REHEARSAL", *islice(wrapped, max(1, room))])
    spacing = letter // 3
    height = pen.multiline_textbbox((0, 0), text, font=font, spacing=spacing)[3]
    top = size[1] - height - 3 * margin
    pen.rectangle((margin, top, size[0] - margin, size[1] - margin), fill=_PANEL[0])
    pen.multiline_text(
        (2 * margin, top + margin), text, font=font, spacing=spacing, fill=_PANEL[-1]
    )


def _wrap(
    text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, room: float
) -> Iterator[str]:
    """Yield lines that fit; a word longer than a line is broken anywhere."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if font.getlength(longer) <= room:
            line = longer
            continue
        if line:
            yield line
        line = ""
        for letter in word:
            if line and font.getlength(line + letter) > room:
                yield line
                line = ""
            line += letter
    if line:
        yield line


def _palette(picture: Picture) -> bytes:
    colours = []
    for ramp, ends in (
        (_GROUND, (_colour(picture, "from"), _colour(picture, "to"))),
        (_SHAPES, (_colour(picture, "shape"), _colour(picture, "other shape"))),
        (_PANEL, (_BOTTOM, _WHITE)),
    ):
        for step in range(len(ramp)):
            part = step / (len(ramp) - 1)
            colours += [
                round(start + (end - start) * part)
                for start, end in zip(*ends, strict=True)
            ]
    return bytes(colours)


def _colour(picture: Picture, what: str) -> tuple[int, int, int]:
    red, green, blue = (
        int(30 + 200 * roll(what, channel, picture.prompt)) for channel in range(3)
    )
    return red, green, blue


def _encode(canvas: Image.Image, picture: Picture) -> bytes:
    file = BytesIO()
    if picture.format == "png":
        chunks = PngInfo()
        chunks.add_itxt("prompt", picture.prompt)
        canvas.save(file, "PNG", compress_level=1, pnginfo=chunks)
    elif picture.format == "jpg":
        # A JPEG comment holds 64 KB at most.
        comment = picture.prompt.encode()[:60_000]
        canvas.convert("RGB").save(file, "JPEG", quality=85, comment=comment)
    else:
        canvas.convert("RGB").save(file, "WEBP", quality=80, method=0)
    return file.getvalue()
