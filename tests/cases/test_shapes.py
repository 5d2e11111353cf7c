"""Kinds c and e: an image that was paid for is taken in whatever shape it comes."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.cases import replies
from tests.cases.conftest import Market
from tests.cases.dialects import CREDITS, answer_of, encoded, inline, link_of, sold
from tests.cases.encodings import CODINGS, NO_CODINGS
from tests.cases.server import ANYWHERE, PRICE, Answer, draw

IMAGE = draw("odd")
LINK = link_of("odd")
URI = f"data:image/png;base64,{encoded(IMAGE)}"
PLAIN = {"created": 1, "data": [{"b64_json": encoded(IMAGE)}]}
TEXT = json.dumps(PLAIN)


def typed(body: object, content_type: str) -> Answer:
    return sold(body, Content_Type=content_type)


def events(*documents: object) -> Answer:
    lines = [f"data: {json.dumps(each)}\n\n" for each in documents]
    return typed("".join([*lines, "data: [DONE]\n\n"]), "text/event-stream")


def chat(content: object, **message: object) -> Answer:
    choice = {"message": {"role": "assistant", "content": content, **message}}
    return sold({"choices": [choice]})


def aimlapi(data: object) -> Answer:
    return sold({"data": data, "meta": {"usage": {"credits_used": CREDITS}}})


def nano(data: object, code: object = 0) -> Answer:
    return sold({"code": code, "message": "ok", "data": data})


@dataclass(frozen=True, slots=True)
class Shape:
    """An answer to a purchase, and the image in it."""

    provider: str
    answer: Answer
    image: bytes = IMAGE


CUP = draw("cup")
FIXED = replies.load("c-openai-data-uri-in-url").body
assert isinstance(FIXED, dict)
EIGHT = b64decode(FIXED["data"][0]["url"].partition(",")[2])

OF_THE_CASES = {
    "c-gemini-markdown-link": ("gemini", CUP),
    "c-gemini-markdown-data-uri": ("gemini", EIGHT),
    "c-gemini-file-data": ("gemini", CUP),
    "c-openai-data-uri-in-url": ("openai", EIGHT),
    "c-openai-list-of-links": ("openai", CUP),
    "c-openai-sse": ("openai", EIGHT),
    "c-openai-nan": ("openai", EIGHT),
    "e-reply-utf-8": ("openai", EIGHT),
}

OPENAI = {
    "one link as an object": sold({"data": {"url": LINK}}),
    "one link as text": sold({"data": LINK}),
    "base64 where a URL belongs": sold({"data": [{"url": encoded(IMAGE)}]}),
    "data URI as base64": sold({"data": [{"b64_json": URI}]}),
    "texts of base64": sold({"data": [encoded(IMAGE)]}),
    "image_url as text": sold({"data": [{"image_url": LINK}]}),
    "image_url as an object": sold({"data": [{"image_url": {"url": URI}}]}),
    "images": sold({"images": [{"url": LINK}]}),
    "image": sold({"image": URI}),
    "output": sold({"output": [LINK]}),
    "nested data": sold({"data": {"data": [{"url": LINK}]}}),
    "array around it": sold([PLAIN]),
    "empty fields beside it": sold(
        {"data": [{"url": "", "b64_json": encoded(IMAGE), "revised_prompt": None}]}
    ),
    "error null": sold({**PLAIN, "error": None}),
    "BOM": sold("\ufeff" + TEXT),
    "UTF-16": typed(TEXT.encode("utf-16"), "application/json; charset=utf-16"),
    "text before": sold("ok: " + TEXT),
    "text behind": sold(TEXT + "\n\nDone in 3 s"),
    "Infinity": sold(TEXT.replace('"created": 1', '"created": Infinity')),
    "bad letters": sold(TEXT.encode().replace(b'"created"', b'"cr\xff\xfeated"')),
    "half a letter": sold(TEXT.encode().replace(b"1,", b'1, "w": "caf\xc3",')),
    "text/html": typed(TEXT, "text/html"),
    "text/plain": typed(TEXT, "text/plain; charset=utf-8"),
    "image/png that is JSON": typed(TEXT, "image/png"),
    "no content type": typed(TEXT, ""),
    "bytes of the image": typed(IMAGE, "image/png"),
    "bytes of the image as JSON": typed(IMAGE, "application/json"),
    "in chunks": Answer(200, PLAIN, charge=PRICE, framing="chunks"),
    "until the end": Answer(200, PLAIN, charge=PRICE, framing="close"),
    "events of drafts": events(
        {"type": "image_generation.partial_image", "b64_json": encoded(draw("draft"))},
        {"type": "image_generation.completed", "b64_json": encoded(IMAGE)},
    ),
    "event of a whole reply": events(PLAIN),
    "events as JSON": typed(f"data: {TEXT}\n\ndata: [DONE]\n\n", "application/json"),
    "chat with images": chat("", images=[{"image_url": {"url": URI}}]),
    "chat with a link": chat(f"Here: ![image]({LINK})"),
    "reference echoed": sold(
        {"input": {"image_urls": [link_of("mine")]}, "data": [{"url": LINK}]}
    ),
}

GEMINI = {
    "snake_case": answer_of(
        [{"inline_data": {"mime_type": "image/png", "data": encoded(IMAGE)}}]
    ),
    "snake_case file": answer_of(
        [{"file_data": {"mime_type": "image/png", "file_uri": LINK}}]
    ),
    "data URI in data": answer_of([{"inlineData": {"mimeType": "x", "data": URI}}]),
    "link with a title": answer_of([{"text": f'![a cup]({LINK} "A cup")'}]),
    "bare data URI": answer_of([{"text": URI}]),
    "draft, then image": answer_of(
        [{**inline(draw("draft")), "thought": True}, inline(IMAGE)]
    ),
    "drafts only": answer_of([{**inline(IMAGE), "thought": True}]),
    "array of pieces": sold(
        [
            {"candidates": [{"content": {"parts": [{"text": "here"}]}}]},
            {"candidates": [{"content": {"parts": [inline(IMAGE)]}}]},
        ]
    ),
    "events": events({"candidates": [{"content": {"parts": [inline(IMAGE)]}}]}),
    "openai's shape": sold(PLAIN),
    "bytes": typed(IMAGE, "image/png"),
    "whole numbers with a dot": answer_of([inline(IMAGE)], index=0.0),
}

OTHERS = {
    "aimlapi data URI": Shape("aimlapi", aimlapi([{"url": URI, "b64_json": None}])),
    "aimlapi object": Shape("aimlapi", aimlapi({"url": LINK})),
    "aimlapi texts": Shape("aimlapi", aimlapi([LINK])),
    "aimlapi images": Shape("aimlapi", sold({"images": [{"url": LINK}]})),
    "aimlapi bytes": Shape("aimlapi", typed(IMAGE, "image/png")),
    "aimlapi text before": Shape("aimlapi", sold("\n\n: ping\n" + TEXT)),
    "nano list of links": Shape("nanobananaapi", nano([LINK])),
    "nano text": Shape("nanobananaapi", nano(LINK)),
    "nano data URI": Shape("nanobananaapi", nano({"url": URI})),
    "nano urls": Shape("nanobananaapi", nano({"urls": [LINK]})),
    "nano code as text": Shape("nanobananaapi", nano({"url": [LINK]}, "0")),
    "nano base64": Shape("nanobananaapi", nano({"b64_json": encoded(IMAGE)})),
    "nano in openai's shape": Shape("nanobananaapi", sold(PLAIN)),
    "apiai as octets": Shape("apiai", typed(IMAGE, "application/octet-stream")),
    "apiai as text": Shape("apiai", typed(IMAGE, "text/plain")),
    "apiai as JSON": Shape("apiai", typed(IMAGE, "application/json")),
    "apiai link": Shape("apiai", sold({"url": LINK}, X_Cost="0.05")),
    "apiai data URI": Shape("apiai", sold({"image": URI}, X_Cost="0.05")),
    "apiai output": Shape("apiai", sold({"output": [LINK]}, X_Cost="0.05")),
    "foxapi at once": Shape(
        "foxapi", sold({"id": "t-1", "status": "completed", "results": [{"url": LINK}]})
    ),
    "foxapi in openai's shape": Shape("foxapi", sold({"data": [{"url": LINK}]})),
    "gccai at once": Shape(
        "gccai", sold({"code": 200, "data": [{"url": LINK, "status": "completed"}]})
    ),
    "gccai in openai's shape": Shape("gccai", sold(PLAIN)),
}


def assert_delivered(market: Market, shape: Shape) -> None:
    customer, service = market.enter(shape.provider)
    service.rows["odd"] = [shape.answer]
    customer.write(["a", "odd", "z"])
    outcome = customer.run(within_s=30)
    outcome.ends(0, others="succeeded")
    assert outcome.members["odd.png"] == shape.image, outcome.explain()
    assert len(service.purchases) == 3, outcome.explain()
    assert outcome.rows["odd"]["at_risk_attempts"] == 0, outcome.explain()


@pytest.mark.parametrize("name", OF_THE_CASES)
def test_a_case_of_an_unusual_shape_is_stored(market: Market, name: str) -> None:
    provider, image = OF_THE_CASES[name]
    assert_delivered(market, Shape(provider, replies.load_sold(name), image))


@pytest.mark.parametrize("answer", OPENAI.values(), ids=OPENAI)
def test_a_shape_at_openai_is_stored(market: Market, answer: Answer) -> None:
    assert_delivered(market, Shape("openai", answer))


@pytest.mark.parametrize("answer", GEMINI.values(), ids=GEMINI)
def test_a_shape_at_gemini_is_stored(market: Market, answer: Answer) -> None:
    assert_delivered(market, Shape("gemini", answer))


@pytest.mark.parametrize("shape", OTHERS.values(), ids=OTHERS)
def test_a_shape_elsewhere_is_stored(market: Market, shape: Shape) -> None:
    assert_delivered(market, shape)


def test_a_lone_draft_is_taken_with_a_warning(market: Market) -> None:
    customer, service = market.enter("gemini")
    service.rows["odd"] = [GEMINI["drafts only"]]
    customer.write(["odd"])
    outcome = customer.run(within_s=30)
    outcome.ends(0, others="succeeded")
    assert outcome.rows["odd"]["warning"], outcome.explain()


BODIES: Mapping[str, tuple[object, str]] = {
    "openai": (PLAIN, "application/json"),
    "gemini": (answer_of([inline(IMAGE)]).body, "application/json"),
    "apiai": (IMAGE, "image/png"),
}


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("provider", BODIES)
def test_a_coding_that_was_not_asked_for_is_unpacked(
    market: Market, provider: str, coding: str
) -> None:
    name, pack = CODINGS[coding]
    body, kind = BODIES[provider]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Encoding": name, "Content-Type": kind, "X-Cost": "0.05"}
    answer = Answer(200, pack(content), headers, charge=PRICE)
    assert_delivered(market, Shape(provider, answer))


@pytest.mark.parametrize("coding", NO_CODINGS)
@pytest.mark.parametrize("provider", BODIES)
def test_a_coding_that_is_none_is_overlooked(
    market: Market, provider: str, coding: str
) -> None:
    body, kind = BODIES[provider]
    headers = {"Content-Encoding": coding, "Content-Type": kind, "X-Cost": "0.05"}
    answer = Answer(200, body, headers, charge=PRICE)
    assert_delivered(market, Shape(provider, answer))


def test_links_beside_base64_are_all_stored(market: Market) -> None:
    customer, service = market.enter("openai")
    both = [{"b64_json": encoded(IMAGE)}, {"url": f"{ANYWHERE}/img/second.png"}]
    service.rows["odd"] = [Answer(200, {"data": both}, charge=2 * PRICE)]
    customer.write(["odd"], n="2")
    outcome = customer.run(within_s=30)
    outcome.ends(0, odd="succeeded")
    assert sorted(outcome.members.values()) == sorted([IMAGE, draw("second")])
    assert len(service.purchases) == 1, outcome.explain()
