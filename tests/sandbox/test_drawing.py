from __future__ import annotations

import base64
from io import BytesIO

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from tests.sandbox.buyer import Buyer

PROMPT = "Une “théière” bleue, 青い急須, by the window\nwith light"


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize(
    ("ratio", "resolution", "size"),
    [
        pytest.param("1:1", "1K", (1024, 1024), id="square"),
        pytest.param("16:9", "1K", (1376, 768), id="wide"),
        pytest.param("9:16", "2K", (1536, 2752), id="tall-2K"),
        pytest.param("21:9", "512", (792, 336), id="widest-half"),
        pytest.param("1:8", "0.5K", (192, 1536), id="narrow-half"),
        pytest.param("8:1", "1K", (3072, 384), id="flat"),
        pytest.param("4:5", "4K", (3712, 4608), id="4K"),
    ],
)
def test_an_image_has_the_size_that_ratio_and_resolution_ask_for(
    foxapi: Buyer, ratio: str, resolution: str, size: tuple[int, int]
) -> None:
    link = foxapi.link(PROMPT, aspect_ratio=ratio, resolution=resolution)

    image = opened(foxapi.download(link).content)

    assert image.size == size


def test_nothing_said_means_a_square_of_1k(buyer: Buyer) -> None:
    assert opened(buyer.download(buyer.link("a vase")).content).size == (1024, 1024)


def test_a_png_holds_the_whole_prompt(buyer: Buyer) -> None:
    image = opened(buyer.download(buyer.link(PROMPT)).content)

    assert isinstance(image, PngImageFile)
    assert image.text["prompt"] == PROMPT


@pytest.mark.parametrize(
    ("output_format", "kind", "media_type"),
    [
        ("png", "PNG", "image/png"),
        ("jpg", "JPEG", "image/jpeg"),
        ("webp", "WEBP", "image/webp"),
    ],
)
def test_foxapi_draws_the_format_that_was_asked_for(
    foxapi: Buyer, output_format: str, kind: str, media_type: str
) -> None:
    link = foxapi.link(PROMPT, output_format=output_format)

    reply = foxapi.download(link)

    assert link.endswith(f".{output_format}")
    assert reply.headers["content-type"] == media_type
    assert opened(reply.content).format == kind


def test_an_image_is_drawn_again_the_same_and_each_purchase_has_its_own(
    foxapi: Buyer,
) -> None:
    first, second = foxapi.link("two chairs"), foxapi.link("two chairs")

    drawn = [foxapi.download(link).content for link in (first, first, second)]

    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_base64_holds_an_image_like_those_behind_links(aimlapi: Buyer) -> None:
    for number in range(60):
        item = aimlapi.buy(f"bowl {number}", aspect_ratio="3:4").json()["data"][0]
        if item["b64_json"]:
            break

    image = opened(base64.b64decode(item["b64_json"], validate=True))

    assert image.size == (896, 1200)
    assert image.info["prompt"] == f"bowl {number}"


@pytest.mark.parametrize(
    "prompt",
    ["x" * 5000, "word " * 3000, "x" * 1_100_000, "\x00\t", "🎨🖼"],
    ids=["long-word", "many-words", "too-long-for-pillow", "controls", "emoji"],
)
def test_any_prompt_can_be_drawn(foxapi: Buyer, prompt: str) -> None:
    link = foxapi.link(prompt, resolution="512")

    image = opened(foxapi.download(link).content)

    assert image.size == (512, 512)
