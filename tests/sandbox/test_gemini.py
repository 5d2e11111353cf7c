from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from batchgen.sandbox import KEY, SandboxProcess
from tests.sandbox.buyer import Buyer, buyer_at, image_file
from tests.sandbox.test_strictness import MISSING, changed

MODEL = "gemini-nano-banana-2.1"
OFF = "gemini-3.1-flash-image"
PATH = f"/models/{MODEL}:generateContent"
PROMPTS = [f"harbour {number}" for number in range(48)]
NANO_PER_TOKEN = {"TEXT": 7_500, "IMAGE": 30_000}
POLICY = {
    *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"),
    *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
}


@pytest.fixture
def gemini(sandbox: SandboxProcess) -> Iterator[Buyer]:
    with buyer_at(sandbox, "gemini") as buyer:
        yield buyer


def inline(kind: str = "PNG", size: tuple[int, int] = (16, 9)) -> dict[str, Any]:
    data = base64.b64encode(image_file(kind, size)).decode()
    return {"inlineData": {"mimeType": f"image/{kind.lower()}", "data": data}}


def body(
    prompt: str = "a harbour",
    *parts: object,
    image: dict[str, Any] | None = None,
    thinking: str = "minimal",
    **fields: object,
) -> dict[str, Any]:
    config = {
        "responseModalities": ["TEXT", "IMAGE"],
        "imageConfig": image or {},
        "thinkingConfig": {"thinkingLevel": thinking},
    }
    return {
        "contents": [{"role": "user", "parts": [{"text": prompt}, *parts]}],
        "generationConfig": config,
        **fields,
    }


def send(buyer: Buyer, wish: object, key: str = KEY) -> httpx.Response:
    return buyer.send(wish, key, path=PATH)


def answer_of(reply: httpx.Response) -> dict[str, Any]:
    assert reply.status_code == 200
    answer: dict[str, Any] = reply.json()
    assert answer.keys() >= {"usageMetadata", "modelVersion", "responseId"}
    return answer


def parts_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    [candidate] = answer["candidates"]
    parts: list[dict[str, Any]] = candidate.get("content", {}).get("parts", [])
    return parts


def image_of(answer: dict[str, Any]) -> Image.Image:
    blob = parts_of(answer)[-1]["inlineData"]
    assert blob["mimeType"] == "image/png"
    return Image.open(BytesIO(base64.b64decode(blob["data"])))


def error_of(reply: httpx.Response) -> dict[str, Any]:
    """Return an error, which may come as a list of one."""
    document = reply.json()
    [document] = document if isinstance(document, list) else [document]
    error: dict[str, Any] = document["error"]
    assert error["code"] == reply.status_code
    return error


def cost_nano(usage: dict[str, Any]) -> int:
    """Return what the tokens of an answer cost at Google's list prices."""
    details = usage["candidatesTokensDetails"]
    counts: dict[str, int] = {
        detail["modality"]: detail["tokenCount"] for detail in details
    }
    assert sum(counts.values()) == usage["candidatesTokenCount"]
    assert usage["totalTokenCount"] == sum(
        usage[f"{kind}TokenCount"] for kind in ("prompt", "candidates", "thoughts")
    )
    output_nano = sum(NANO_PER_TOKEN[kind] * count for kind, count in counts.items())
    input_tokens, thought_tokens = (
        usage["promptTokenCount"],
        usage["thoughtsTokenCount"],
    )
    return int(1_500 * input_tokens + 7_500 * thought_tokens + output_nano)


