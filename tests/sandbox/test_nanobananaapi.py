from __future__ import annotations

from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from tests.sandbox.buyer import Buyer, data_uri, urls_of
from tests.sandbox.test_strictness import MISSING, changed

EDIT = "/v1/images/edit"
MODEL = "gemini-3.1-flash-image-preview"
URL = "https://a.example/b.png"
PROMPTS = [f"plate {number}" for number in range(24)]


@pytest.mark.parametrize(
    ("model", "resolution", "size"),
    [
        (f"{MODEL}-512", "512", (792, 336)),
        (MODEL, "1K", (1584, 672)),
        (f"{MODEL}-2k", "2K", (3168, 1344)),
        (f"{MODEL}-4k", "4K", (6336, 2688)),
    ],
)
def test_the_model_id_is_the_resolution(
    nanobananaapi: Buyer, model: str, resolution: str, size: tuple[int, int]
) -> None:
    reply = nanobananaapi.buy("a banner", model=model, image_size="21:9")

    [link] = urls_of(reply.json())
    with Image.open(BytesIO(nanobananaapi.download(link).content)) as image:
        assert image.size == size
    sale = nanobananaapi.billed()[-1]
    fare = nanobananaapi.sandbox.tariff()["nanobananaapi"][resolution]
    assert sale["resolution"] == resolution
    assert Decimal(sale["amount_usd"]) == Decimal(fare["ceiling_usd"])


def test_nine_images_are_one_charge_of_nine_times_the_price(
    nanobananaapi: Buyer,
) -> None:
    before = len(nanobananaapi.billed())

    links = urls_of(nanobananaapi.buy("nine plates", num=9).json())

    files = {nanobananaapi.download(link).content for link in links}
    assert len(files) == len(links) == 9
    [sale] = nanobananaapi.billed()[before:]
    fare = nanobananaapi.sandbox.tariff()["nanobananaapi"]["1K"]
    assert Decimal(sale["amount_usd"]) == 9 * Decimal(fare["expected_usd"])


def test_one_link_comes_as_text_or_as_a_list(nanobananaapi: Buyer) -> None:
    replies = [nanobananaapi.buy(prompt).json() for prompt in PROMPTS]

    kinds = {type(reply["data"]["url"]) for reply in replies}
    assert kinds == {str, list}
    for reply in replies:
        assert (reply["code"], len(urls_of(reply))) == (0, 1)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        pytest.param(
            "/v1/images/generate",
            {"num": 2, "image_size": "1:8", "ref_images": [URL] * 9 + [data_uri()]},
            id="generate",
        ),
        pytest.param(EDIT, {"image": URL, "num": 1}, id="edit-link"),
        pytest.param(EDIT, {"image": data_uri("WEBP")}, id="edit-data"),
        pytest.param(
            EDIT,
            {"image": [URL, data_uri("JPEG")], "service_tier": "priority"},
            id="edit-list",
        ),
    ],
)
def test_both_endpoints_take_every_documented_field(
    nanobananaapi: Buyer, path: str, fields: dict[str, Any]
) -> None:
    reply = nanobananaapi.send(nanobananaapi.body(**fields), path=path)

    assert reply.json()["code"] == 0, reply.text


@pytest.mark.parametrize(
    ("path", "change"),
    [
        pytest.param("", {"n": 1}, id="n"),
        pytest.param("", {"num": "1"}, id="num-quoted"),
        pytest.param("", {"num": True}, id="num-boolean"),
        pytest.param("", {"num": 1.0}, id="num-fraction"),
        pytest.param("", {"num": 0}, id="num-0"),
        pytest.param("", {"num": 10}, id="num-10"),
        pytest.param("", {"image_size": "1K"}, id="size-of-others"),
        pytest.param("", {"aspect_ratio": "1:1"}, id="ratio-of-others"),
        pytest.param("", {"image": URL}, id="image-at-generate"),
        pytest.param("", {"ref_images": URL}, id="references-as-text"),
        pytest.param("", {"ref_images": [URL] * 11}, id="11-references"),
        pytest.param("", {"ref_images": ["data:image/png,AA"]}, id="no-base64"),
        pytest.param("", {"service_tier": "fast"}, id="tier"),
        pytest.param("", {"prompt": MISSING}, id="no-prompt"),
        pytest.param("", {"model": MISSING}, id="no-model"),
        pytest.param(EDIT, {}, id="edit-without-image"),
        pytest.param(EDIT, {"image": []}, id="edit-empty"),
        pytest.param(EDIT, {"image": "b.png"}, id="edit-path"),
        pytest.param(EDIT, {"image": URL, "ref_images": [URL]}, id="edit-both"),
    ],
)
def test_it_refuses_what_its_page_does_not_allow(
    nanobananaapi: Buyer, path: str, change: dict[str, Any]
) -> None:
    before = nanobananaapi.billed()

    reply = nanobananaapi.send(changed(nanobananaapi.body(), change), path=path)

    assert (reply.status_code, reply.json()["code"]) == (400, 400)
    assert next(iter(change), "image") in reply.json()["message"]
    assert nanobananaapi.billed() == before


def test_an_unknown_model_is_none_and_not_charged(nanobananaapi: Buyer) -> None:
    before = nanobananaapi.billed()

    reply = nanobananaapi.buy(model=f"{MODEL}-8k")

    assert reply.status_code == 400
    assert reply.json()["message"] == f"Model not found: {MODEL}-8k"
    assert nanobananaapi.billed() == before
    assert nanobananaapi.sandbox.requests()[-1]["outcome"] == "model_gone"


def test_a_refusal_comes_with_any_status_and_costs_nothing(
    nanobananaapi: Buyer,
) -> None:
    before = nanobananaapi.billed()

    replies = [nanobananaapi.buy(f"REFUSE-ME {prompt}") for prompt in PROMPTS]

    assert {reply.status_code for reply in replies} == {200, 400, 422}
    for reply in replies:
        assert reply.json()["code"] != 0
        assert reply.json()["data"] is None
    assert nanobananaapi.billed() == before


@pytest.mark.parametrize("fault", ["wrong_key", "no_credit", "server_error"])
def test_an_error_comes_with_a_200_now_and_then(
    nanobananaapi: Buyer, fault: str
) -> None:
    nanobananaapi.sandbox.queue_fault("nanobananaapi", fault, len(PROMPTS))

    replies = [nanobananaapi.buy(f"{fault} {prompt}") for prompt in PROMPTS]

    well = [reply for reply in replies if reply.status_code == 200]
    assert 0 < len(well) < len(replies)
    assert all(reply.json()["code"] != 0 for reply in well)


def test_no_image_is_a_success_without_links_and_charged(
    nanobananaapi: Buyer,
) -> None:
    nanobananaapi.sandbox.queue_fault("nanobananaapi", "no_image", 4)

    replies = [nanobananaapi.buy(f"nothing {number}") for number in range(4)]

    for reply in replies:
        assert (reply.status_code, reply.json()["code"]) == (200, 0)
        assert not (reply.json()["data"] or {}).get("url")
    statuses = [sale["status"] for sale in nanobananaapi.billed()[-4:]]
    assert statuses == ["no_image"] * 4
