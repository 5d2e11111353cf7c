from __future__ import annotations

from decimal import Decimal
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from batchgen.sandbox import KEY
from tests.sandbox.buyer import Buyer, image_file

PICTURE = ("one.png", image_file(), "image/png")
PROMPTS = [f"plate {number}" for number in range(24)]


def refused(reply: httpx.Response, status: int = 400) -> str:
    assert reply.status_code == status
    assert reply.json().keys() == {"error"}
    return str(reply.json()["error"])


@pytest.mark.parametrize("path", ["workflow", "process"])
def test_an_image_comes_back_as_it_is(apiai: Buyer, path: str) -> None:
    reply = apiai.send_form(
        [("PROMPT", "a lamp"), ("aspect_ratio", "16:9"), ("image_size", "2K")],
        path=f"/api/{path}/nano-banana-2-2",
    )

    assert reply.status_code == 200
    with Image.open(BytesIO(reply.content)) as image:
        assert image.size == (2752, 1536)
        assert Image.MIME[image.format or ""] == reply.headers["content-type"]
    assert reply.headers["x-workflow"] == "nano-banana-2-2"
    assert reply.headers["x-processing-time"].isdecimal()
    assert Decimal(reply.headers["x-balance-remaining"]) >= 0


def test_it_takes_every_documented_field(apiai: Buyer) -> None:
    reply = apiai.send_form(
        [
            ("PROMPT", "a lamp"),
            ("image", PICTURE),
            ("image", ("two.jpg", image_file("JPEG"), "image/jpeg")),
            ("aspect_ratio", "3:4"),
            ("image_size", "512"),
            ("max_output_tokens", "65536"),
            ("negative_prompt", "shade"),
            ("person_generation", "dont_allow"),
            ("safety_filter_level", "BLOCK_NONE"),
            ("temperature", "0.5"),
            ("top_k", "64"),
            ("top_p", "0.95"),
        ]
    )

    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([("prompt", "a lamp")], id="prompt-in-lower-case"),
        pytest.param([("PROMPT", " ")], id="prompt-blank"),
        pytest.param([("PROMPT", "a"), ("PROMPT", "b")], id="prompt-twice"),
        pytest.param([("PROMPT", PICTURE)], id="prompt-as-file"),
        pytest.param([("resolution", "2K")], id="field-of-others"),
        pytest.param([("aspect_ratio", "21:9")], id="ratio-of-others"),
        pytest.param([("image_size", "0.5K")], id="size-of-others"),
        pytest.param([("image", "https://a.example/b.png")], id="image-as-text"),
        pytest.param([("image", ("a.png", b"no", "image/png"))], id="no-image"),
        pytest.param([("image", (*PICTURE[:2], "image/jpeg"))], id="mislabelled"),
        pytest.param([("image", PICTURE)] * 15, id="15-images"),
        pytest.param([("max_output_tokens", "65537")], id="too-many-tokens"),
        pytest.param([("top_k", "1.5")], id="top-k-broken"),
        pytest.param([("top_k", "65")], id="top-k-too-large"),
        pytest.param([("temperature", "hot")], id="temperature-in-words"),
        pytest.param([("temperature", "1.1")], id="temperature-too-high"),
        pytest.param([("person_generation", "VALUE")], id="placeholder"),
    ],
)
def test_it_refuses_what_its_page_does_not_allow(
    apiai: Buyer, fields: list[tuple[str, Any]]
) -> None:
    before = apiai.billed()
    prompted = any(name.upper() == "PROMPT" for name, _ in fields)

    reply = apiai.send_form(fields if prompted else [("PROMPT", "a"), *fields])

    assert fields[0][0] in refused(reply)
    assert apiai.billed() == before


def test_json_is_no_form(apiai: Buyer) -> None:
    assert "form" in refused(apiai.send({"PROMPT": "a lamp"}))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(
            b'--b\r\nContent-Disposition: form-data; name="PROMPT"\r\n\r\na',
            id="broken-off",
        ),
        pytest.param(
            b"--b\r\nContent-Type: text/plain\r\n\r\na\r\n--b--\r\n", id="nameless"
        ),
        pytest.param(
            b'--b\r\nContent-Disposition: form-data; name="PROMPT"\r\n\r\n'
            b"\xff\r\n--b--\r\n",
            id="no-utf-8",
        ),
    ],
)
def test_a_form_must_be_whole(apiai: Buyer, body: bytes) -> None:
    reply = apiai.client.post(
        apiai.url + apiai.path,
        content=body,
        headers={
            "x-api-key": KEY,
            "content-type": "multipart/form-data; boundary=b",
        },
    )

    assert "Invalid form" in refused(reply)


def test_more_than_50_mb_are_too_much(apiai: Buyer) -> None:
    large = ("large.png", bytes(50 * 1024 * 1024), "image/png")

    reply = apiai.send_form([("PROMPT", "a lamp"), ("image", large)])

    refused(reply, 413)


def test_only_its_own_header_holds_the_key(apiai: Buyer) -> None:
    files = [("PROMPT", (None, "a lamp"))]
    headers = {"authorization": f"Bearer {KEY}"}

    reply = apiai.client.post(apiai.url + apiai.path, files=files, headers=headers)

    refused(reply, 401)


def test_other_paths_are_404_in_its_own_envelope(apiai: Buyer) -> None:
    reply = apiai.send_form([("PROMPT", "a")], path="/api/workflow/nano-banana-3")

    refused(reply, 404)


def test_no_credit_is_402(apiai: Buyer) -> None:
    refused(apiai.buy(key="ak_broke"), 402)


def test_what_it_reports_is_the_bill(apiai: Buyer) -> None:
    before = len(apiai.billed())

    replies = [apiai.buy(prompt, image_size="512") for prompt in PROMPTS]

    entries = {sale["id"]: sale for sale in apiai.billed()[before:]}
    costs = {
        reply.headers["x-request-id"]: Decimal(reply.headers["x-cost"])
        for reply in replies
    }
    billed = {name: Decimal(sale["amount_usd"]) for name, sale in entries.items()}
    assert costs == billed
    fare = apiai.sandbox.tariff()["apiai"]["512"]
    assert max(costs.values()) <= Decimal(fare["ceiling_usd"])
    assert len(set(costs.values())) > 1
    kinds = {reply.headers["content-type"] for reply in replies}
    assert kinds == {"image/png", "image/jpeg"}


def test_a_refusal_says_why_in_many_ways_and_costs_nothing(apiai: Buyer) -> None:
    before = apiai.billed()

    replies = [apiai.buy(f"REFUSE-ME {prompt}") for prompt in PROMPTS]

    assert apiai.billed() == before
    assert {reply.status_code for reply in replies} == {200, 400, 422, 500}
    reasons = ("IMAGE_SAFETY", "PROHIBITED_CONTENT", "IMAGE_RECITATION", "SAFETY")
    for reply in replies:
        assert any(reason in reply.json()["error"] for reason in reasons)


def test_no_image_is_json_on_a_200_and_charged(apiai: Buyer) -> None:
    apiai.sandbox.queue_fault("apiai", "no_image")

    reply = apiai.buy("nothing")

    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    sale = apiai.billed()[-1]
    assert (sale["prompt"], sale["status"]) == ("nothing", "no_image")
    assert sale["id"] == reply.headers["x-request-id"]
