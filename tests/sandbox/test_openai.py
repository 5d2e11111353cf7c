from __future__ import annotations

import base64
from decimal import Decimal
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.sandbox.buyer import Buyer, image_file
from tests.sandbox.test_strictness import MISSING, changed

EDITS = "/v1/images/edits"
PICTURE = ("one.png", image_file(), "image/png")
PROMPTS = [f"plate {number}" for number in range(24)]


def refused(reply: httpx.Response, status: int, code: str | None) -> str:
    assert reply.status_code == status
    error = reply.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["code"] == code
    return str(error["message"])


def files_of(buyer: Buyer, reply: httpx.Response) -> list[bytes]:
    """Return the images of a reply, in whichever way they came."""
    return [
        base64.b64decode(item["b64_json"])
        if "b64_json" in item
        else buyer.download(item["url"]).content
        for item in reply.json()["data"]
    ]


def test_images_come_as_links_or_as_base64_with_the_tokens_used(
    openai: Buyer,
) -> None:
    replies = [openai.buy(prompt).json() for prompt in PROMPTS]

    ways = {tuple(reply["data"][0]) for reply in replies}
    assert ways == {("url",), ("b64_json",)}
    for reply in replies:
        usage = reply["usage"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        assert usage["input_tokens"] == sum(usage["input_tokens_details"].values())


@pytest.mark.parametrize(
    ("size", "expected", "resolution"),
    [
        ("1376x768", (1376, 768), "1K"),
        ("1696x2528", (1696, 2528), "2K"),
        ("3840x2160", (3840, 2160), "4K"),
        ("auto", (1024, 1024), "1K"),
    ],
)
def test_the_size_decides_pixels_and_price(
    openai: Buyer, size: str, expected: tuple[int, int], resolution: str
) -> None:
    reply = openai.buy(f"a plate of {size}", size=size)

    [file] = files_of(openai, reply)
    with Image.open(BytesIO(file)) as image:
        assert image.size == expected
    usage, sale = reply.json()["usage"], openai.billed()[-1]
    assert usage["output_tokens"] == 1767 * expected[0] * expected[1] // 1024**2
    assert sale["resolution"] == resolution
    assert sale["amount_nano_usd"] == cost_nano(usage)


@pytest.mark.parametrize(
    ("quality", "usd"),
    [("low", "0.006"), ("medium", "0.053"), ("high", "0.211"), ("auto", "0.053")],
)
def test_the_quality_decides_the_price(openai: Buyer, quality: str, usd: str) -> None:
    openai.buy("a plate", quality=quality)

    amount = Decimal(openai.billed()[-1]["amount_usd"])
    assert abs(amount - Decimal(usd)) < Decimal("0.0005")
    document = openai.sandbox.tariff()
    special = {price["quality"]: price for price in document["special"]["openai"][::2]}
    fare = special.get(quality, document["openai"]["1K"])
    assert Decimal(fare["lowest_usd"]) <= amount <= Decimal(fare["ceiling_usd"])


def cost_nano(usage: dict[str, Any]) -> int:
    """Return what the tokens of a reply cost at OpenAI's list prices."""
    details = usage["input_tokens_details"]
    return int(
        5_000 * details["text_tokens"]
        + 8_000 * details["image_tokens"]
        + 30_000 * usage["output_tokens"]
    )


@pytest.mark.parametrize("prompt", PROMPTS[:4])
def test_several_images_differ_and_are_one_charge(openai: Buyer, prompt: str) -> None:
    before = len(openai.billed())

    reply = openai.buy(prompt, n=3, quality="low", output_format="webp")

    files = files_of(openai, reply)
    assert len(set(files)) == 3
    assert {file[8:12] for file in files} == {b"WEBP"}
    [sale] = openai.billed()[before:]
    assert sale["amount_nano_usd"] == cost_nano(reply.json()["usage"])
    assert reply.json()["usage"]["output_tokens"] == 3 * 200


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ("512x512", "total pixels"),
        ("512x2048", "3:1"),
        ("4096x4096", "3840px"),
        ("1000x1000", "multiples"),
        ("3840x3840", "total pixels"),
    ],
)
def test_a_size_that_the_model_does_not_make_is_refused(
    openai: Buyer, size: str, words: str
) -> None:
    before = openai.billed()

    assert words in refused(openai.buy(size=size), 400, "invalid_value")
    assert openai.billed() == before


def test_options_of_the_reference_are_taken(openai: Buyer) -> None:
    options = {"background": "transparent", "moderation": "low", "quality": "max"}
    reply = openai.buy(output_format="jpeg", output_compression=80, **options)

    assert len(files_of(openai, reply)) == 1
    refused(openai.buy(output_compression=80), 400, "invalid_value")