@pytest.mark.parametrize(
    ("image", "size", "resolution", "tokens"),
    [
        ({"imageSize": "1K", "aspectRatio": "16:9"}, (1376, 768), "1K", 1120),
        ({}, (1024, 1024), "1K", 1120),
        ({"imageSize": "2K", "aspectRatio": "21:9"}, (3168, 1344), "2K", 1680),
        ({"imageSize": "4K", "aspectRatio": "1:8"}, (1536, 12288), "4K", 2520),
    ],
)
def test_an_image_has_the_size_asked_for_and_costs_its_tokens(
    gemini: Buyer,
    image: dict[str, Any],
    size: tuple[int, int],
    resolution: str,
    tokens: int,
) -> None:
    answer = answer_of(send(gemini, body("a quay by night", image=image)))

    with image_of(answer) as drawn:
        assert drawn.size == size
    usage = answer["usageMetadata"]
    assert {"modality": "IMAGE", "tokenCount": tokens} in usage[
        "candidatesTokensDetails"
    ]
    sale = gemini.billed()[-1]
    assert sale["id"] == answer["responseId"]
    assert sale["resolution"] == resolution
    assert sale["amount_nano_usd"] == cost_nano(usage)
    price = gemini.sandbox.tariff()["gemini"][resolution]
    amount = Decimal(sale["amount_usd"])
    assert abs(amount - Decimal(price["expected_usd"])) < Decimal("0.0025")
    assert amount <= Decimal(price["ceiling_usd"])


def test_the_longest_prompt_with_all_references_stays_below_the_ceiling(
    gemini: Buyer,
) -> None:
    wish = body("sea " * 50_000, *[inline()] * 14)

    answer_of(send(gemini, wish))

    price = gemini.sandbox.tariff()["gemini"]["1K"]
    amount = Decimal(gemini.billed()[-1]["amount_usd"])
    assert Decimal("0.045") < amount <= Decimal(price["ceiling_usd"])


def test_answers_come_with_words_and_drafts_that_are_no_results(
    gemini: Buyer,
) -> None:
    answers = [answer_of(send(gemini, body(prompt))) for prompt in PROMPTS]

    shapes = {
        tuple(
            ("draft " if part.get("thought") else "")
            + ("image" if "inlineData" in part else "text")
            for part in parts_of(answer)
        )
        for answer in answers
    }
    assert shapes == {
        ("image",),
        ("text", "image"),
        ("draft text", "draft image", "image"),
        ("draft text", "draft image", "text", "image"),
    }
    for answer in answers:
        thoughts = answer["usageMetadata"]["thoughtsTokenCount"]
        assert (thoughts > 0) == any("thought" in part for part in parts_of(answer))
        with image_of(answer) as image:
            assert image.size == (1024, 1024)
    billed = gemini.billed()[-len(answers) :]
    assert [sale["amount_nano_usd"] for sale in billed] == [
        cost_nano(answer["usageMetadata"]) for answer in answers
    ]


@pytest.mark.parametrize(
    ("references", "size"),
    [
        pytest.param([inline("JPEG", (160, 90))], (1376, 768), id="16:9"),
        pytest.param([inline("WEBP", (10, 90))], (384, 3072), id="1:8"),
        pytest.param(
            [inline(size=(50, 50)), inline()], (1024, 1024), id="first-of-two"
        ),
    ],
)
def test_unsaid_the_ratio_is_that_of_the_input_image(
    gemini: Buyer, references: list[dict[str, Any]], size: tuple[int, int]
) -> None:
    answer = answer_of(send(gemini, body("the same at dusk", *references)))

    with image_of(answer) as image:
        assert image.size == size
    prompt_details = answer["usageMetadata"]["promptTokensDetails"]
    assert prompt_details == [
        {"modality": "TEXT", "tokenCount": 4},
        {"modality": "IMAGE", "tokenCount": 258 * len(references)},
    ]


def test_it_takes_every_documented_field(gemini: Buyer) -> None:
    wish = body(
        "a harbour",
        *[inline("JPEG")] * 14,
        safetySettings=[
            {"category": f"HARM_CATEGORY_{name}", "threshold": "BLOCK_ONLY_HIGH"}
            for name in ("HARASSMENT", "HATE_SPEECH")
        ],
        tools=[{"google_search": {}}],
    )
    wish["generationConfig"] |= {
        "imageConfig": {"aspectRatio": "16:9", "imageSize": "1K"},
        "thinkingConfig": {"thinkingLevel": "minimal"},
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 40,
        "maxOutputTokens": 8192,
    }

    answer_of(send(gemini, wish))


