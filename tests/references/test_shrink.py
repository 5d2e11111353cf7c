"""An image is made to fit: upright, with its colours, and no smaller than it must."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image, ImageCms, ImageDraw

from batchgen.images import inspect
from batchgen.references import Unusable
from batchgen.references.shrink import shrink
from batchgen.references.support import can_convert
from tests.images.test_inspect import png_of
from tests.references.pictures import noise, opened, written

ALL = ("image/png", "image/jpeg", "image/webp")
SRGB: Any = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
ORIENTATION, MAKER = 0x0112, 0x010F


def logo(mode: str = "RGBA") -> Image.Image:
    """Return a red disc on nothing."""
    picture = Image.new("RGBA", (200, 100), (0, 0, 0, 0))
    ImageDraw.Draw(picture).ellipse((60, 10, 140, 90), fill=(255, 0, 0, 255))
    return picture.convert(mode)


def close(one: Any, other: tuple[int, ...]) -> bool:
    """Tell whether two colours are the same but for what JPEG and WebP lose."""
    return all(abs(a - b) < 20 for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "AVIF"])
@pytest.mark.parametrize("target", ALL)
def test_any_type_becomes_any_wanted_one(kind: str, target: str) -> None:
    data = written(noise(), kind)
    source = f"image/{kind.lower()}"

    smaller = shrink(data, source, (target,), None)

    assert can_convert(source, (target,))
    facts = inspect(smaller)
    assert (facts.media_type, facts.width_px, facts.height_px) == (target, 64, 48)


@pytest.mark.parametrize("target", ALL)
@pytest.mark.parametrize("share", [2, 10, 50])
def test_a_file_over_the_limit_is_brought_below_it(target: str, share: int) -> None:
    data = written(noise((600, 400)), "PNG")
    max_bytes = len(data) // share

    smaller = shrink(data, "image/png", (target,), max_bytes)

    facts = inspect(smaller)
    assert max_bytes * 0.5 < len(smaller) <= max_bytes
    assert facts.media_type == target
    assert facts.width_px / facts.height_px == pytest.approx(1.5, rel=0.02)


def test_quality_goes_down_before_size_does() -> None:
    data = written(noise((600, 400)), "JPEG", quality=95)

    smaller = shrink(data, "image/jpeg", ALL, len(data) * 3 // 4)

    assert (inspect(smaller).width_px, inspect(smaller).height_px) == (600, 400)


def test_the_same_image_is_made_each_time() -> None:
    data = written(noise((300, 200)), "PNG")

    smaller = {shrink(data, "image/png", ALL, 9000) for _ in range(3)}

    assert len(smaller) == 1


@pytest.mark.parametrize("max_bytes", [None, 1500], ids=["whole", "scaled"])
@pytest.mark.parametrize("target", ["image/png", "image/webp"])
@pytest.mark.parametrize("mode", ["RGBA", "P", "LA"])
def test_transparency_is_kept_where_it_can_be(
    target: str, mode: str, max_bytes: int | None
) -> None:
    data = written(logo(mode), "PNG")

    picture = opened(shrink(data, "image/png", ("image/jpeg", target), max_bytes))

    assert f"image/{str(picture.format).lower()}" == target
    corner = picture.convert("RGBA").getpixel((0, 0))
    centre = picture.convert("RGBA").getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(corner, tuple)
    assert isinstance(centre, tuple)
    assert (corner[3], centre[3]) == (0, 255)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_what_is_transparent_is_white_where_it_cannot_be_kept(kind: str) -> None:
    data = written(logo(), kind)

    smaller = shrink(data, f"image/{kind.lower()}", ("image/jpeg",), None)

    picture = opened(smaller)
    assert close(picture.getpixel((1, 1)), (255, 255, 255))
    assert close(picture.getpixel((100, 50)), (255, 0, 0))


def test_an_opaque_image_is_a_photo_whatever_its_mode() -> None:
    data = written(noise(mode="RGBA"), "PNG")

    assert inspect(shrink(data, "image/png", ALL, None)).media_type == "image/jpeg"


def test_a_drawing_of_few_colours_is_kept_sharp() -> None:
    data = written(logo("P"), "GIF")

    assert inspect(shrink(data, "image/gif", ALL, None)).media_type == "image/png"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_stands_upright(orientation: int) -> None:
    picture = Image.new("RGB", (64, 32), "blue")
    picture.paste((255, 0, 0), (0, 0, 16, 16))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[MAKER] = "Camera of a person"
    data = written(picture, "JPEG", exif=exif, quality=95)

    smaller = shrink(data, "image/jpeg", ALL, None)

    # Where the red corner comes to lie for somebody who looks at it.
    upright = opened(smaller)
    right = orientation in (2, 3, 6, 7)
    is_below = orientation in (3, 4, 7, 8)
    assert upright.size == ((32, 64) if orientation > 4 else (64, 32))
    at = (upright.width - 4 if right else 4, upright.height - 4 if is_below else 4)
    assert close(upright.getpixel(at), (255, 0, 0))
    assert ORIENTATION not in upright.getexif()
    assert b"Camera of a person" not in smaller


def test_words_in_a_file_are_left_behind() -> None:
    data = written(noise(), "JPEG", comment=b"taken at home")

    assert b"taken at home" not in shrink(data, "image/jpeg", ALL, None)


@pytest.mark.parametrize("target", ALL)
def test_a_colour_profile_is_kept(target: str) -> None:
    data = written(noise(), "JPEG", icc_profile=SRGB.tobytes())

    assert opened(shrink(data, "image/jpeg", (target,), None)).info["icc_profile"]


def test_a_profile_of_inks_is_not_kept_with_colours() -> None:
    data = written(noise(mode="CMYK"), "JPEG", icc_profile=SRGB.tobytes())

    picture = opened(shrink(data, "image/jpeg", ALL, None))

    assert picture.mode == "RGB"
    assert "icc_profile" not in picture.info


def test_greys_of_16_bits_stay_greys() -> None:
    picture = Image.new("I;16", (64, 64), 0x4000)

    smaller = opened(shrink(written(picture, "PNG"), "image/png", ALL, None))

    assert close(smaller.getpixel((5, 5)), (0x40, 0x40, 0x40))


def test_a_side_too_long_for_webp_is_made_shorter() -> None:
    data = written(Image.new("RGB", (20_000, 40)), "PNG")

    smaller = shrink(data, "image/png", ("image/webp",), None)

    assert inspect(smaller).width_px == 16_383


def test_what_would_become_too_small_is_refused() -> None:
    data = written(noise((600, 400)), "PNG")

    with pytest.raises(Unusable, match="cannot be made as small as 200 bytes"):
        shrink(data, "image/png", ALL, 200)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png_of(50, 50), id="no-pixels"),
        pytest.param(
            written(noise(), "PNG").replace(b"IDATx", b"IDATy"), id="damaged-pixels"
        ),
    ],
)
def test_pixels_that_cannot_be_read_are_refused(data: bytes) -> None:
    with pytest.raises(Unusable, match="damaged, its pixels cannot be read"):
        shrink(data, "image/png", ALL, None)


def test_an_image_larger_than_it_said_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("batchgen.references.shrink.MAX_DECODED_PIXELS", 1000)

    with pytest.raises(Unusable, match="cannot be read: there are more than it says"):
        shrink(written(noise(), "PNG"), "image/png", ALL, None)


def test_a_decompression_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)

    with pytest.raises(Unusable, match="decompression bomb"):
        shrink(written(noise(), "PNG"), "image/png", ALL, None)


@pytest.mark.parametrize(
    ("media_type", "target"),
    [("image/heic", ALL), ("image/png", ("image/heic",)), ("image/gif", ())],
)
def test_what_cannot_be_made_is_said(media_type: str, target: tuple[str, ...]) -> None:
    assert not can_convert(media_type, target)
