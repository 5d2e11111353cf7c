"""Google's JSON has many spellings: all that its services read, the sandbox reads."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from batchgen.sandbox import KEY, SandboxProcess
from tests.sandbox.buyer import Buyer, buyer_at, image_file
from tests.sandbox.test_gemini import MODEL, PATH, answer_of, image_of

# A JPEG, so that its base64 has characters in which the two alphabets differ, and
# needs padding.
PHOTO = next(
    file
    for width in range(90, 200)
    if b"/" in base64.b64encode(file := image_file("JPEG", (width, 50)))
    and base64.b64encode(file).endswith(b"=")
)


@pytest.fixture
def gemini(sandbox: SandboxProcess) -> Iterator[Buyer]:
    with buyer_at(sandbox, "gemini") as buyer:
        yield buyer


def snake_case(name: str) -> str:
    return "".join(
        f"_{letter.lower()}" if letter.isupper() else letter for letter in name
    )


def in_snake_case(value: Any) -> Any:
    """Return a document with its names as a .proto file spells them."""
    if isinstance(value, dict):
        return {snake_case(name): in_snake_case(item) for name, item in value.items()}
    if isinstance(value, list):
        return [in_snake_case(item) for item in value]
    return value


def full_request(prompt: str, data: str = "") -> dict[str, Any]:
    """Return a request that uses every field which the sandbox knows."""
    data = data or base64.b64encode(PHOTO).decode()
    blob = {"mimeType": "image/jpeg", "data": data}
    return {
        "contents": [
            {"role": "user", "parts": [{"text": prompt}, {"inlineData": blob}]}
        ],
        "generationConfig": {
            "responseModalities": ["TEXT", "IMAGE"],
            "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
            "thinkingConfig": {"thinkingLevel": "minimal"},
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 40,
            "maxOutputTokens": 8192,
        },
        "safetySettings": [
            {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}
        ],
        "tools": [{"googleSearch": {}}],
    }


def send(buyer: Buyer, body: object, path: str = PATH) -> httpx.Response:
    return buyer.send(body, path=path)


def assert_bought_as_asked(buyer: Buyer, reply: httpx.Response) -> None:
    answer = answer_of(reply)
    with image_of(answer) as image:
        assert image.size == (2752, 1536)
    sale = buyer.billed()[-1]
    assert (sale["id"], sale["resolution"]) == (answer["responseId"], "2K")
    prompt_details = answer["usageMetadata"]["promptTokensDetails"]
    assert {"modality": "IMAGE", "tokenCount": 258} in prompt_details


def test_every_field_goes_by_the_name_in_the_proto_file(gemini: Buyer) -> None:
    body = in_snake_case(full_request("a harbour in snake case"))
    assert "generation_config" in body

    assert_bought_as_asked(gemini, send(gemini, body))


def test_spellings_may_be_mixed_in_one_document(gemini: Buyer) -> None:
    body = full_request("a harbour in both cases")
    body["generationConfig"] = in_snake_case(body["generationConfig"])
    body["safety_settings"] = body.pop("safetySettings")

    assert_bought_as_asked(gemini, send(gemini, body))


def test_null_stands_for_an_absent_field_wherever_it_stands(gemini: Buyer) -> None:
    body = full_request("a harbour with nulls")
    body |= {"tools": None, "safetySettings": None}
    body["contents"][0]["role"] = None
    body["contents"][0]["parts"][0]["inlineData"] = None
    body["contents"][0]["parts"][1]["text"] = None
    body["generationConfig"] |= {"thinkingConfig": None, "topK": None}

    assert_bought_as_asked(gemini, send(gemini, body))


def test_a_whole_number_may_have_a_fraction_of_zero(gemini: Buyer) -> None:
    body = full_request("a harbour in halves")
    body["generationConfig"] |= {"topK": 40.0, "maxOutputTokens": 8192.0}
    assert "40.0" in json.dumps(body)

    assert_bought_as_asked(gemini, send(gemini, body))


@pytest.mark.parametrize("padding", ["", "="], ids=["bare", "padded"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_bytes_come_in_both_alphabets_with_padding_or_without(
    gemini: Buyer, encode: Any, padding: str
) -> None:
    data = encode(PHOTO).decode()
    assert data.endswith("=")
    body = full_request(
        f"{encode.__name__} {padding}", data if padding else data.rstrip("=")
    )
    del body["generationConfig"]["imageConfig"]["aspectRatio"]

    answer = answer_of(send(gemini, body))

    # Unsaid, the ratio is the input image's: so its bytes were read.
    with image_of(answer) as image, Image.open(BytesIO(PHOTO)) as sent:
        assert image.width / image.height == pytest.approx(
            sent.width / sent.height, rel=0.2
        )
    request = str(gemini.sandbox.requests()[-1]["body"])
    assert "sha256" in request
    assert data.rstrip("=") not in request


@pytest.mark.parametrize("version", ["", "/v1", "/v1beta"])
def test_it_is_served_under_both_versions(gemini: Buyer, version: str) -> None:
    body = full_request(f"a harbour at {version}")

    assert_bought_as_asked(gemini, send(gemini, body, version + PATH))


def test_it_is_not_served_under_a_version_that_there_is_not(gemini: Buyer) -> None:
    assert send(gemini, full_request("a harbour"), f"/v2{PATH}").status_code == 404


def test_the_body_may_name_the_model_and_the_path_decides(gemini: Buyer) -> None:
    body = full_request("a harbour, named") | {"model": f"models/{MODEL}"}
    assert_bought_as_asked(gemini, send(gemini, body))

    nowhere = PATH.replace(MODEL, "some-model")
    assert send(gemini, body, nowhere).status_code == 404


@pytest.mark.parametrize("names", [["Text", "Image"], ["image"], ["IMAGE"]])
def test_modalities_are_read_in_any_case(gemini: Buyer, names: list[str]) -> None:
    body = full_request(f"a harbour, {names}")
    body["generationConfig"]["responseModalities"] = names

    assert_bought_as_asked(gemini, send(gemini, body))


@pytest.mark.parametrize("name", ["google_search", "googleSearch"])
def test_the_search_goes_by_two_names(gemini: Buyer, name: str) -> None:
    body = full_request(f"a harbour, {name}") | {"tools": [{name: {}}]}

    assert_bought_as_asked(gemini, send(gemini, body))


def test_the_key_may_stand_in_the_address_and_is_judged_there(gemini: Buyer) -> None:
    body = full_request("a harbour by address")
    del body["generationConfig"]["thinkingConfig"]
    url = gemini.url + PATH

    right = gemini.client.post(url, params={"key": KEY}, json=body)
    wrong = gemini.client.post(url, params={"key": "sk-wrong-0123456789"}, json=body)
    none = gemini.client.post(url, params={"key": ""}, json=body)

    assert_bought_as_asked(gemini, right)
    assert [reply.status_code for reply in (wrong, none)] == [400, 403]
    assert KEY not in str(gemini.sandbox.requests())


def test_a_complaint_names_the_field_as_it_was_written(gemini: Buyer) -> None:
    body = full_request("a harbour") | {"safety_setting": []}

    reply = send(gemini, body)

    assert reply.status_code == 400
    assert "safety_setting'" in reply.text