CONTENTS = body()["contents"]
SETTING = {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}


def parts(*parts: object) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": list(parts)}]}


def config(**fields: object) -> dict[str, Any]:
    return {"generationConfig": fields}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"prompt": "a lamp"}, "prompt", id="prompt-of-others"),
        pytest.param({"contents": MISSING}, "contents", id="no-contents"),
        pytest.param({"contents": []}, "contents", id="no-content"),
        pytest.param({"contents": CONTENTS * 2}, "contents", id="two-turns"),
        pytest.param({"contents": CONTENTS[0]}, "contents", id="contents-object"),
        pytest.param(parts(), "parts", id="no-parts"),
        pytest.param(parts(inline()), "text", id="no-text"),
        pytest.param(parts({"text": ""}), "text", id="text-empty"),
        pytest.param(
            parts({"text": "a", **inline()}), "parts[0]", id="text-and-image-in-one"
        ),
        pytest.param(
            parts({"text": "a"}, {"inline_Data": {}}), "inline_Data", id="mixed-case"
        ),
        pytest.param(
            parts({"text": "a"}, {"inline_data": {}}), "mimeType", id="empty-snake-case"
        ),
        pytest.param(
            parts(
                {"text": "a"},
                {
                    "inlineData": inline()["inlineData"],
                    "inline_data": inline()["inlineData"],
                },
            ),
            "two spellings",
            id="both-spellings",
        ),
        pytest.param(config(topK=40.5), "topK", id="half-a-number"),
        pytest.param({"colour_name": None}, "colour_name", id="unknown-null"),
        pytest.param(
            parts({"text": "a"}, *[inline()] * 15), "15 images", id="15-images"
        ),
        pytest.param(
            parts({"text": "a"}, {"inlineData": {"data": "AA=="}}),
            "mimeType",
            id="no-mime-type",
        ),
        pytest.param(
            parts(
                {"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "?"}}
            ),
            "base64",
            id="no-base64",
        ),
        pytest.param(
            parts(
                {"text": "a"},
                {"inlineData": {**inline()["inlineData"], "mimeType": "image/jpeg"}},
            ),
            "image/jpeg",
            id="mislabelled",
        ),
        pytest.param(parts({"text": "a"}, inline("GIF")), "image/gif", id="gif"),
        pytest.param(
            config(imageConfig={"imageSize": "2k"}), "imageSize", id="lower-case-k"
        ),
        pytest.param(config(imageConfig={"imageSize": "0.5K"}), "imageSize", id="0.5K"),
        pytest.param(config(imageConfig={"imageSize": "512"}), "imageSize", id="512"),
        pytest.param(
            config(thinkingConfig={"thinkingLevel": "deep"}), "thinkingLevel", id="deep"
        ),
        pytest.param(
            config(imageConfig={"aspectRatio": "auto"}), "aspectRatio", id="auto"
        ),
        pytest.param(
            config(imageConfig={"outputMimeType": "image/png"}),
            "outputMimeType",
            id="vertex-only",
        ),
        pytest.param(config(imageSize="1K"), "imageSize", id="size-outside"),
        pytest.param(config(candidateCount=2), "candidateCount", id="two-candidates"),
        pytest.param(config(responseModalities=["TEXT"]), "IMAGE", id="text-only"),
        pytest.param(config(topK="40"), "topK", id="number-quoted"),
        pytest.param(config(temperature=2.5), "temperature", id="too-hot"),
        pytest.param({"safetySettings": [SETTING] * 2}, "twice", id="setting-twice"),
        pytest.param(
            {"safetySettings": [SETTING | {"threshold": "none"}]},
            "threshold",
            id="unknown-threshold",
        ),
        pytest.param({"tools": [{"google_search": True}]}, "tools", id="tool-flag"),
        pytest.param({"tools": [{}]}, "googleSearch", id="no-tool"),
    ],
)
def test_it_refuses_what_its_pages_do_not_allow(
    gemini: Buyer, change: dict[str, Any], named: str
) -> None:
    before = gemini.billed()

    reply = send(gemini, changed(body(), change))

    error = error_of(reply)
    assert (reply.status_code, error["status"]) == (400, "INVALID_ARGUMENT")
    assert named in error["message"]
    assert error["details"][0]["fieldViolations"]
    assert gemini.billed() == before


