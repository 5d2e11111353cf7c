from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from batchgen.sandbox import KEY
from tests.sandbox.buyer import PURCHASE, Buyer, data_uri

MISSING = object()
WRONG_ANYWHERE = [
    pytest.param({"colour": "red"}, id="unknown-field"),
    pytest.param({"n": 1}, id="n"),
    pytest.param({"model": "dall-e-3"}, id="unknown-model"),
    pytest.param({"model": MISSING}, id="no-model"),
    pytest.param({"model": None}, id="model-null"),
    pytest.param({"prompt": MISSING}, id="no-prompt"),
    pytest.param({"prompt": ["a lamp"]}, id="prompt-list"),
    pytest.param({"prompt": ""}, id="prompt-empty"),
    pytest.param({"aspect_ratio": "7:5"}, id="unknown-ratio"),
    pytest.param({"aspect_ratio": None}, id="ratio-null"),
    pytest.param({"resolution": "8K"}, id="unknown-resolution"),
    pytest.param({"resolution": 1024}, id="resolution-number"),
    pytest.param({"image_urls": "https://a.example/b.png"}, id="urls-string"),
    pytest.param({"image_urls": [7]}, id="url-number"),
    pytest.param({"image_urls": ["b.png"]}, id="url-path"),
    pytest.param({"image_urls": ["https://a.example/b.png"] * 15}, id="15-urls"),
]
WRONG_AT_AIMLAPI = [
    pytest.param({"aspect_ratio": "21:9"}, id="ratio-of-others"),
    pytest.param({"resolution": "512"}, id="half-size"),
    pytest.param({"image_urls": ["https://a.example/b.png"] * 6}, id="6-urls"),
    pytest.param({"image_urls": ["data:image/png;base64,AA=="]}, id="no-image"),
    pytest.param({"image_urls": [data_uri("GIF")]}, id="image-of-no-known-type"),
    pytest.param({"image_urls": [data_uri()[:-8]]}, id="image-cut-short"),
    pytest.param(
        {"image_urls": [data_uri().replace("png", "jpeg", 1)]}, id="image-mislabelled"
    ),
    pytest.param({"enable_web_search": "true"}, id="search-text"),
    pytest.param({"output_format": "png"}, id="format-of-others"),
]
WRONG_AT_FOXAPI = [
    pytest.param({"aspect_ratio": "auto"}, id="auto"),
    pytest.param({"image_urls": ["data:image/png;base64,AA=="]}, id="data-uri"),
    pytest.param({"output_format": "gif"}, id="gif"),
    pytest.param({"google_search": 1}, id="search-number"),
    pytest.param({"enable_web_search": True}, id="search-of-others"),
]


def changed(body: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in (body | change).items() if value is not MISSING
    }


def assert_refused_by_aimlapi(reply: httpx.Response, status: int) -> str:
    assert reply.status_code == status
    error = reply.json()
    names = {"message", "path", "requestId", "statusCode", "timestamp"}
    assert error.keys() == names
    assert error["statusCode"] == str(status)
    return str(error["message"])


def assert_refused_by_foxapi(reply: httpx.Response, status: int, kind: str) -> str:
    assert reply.status_code == status
    assert reply.json().keys() == {"error"}
    error = reply.json()["error"]
    assert error["type"] == kind
    return str(error["message"])


@pytest.mark.parametrize("change", WRONG_ANYWHERE + WRONG_AT_AIMLAPI)
def test_aimlapi_refuses_what_its_document_does_not_allow(
    aimlapi: Buyer, change: dict[str, Any]
) -> None:
    before = len(aimlapi.billed())

    reply = aimlapi.send(changed(aimlapi.body(), change))

    message = assert_refused_by_aimlapi(reply, 400)
    assert next(iter(change)) in message
    assert reply.json()["path"] == PURCHASE
    assert len(aimlapi.billed()) == before


@pytest.mark.parametrize("change", WRONG_ANYWHERE + WRONG_AT_FOXAPI)
def test_foxapi_refuses_what_its_document_does_not_allow(
    foxapi: Buyer, change: dict[str, Any]
) -> None:
    before = len(foxapi.billed())

    reply = foxapi.send(changed(foxapi.body(), change))

    message = assert_refused_by_foxapi(reply, 422, "invalid_request_error")
    assert next(iter(change)) in message
    assert len(foxapi.billed()) == before


