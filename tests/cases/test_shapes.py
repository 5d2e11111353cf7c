"""Kinds c and e: an image that was paid for is taken in whatever shape it comes."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping

import pytest

from tests.cases import replies
from tests.cases.conftest import Market
from tests.cases.dialects import CREDITS, answer_of, encoded, inline, link_of, sold
from tests.cases.encodings import CODINGS, NO_CODINGS
from tests.cases.judge import among_others, row_of
from tests.cases.server import ANYWHERE, PRICE, Answer, draw

IMAGE = draw("odd")
LINK = link_of("odd")
URI = f"data:image/png;base64,{encoded(IMAGE)}"
PLAIN = {"created": 1, "data": [{"b64_json": encoded(IMAGE)}]}
TEXT = json.dumps(PLAIN)


def typed(body: object, content_type: str) -> Answer:
    return sold(body, Content_Type=content_type)


def events(*documents: object) -> Answer:
    lines = [f"data: {json.dumps(document)}\n\n" for document in documents]
    return typed("".join([*lines, "data: [DONE]\n\n"]), "text/event-stream")


def chat(content: object, **message: object) -> Answer:
    choice = {"message": {"role": "assistant", "content": content, **message}}
    return sold({"choices": [choice]})


def aimlapi(data: object) -> Answer:
    return sold({"data": data, "meta": {"usage": {"credits_used": CREDITS}}})


def nano(data: object, code: object = 0) -> Answer:
    return sold({"code": code, "message": "ok", "data": data})


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

AIMLAPI = {
    "data URI": aimlapi([{"url": URI, "b64_json": None}]),
    "object": aimlapi({"url": LINK}),
    "texts": aimlapi([LINK]),
    "images": sold({"images": [{"url": LINK}]}),
    "bytes": typed(IMAGE, "image/png"),
    "text before": sold("\n\n: ping\n" + TEXT),
}

NANO = {
    "list of links": nano([LINK]),
    "text": nano(LINK),
    "data URI": nano({"url": URI}),
    "urls": nano({"urls": [LINK]}),
    "code as text": nano({"url": [LINK]}, "0"),
    "base64": nano({"b64_json": encoded(IMAGE)}),
    "openai's shape": sold(PLAIN),
}

APIAI = {
    "as octets": typed(IMAGE, "application/octet-stream"),
    "as text": typed(IMAGE, "text/plain"),
    "as JSON": typed(IMAGE, "application/json"),
    "link": sold({"url": LINK}, X_Cost="0.05"),
    "data URI": sold({"image": URI}, X_Cost="0.05"),
    "output": sold({"output": [LINK]}, X_Cost="0.05"),
}

FOXAPI = {
    "at once": sold({"id": "t-1", "status": "completed", "results": [{"url": LINK}]}),
    "openai's shape": sold({"data": [{"url": LINK}]}),
    "base64": sold(PLAIN),
}

GCCAI = {
    "at once": sold({"code": 200, "data": [{"url": LINK, "status": "completed"}]}),
    "openai's shape": sold(PLAIN),
    "images": sold({"code": 200, "data": {"images": [{"url": [LINK]}]}}),
}


def packed(provider: str, name: str, pack: Callable[[bytes], bytes]) -> Answer:
    """Return a usual answer in a content coding."""
    body = IMAGE if provider == "apiai" else USUAL[provider].body
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "image/png" if provider == "apiai" else "application/json"
    headers = {"Content-Encoding": name, "Content-Type": kind, "X-Cost": "0.05"}
    return Answer(200, pack(content), headers, charge=PRICE)


USUAL = {"openai": sold(PLAIN), "gemini": answer_of([inline(IMAGE)])}

CODED = {
    provider: {
        **{name: packed(provider, *coding) for name, coding in CODINGS.items()},
        **{name: packed(provider, name, bytes) for name in NO_CODINGS},
    }
    for provider in ("openai", "gemini", "apiai")
}

SHAPES: dict[str, tuple[str, Mapping[str, Answer]]] = {
    "openai": ("openai", OPENAI),
    "gemini": ("gemini", GEMINI),
    "aimlapi": ("aimlapi", AIMLAPI),
    "nanobananaapi": ("nanobananaapi", NANO),
    "apiai": ("apiai", APIAI),
    "foxapi": ("foxapi", FOXAPI),
    "gccai": ("gccai", GCCAI),
    **{f"{name} in codings": (name, answers) for name, answers in CODED.items()},
}


@pytest.mark.parametrize(("provider", "answers"), SHAPES.values(), ids=SHAPES)
def test_an_image_is_taken_in_whatever_shape_it_comes(
    market: Market, provider: str, answers: Mapping[str, Answer]
) -> None:
    customer, service = market.enter(provider)
    service.rows = {row_of(name): [answer] for name, answer in answers.items()}
    customer.write(among_others(answers))
    outcome = customer.run(within_s=60)
    outcome.ends(0, others="succeeded")
    assert len(service.purchases) == len(outcome.rows), outcome.explain()
    for name in answers:
        assert outcome.members[f"{row_of(name)}.png"] == IMAGE, name
        assert outcome.rows[row_of(name)]["at_risk_attempts"] == 0, name


@pytest.mark.parametrize("name", OF_THE_CASES)
def test_a_case_of_an_unusual_shape_is_stored(market: Market, name: str) -> None:
    provider, image = OF_THE_CASES[name]
    customer, service = market.enter(provider)
    service.rows["odd"] = [replies.load_sold(name)]
    customer.write(["a", "odd", "z"])
    outcome = customer.run(within_s=30)
    outcome.ends(0, others="succeeded")
    assert outcome.members["odd.png"] == image, outcome.explain()
    assert len(service.purchases) == 3, outcome.explain()


def test_a_lone_draft_is_taken_with_a_warning(market: Market) -> None:
    customer, service = market.enter("gemini")
    service.rows["odd"] = [GEMINI["drafts only"]]
    customer.write(["odd"])
    outcome = customer.run(within_s=30)
    outcome.ends(0, others="succeeded")
    assert outcome.rows["odd"]["warning"], outcome.explain()


def test_links_beside_base64_are_all_stored(market: Market) -> None:
    customer, service = market.enter("openai")
    both = [{"b64_json": encoded(IMAGE)}, {"url": f"{ANYWHERE}/img/second.png"}]
    service.rows["odd"] = [Answer(200, {"data": both}, charge=2 * PRICE)]
    customer.write(["odd"], n="2")
    outcome = customer.run(within_s=30)
    outcome.ends(0, odd="succeeded")
    assert sorted(outcome.members.values()) == sorted([IMAGE, draw("second")])
    assert len(service.purchases) == 1, outcome.explain()