def test_a_request_of_more_than_20_mb_is_refused(gemini: Buyer) -> None:
    reply = send(gemini, body("x" * 21 * 1024 * 1024))

    assert error_of(reply)["status"] == "INVALID_ARGUMENT"
    assert "size" in error_of(reply)["message"]


@pytest.mark.parametrize("model", [OFF, f"{OFF}-preview"])
def test_a_model_that_was_shut_down_is_not_found(gemini: Buyer, model: str) -> None:
    before = gemini.billed()

    reply = gemini.send(body(), path=PATH.replace(MODEL, model))

    assert (reply.status_code, error_of(reply)["status"]) == (404, "NOT_FOUND")
    assert model in error_of(reply)["message"]
    assert gemini.billed() == before


@pytest.mark.parametrize(
    ("model", "resolution", "usd"),
    [
        pytest.param("gemini-3-pro-image", "2K", "0.1344", id="pro-2K"),
        pytest.param("gemini-3-pro-image", "4K", "0.24", id="pro-4K"),
        pytest.param("gemini-3.1-flash-lite-image", "1K", "0.0336", id="lite"),
        pytest.param("gemini-2.5-flash-image", "1K", "0.0387", id="former"),
    ],
)
def test_other_models_have_prices_of_their_own(
    gemini: Buyer, model: str, resolution: str, usd: str
) -> None:
    wish = body("a pier", image={} if resolution == "1K" else {"imageSize": resolution})
    del wish["generationConfig"]["thinkingConfig"]

    answer = answer_of(gemini.send(wish, path=PATH.replace(MODEL, model)))

    assert answer["modelVersion"] == model
    amount = Decimal(gemini.billed()[-1]["amount_usd"])
    assert Decimal(usd) < amount < Decimal(usd) + Decimal("0.006")
    [price] = [
        price
        for price in gemini.sandbox.tariff()["special"]["gemini"]
        if (price["model"], price["resolution"]) == (model, resolution)
        and "thinking" not in price
    ]
    assert Decimal(price["lowest_usd"]) <= amount <= Decimal(price["ceiling_usd"])


def test_a_model_without_sizes_refuses_to_be_told_one(gemini: Buyer) -> None:
    lite = PATH.replace(MODEL, "gemini-3.1-flash-lite-image")

    reply = gemini.send(body(image={"imageSize": "1K"}), path=lite)

    assert reply.status_code == 400
    assert "imageSize" in error_of(reply)["message"]
    answer_of(gemini.send(body(), path=lite))


def test_thinking_is_text_that_is_charged_by_its_level(gemini: Buyer) -> None:
    thoughts = {}
    for level in ("minimal", "low", "medium", "high"):
        wishes = (body(prompt, thinking=level) for prompt in PROMPTS[:8])
        answers = [answer_of(send(gemini, wish)) for wish in wishes]
        counts = [answer["usageMetadata"]["thoughtsTokenCount"] for answer in answers]
        thoughts[level] = max(counts)
    unsaid = body(PROMPTS[0])
    del unsaid["generationConfig"]["thinkingConfig"]
    usual = answer_of(send(gemini, unsaid))["usageMetadata"]["thoughtsTokenCount"]

    assert thoughts["minimal"] <= 150
    assert 200 <= thoughts["low"] <= 500
    assert 600 <= thoughts["medium"] <= 1_500 <= thoughts["high"]
    assert 600 <= usual <= 1_500  # as `medium`
    assert gemini.billed()[-1]["amount_nano_usd"] > 33_600_000 + 600 * 7_500