def test_aimlapi_takes_every_documented_field(aimlapi: Buyer) -> None:
    body = {
        "model": "google/gemini-3-1-flash-image-preview",
        "prompt": "a lamp",
        "image_urls": ["https://a.example/b.png", data_uri()],
        "aspect_ratio": "9:16",
        "resolution": "4K",
        "enable_web_search": True,
    }

    reply = aimlapi.send(body)

    assert reply.status_code == 200
    assert reply.json()["data"][0].keys() == {"mime_type", "b64_json", "url"}


def test_foxapi_takes_every_documented_field(foxapi: Buyer) -> None:
    body = foxapi.body(
        aspect_ratio="match_input_image",
        resolution="0.5K",
        image_urls=["https://a.example/b.png"] * 14,
        output_format="webp",
        google_search=False,
        image_search=True,
    )

    task = foxapi.send(body).raise_for_status().json()

    assert task["id"].startswith("task-unified-")
    assert (task["object"], task["type"]) == ("image.generation.task", "image")
    assert (task["status"], task["progress"]) == ("pending", 0)
    assert task["task_info"].keys() == {"can_cancel", "estimated_time"}


@pytest.mark.parametrize(
    ("content_type", "raw"),
    [
        pytest.param("application/json", b'{"prompt": ', id="cut"),
        pytest.param("application/json", b"[]", id="list"),
        pytest.param("application/json", b'{"prompt": "\\ud800"}', id="half-pair"),
        pytest.param("application/json", b'{"prompt": NaN}', id="not-a-number"),
        pytest.param("application/json", b'{"n": 1, "n": 1}', id="twice"),
        pytest.param("application/json", b"\xff", id="no-utf-8"),
        pytest.param("text/plain", b'{"prompt": "a lamp"}', id="content-type"),
    ],
)
def test_a_body_that_is_no_json_object_is_400(
    buyer: Buyer, content_type: str, raw: bytes
) -> None:
    headers = {"authorization": f"Bearer {KEY}", "content-type": content_type}

    reply = buyer.client.post(buyer.url + buyer.path, content=raw, headers=headers)

    assert reply.status_code == 400
    assert "message" in json.dumps(reply.json())


def test_a_wrong_key_is_401_and_echoed(buyer: Buyer) -> None:
    reply = buyer.buy(key="sk-wrong-0123456789")

    assert reply.status_code == 401
    assert "sk-wrong-0123456789" in reply.text


def test_no_key_is_401(buyer: Buyer) -> None:
    reply = buyer.client.post(buyer.url + buyer.path, json=buyer.body())

    assert reply.status_code == 401


def test_no_credit_is_said_as_each_provider_says_it(
    aimlapi: Buyer, foxapi: Buyer
) -> None:
    there = aimlapi.buy(key="sk-broke")
    here = foxapi.buy(key="sk-broke")

    words = assert_refused_by_aimlapi(there, 403)
    assert words.startswith("You've run out of credits")
    assert_refused_by_foxapi(here, 402, "insufficient_quota")


def test_wrong_path_and_method_get_the_providers_own_json(
    aimlapi: Buyer, foxapi: Buyer
) -> None:
    get = httpx.Client.get

    assert_refused_by_aimlapi(get(aimlapi.client, aimlapi.url + "/v1/x"), 404)
    assert_refused_by_aimlapi(get(aimlapi.client, aimlapi.url + PURCHASE), 405)
    nowhere = get(foxapi.client, foxapi.url + PURCHASE + "/")
    assert_refused_by_foxapi(nowhere, 404, "not_found")
    method = get(foxapi.client, foxapi.url + PURCHASE)
    assert_refused_by_foxapi(method, 405, "invalid_request_error")


def test_an_unknown_task_is_404(foxapi: Buyer) -> None:
    reply = foxapi.poll("task-unified-1757165031-uyujaw3d")

    assert_refused_by_foxapi(reply, 404, "not_found")


def test_a_poll_needs_the_key(foxapi: Buyer) -> None:
    reply = foxapi.client.get(f"{foxapi.url}/v1/tasks/task-unified-1-a")

    assert_refused_by_foxapi(reply, 401, "authentication_error")


def test_a_download_must_not_carry_the_key(buyer: Buyer) -> None:
    link = buyer.link("a chair")

    reply = buyer.client.get(link, headers={"authorization": f"Bearer {KEY}"})

    assert reply.status_code == 400


def test_requests_are_kept_without_the_key(buyer: Buyer) -> None:
    buyer.buy(f"a poster that says {KEY}", aspect_ratio="1:1")

    request = buyer.sandbox.requests()[-1]

    assert request["provider"] == buyer.provider
    assert request["body"]["prompt"] == "a poster that says ***"
    assert request["headers"]["content-type"] == "application/json"
    assert KEY not in json.dumps(request)