def test_edits_take_a_form_with_images(openai: Buyer) -> None:
    fields = [
        ("model", "gpt-image-2"),
        ("prompt", "a lamp"),
        ("n", "2"),
        ("size", "848x1264"),
        *[("image[]", PICTURE)] * 16,
    ]

    reply = openai.send_form(fields, path=EDITS)

    assert len(files_of(openai, reply)) == 2


def test_one_image_is_called_image_and_counted_like_the_others(openai: Buyer) -> None:
    form = [("model", "gpt-image-2"), ("prompt", "a lamp"), ("size", "1024x1024")]

    as_single = openai.send_form([*form, ("image", PICTURE)], path=EDITS)
    as_list = openai.send_form([*form, ("image[]", PICTURE)], path=EDITS)

    assert len(files_of(openai, as_single)) == len(files_of(openai, as_list)) == 1
    tokens = [
        reply.json()["usage"]["input_tokens_details"]["image_tokens"]
        for reply in (as_single, as_list)
        if "usage" in reply.json()
    ]
    assert len(set(tokens)) <= 1
    assert 0 not in tokens


def test_null_stands_for_what_is_not_said(openai: Buyer) -> None:
    nothing = dict.fromkeys(("n", "size", "quality", "output_format"))

    reply = openai.send(openai.body("a lamp without wishes") | nothing)

    [file] = files_of(openai, reply)
    with Image.open(BytesIO(file)) as image:
        assert (image.size, image.format) == ((1024, 1024), "PNG")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([("n", "2")], id="no-image"),
        pytest.param([("image", PICTURE)] * 2, id="two-without-brackets"),
        pytest.param([("image", PICTURE), ("image[]", PICTURE)], id="both-names"),
        pytest.param([("image", "one.png")], id="image-as-a-name"),
        pytest.param([("image[]", PICTURE)] * 17, id="17-images"),
        pytest.param([("image[]", PICTURE), ("n", "11")], id="n-11"),
        pytest.param([("image[]", "https://a.example/b.png")], id="image-as-text"),
    ],
)
def test_edits_refuse_what_the_reference_does_not_allow(
    openai: Buyer, fields: list[tuple[str, Any]]
) -> None:
    before = openai.billed()
    form = [("model", "gpt-image-2"), ("prompt", "a lamp"), *fields]

    reply = openai.send_form(form, path=EDITS)

    refused(reply, 400, "invalid_value")
    assert openai.billed() == before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"n": "1"}, id="n-quoted"),
        pytest.param({"n": 0}, id="n-0"),
        pytest.param({"n": 11}, id="n-11"),
        pytest.param({"size": "1K"}, id="size-of-others"),
        pytest.param({"size": "1024"}, id="size-half"),
        pytest.param({"size": "0x1024"}, id="size-0"),
        pytest.param({"quality": "best"}, id="quality"),
        pytest.param({"output_format": "jpg"}, id="format-misspelt"),
        pytest.param({"response_format": "url"}, id="format-of-older-models"),
        pytest.param({"image[]": []}, id="images-in-json"),
        pytest.param({"image": None}, id="unknown-null"),
        pytest.param({"prompt": None}, id="prompt-null"),
        pytest.param({"prompt": MISSING}, id="no-prompt"),
        pytest.param({"model": MISSING}, id="no-model"),
    ],
)
def test_it_refuses_what_the_reference_does_not_allow(
    openai: Buyer, change: dict[str, Any]
) -> None:
    before = openai.billed()

    reply = openai.send(changed(openai.body(), change))

    assert next(iter(change)) in refused(reply, 400, "invalid_value")
    assert openai.billed() == before


def test_an_unknown_model_is_not_found(openai: Buyer) -> None:
    for model in ("dall-e-3", "gpt-image-1"):
        refused(openai.buy(model=model), 404, "model_not_found")


def test_a_wrong_key_is_echoed(openai: Buyer) -> None:
    words = refused(openai.buy(key="sk-wrong-0123456789"), 401, "invalid_api_key")

    assert "sk-wrong-0123456789" in words


def test_an_empty_quota_looks_like_a_throttle_but_for_its_code(openai: Buyer) -> None:
    refused(openai.buy(key="sk-broke"), 429, "insufficient_quota")


def test_a_refusal_has_one_of_two_codes_and_costs_nothing(openai: Buyer) -> None:
    before = openai.billed()

    replies = [openai.buy(f"REFUSE-ME {prompt}") for prompt in PROMPTS]

    assert {reply.status_code for reply in replies} == {400}
    codes = {reply.json()["error"]["code"] for reply in replies}
    assert codes == {"moderation_blocked", "content_policy_violation"}
    assert openai.billed() == before


def test_no_image_is_an_empty_list_and_charged(openai: Buyer) -> None:
    openai.sandbox.queue_fault("openai", "no_image")

    reply = openai.buy("nothing")

    assert (reply.status_code, reply.json()["data"]) == (200, [])
    assert openai.billed()[-1]["status"] == "no_image"