def test_each_distinct_query_of_a_search_is_charged(gemini: Buyer) -> None:
    tools: list[dict[str, Any]] = [{"google_search": {}}]
    answers = [
        answer_of(send(gemini, body(prompt, tools=tools))) for prompt in PROMPTS[:12]
    ]

    counts = set()
    for answer, sale in zip(answers, gemini.billed()[-12:], strict=True):
        grounding = answer["candidates"][0].get("groundingMetadata", {})
        queries = {query for query in grounding.get("webSearchQueries", ()) if query}
        counts.add(len(queries))
        usage = answer["usageMetadata"]
        results = usage.pop("toolUsePromptTokenCount", 0)
        assert bool(results) == bool(queries)
        usage["totalTokenCount"] -= results
        searched = 14_000_000 * len(queries)
        assert sale["amount_nano_usd"] == cost_nano(usage) + searched
    assert len(counts) > 2


def test_keys_are_judged_as_google_does(gemini: Buyer) -> None:
    wrong = send(gemini, body(), key="sk-wrong-0123456789")
    broke = send(gemini, body(), key="sk-broke")
    daily = send(gemini, body(), key="sk-daily")
    bearer = {"authorization": f"Bearer {KEY}"}
    none = gemini.client.post(gemini.url + PATH, json=body(), headers=bearer)

    assert wrong.status_code == 400
    assert error_of(wrong)["details"][0]["reason"] == "API_KEY_INVALID"
    assert "sk-wrong-0123456789" in wrong.text
    assert (broke.status_code, error_of(broke)["status"]) == (
        *(402, "RESOURCE_EXHAUSTED"),
    )
    assert daily.status_code == 429
    assert "PerDay" in json.dumps(error_of(daily)["details"])
    assert "RetryInfo" not in daily.text
    assert (none.status_code, error_of(none)["status"]) == (403, "PERMISSION_DENIED")


def test_a_throttle_says_how_long_to_wait_unless_it_is_silent(gemini: Buyer) -> None:
    gemini.sandbox.queue_fault("gemini", "throttle", 24)
    replies = [send(gemini, body(prompt)) for prompt in PROMPTS[:24]]
    gemini.sandbox.queue_fault("gemini", "throttle_silent")
    untold = send(gemini, body())

    waits = set()
    orders = set()
    for reply in replies:
        assert (reply.status_code, "retry-after" in reply.headers) == (429, False)
        details = error_of(reply)["details"]
        kinds = [detail["@type"].rpartition(".")[2] for detail in details]
        orders.add(tuple(kinds))
        [wait] = [each["retryDelay"] for each in details if "retryDelay" in each]
        waits.add(wait)
    assert len(orders) == 2
    assert len(waits) > 1
    assert all(re.fullmatch(r"[0-9.]+s", wait) for wait in waits)
    assert untold.status_code == 429
    assert "PerMinute" in untold.text
    assert "RetryInfo" not in untold.text


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("wrong_key", {(400, "INVALID_ARGUMENT")}),
        ("no_credit", {(402, "RESOURCE_EXHAUSTED")}),
        ("model_gone", {(404, "NOT_FOUND")}),
        (
            "server_error",
            {(500, "INTERNAL"), (503, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED")},
        ),
    ],
)
def test_errors_cost_nothing_and_come_in_a_list_now_and_then(
    gemini: Buyer, fault: str, expected: set[tuple[int, str]]
) -> None:
    before = gemini.billed()
    gemini.sandbox.queue_fault("gemini", fault, len(PROMPTS))

    replies = [send(gemini, body(prompt)) for prompt in PROMPTS]

    errors = [error_of(reply) for reply in replies]
    assert {(error["code"], error["status"]) for error in errors} == expected
    kinds = Counter(type(reply.json()) for reply in replies)
    assert 0 < kinds[list] < kinds[dict]
    assert gemini.billed() == before


def test_a_refusal_has_many_disguises_and_costs_the_prompt(gemini: Buyer) -> None:
    replies = [send(gemini, body(f"{prompt} REFUSE-ME")) for prompt in PROMPTS]

    errors = [reply for reply in replies if reply.status_code != 200]
    answers = [answer_of(reply) for reply in replies if reply not in errors]
    blocks = {
        answer["promptFeedback"]["blockReason"]
        for answer in answers
        if "candidates" not in answer
    }
    stops = {
        answer["candidates"][0]["finishReason"]
        for answer in answers
        if "candidates" in answer
    }
    assert {error_of(reply)["code"] for reply in errors} == {400}
    assert all("policy" in error_of(reply)["message"] for reply in errors)
    assert len(blocks) > 2
    assert blocks < POLICY
    assert len(stops) > 5
    assert stops <= POLICY
    assert not any(parts_of(answer) for answer in answers if "candidates" in answer)
    billed = {sale["id"]: sale for sale in gemini.billed()}
    for answer in answers:
        sale = billed[answer["responseId"]]
        assert sale["status"] == "refused"
        assert sale["amount_nano_usd"] == cost_nano(answer["usageMetadata"]) == 4_500
    outcomes = {request["outcome"] for request in gemini.sandbox.requests()[-48:]}
    assert outcomes == {"refusal"}


def test_an_answer_without_an_image_says_why_or_only_talks(gemini: Buyer) -> None:
    gemini.sandbox.queue_fault("gemini", "no_image", len(PROMPTS))

    answers = [answer_of(send(gemini, body(prompt))) for prompt in PROMPTS]

    reasons = {answer["candidates"][0]["finishReason"] for answer in answers}
    assert reasons == {"STOP", "NO_IMAGE", "IMAGE_OTHER", "OTHER"}
    for answer in answers:
        talks = answer["candidates"][0]["finishReason"] == "STOP"
        assert [part.keys() for part in parts_of(answer)] == [{"text"}] * talks
    billed = gemini.billed()[-len(answers) :]
    assert {sale["status"] for sale in billed} == {"no_image"}
    assert [sale["amount_nano_usd"] for sale in billed] == [
        cost_nano(answer["usageMetadata"]) for answer in answers
    ]


def test_a_reply_that_nobody_can_read_is_charged(gemini: Buyer) -> None:
    gemini.sandbox.queue_fault("gemini", "malformed")

    reply = send(gemini, body("a harbour, torn"))

    with pytest.raises(json.JSONDecodeError):
        reply.json()
    sale = gemini.billed()[-1]
    assert (sale["prompt"], sale["status"]) == ("a harbour, torn", "lost")


def test_an_image_can_be_smaller_than_what_is_paid_for(gemini: Buyer) -> None:
    gemini.sandbox.queue_fault("gemini", "smaller_image")

    answer = answer_of(send(gemini, body("a small harbour")))

    with image_of(answer) as image:
        assert image.size == (512, 512)
    assert gemini.billed()[-1]["amount_nano_usd"] > 33_600_000


def test_a_request_is_written_down_without_its_key_and_its_images(
    gemini: Buyer,
) -> None:
    send(gemini, body("a harbour", inline()))

    request = gemini.sandbox.requests()[-1]

    assert request["path"] == PATH
    assert "x-goog-api-key" not in request["headers"]
    data = request["body"]["contents"][0]["parts"][1]["inlineData"]["data"]
    assert "sha256" in data
    assert KEY not in json.dumps(request)
