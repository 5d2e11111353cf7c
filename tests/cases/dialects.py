"""How each service answers as a rule, in its documented shape, at $0.05 an image."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from tests.cases.replies import load_sample
from tests.cases.server import (
    ANYWHERE,
    PRICE,
    THIS_TASK,
    Answer,
    Request,
    Service,
    draw,
)
from tests.providers.expected import facts_of, providers_with_samples

PROVIDERS = tuple(providers_with_samples())
WITH_TASKS = tuple(name for name in PROVIDERS if facts_of(name).way == "task")
CREDITS = 100_000  # five cents, at two million to the dollar


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def link_of(row: str) -> str:
    return f"{ANYWHERE}/img/{row}.png"


def error(status: int, message: str, /, **more: object) -> Answer:
    """Return an error as most services word it."""
    return Answer(status, {"error": {"message": message, **more}})


def wrong_key(provider: str) -> Answer:
    """Return what a service answers to a key that nobody has."""
    return load_sample(provider, facts_of(provider).answers.wrong_key)


def sold(body: object, **headers: str) -> Answer:
    """Return a success that is charged."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(200, body, names, charge=PRICE)


def link_answer(provider: str, path: str = "") -> str:
    """Return the text of an answer with a link: to a poll, if images come by tasks."""
    answers = facts_of(provider).answers
    ends = [end for end in answers.polls if path.endswith(end)]
    return answers.polls[max(ends, key=len)] if ends else answers.link


WITH_LINKS = tuple(
    name for name in PROVIDERS if link_answer(name) or facts_of(name).way == "link"
)


def links(provider: str, *urls: str, path: str = "") -> Answer:
    """Return a success, of a purchase or of a poll, that holds links."""
    text = link_answer(provider, path) or facts_of(provider).answers.purchase
    answer = sold(filled(text, "$LINK", urls))
    return replace(answer, charge=Decimal(0)) if provider in WITH_TASKS else answer


def filled(text: str, mark: str, values: Sequence[str]) -> Any:
    """Return the JSON of a text with values in the place of a mark.

    Several need a list: the nearest one around the mark gets an item for each of them.
    """
    if len(values) > 1:
        pattern = rf"\[([^\[\]]*{re.escape(mark)}[^\[\]]*)\]"
        if re.search(pattern, text) is None:
            text = text.replace(f'"{mark}"', f'["{mark}"]')
        text = re.sub(pattern, lambda match: _repeated(match[1], mark, values), text)
    text = text.replace(mark, values[0])
    return json.loads(text.replace("$TASK", THIS_TASK).replace("$URL", ANYWHERE))


def _repeated(item: str, mark: str, values: Sequence[str]) -> str:
    return f"[{', '.join(item.replace(mark, value) for value in values)}]"


def answer_of(parts: list[object], **more: object) -> Answer:
    """Return Google's answer; no tokens are counted, since some relays count none."""
    content = {"role": "model", "parts": parts}
    return sold({"candidates": [{"content": content, "finishReason": "STOP", **more}]})


def inline(content: bytes) -> dict[str, object]:
    return {"inlineData": {"mimeType": "image/png", "data": encoded(content)}}


def task(provider: str, **fields: object) -> Answer:
    """Return a task as a poll shows it."""
    document = json.dumps({"id": THIS_TASK, **fields})
    shown = facts_of(provider).answers.task.replace("$DOCUMENT", document)
    return Answer(200, json.loads(shown))


def finished(provider: str, **fields: object) -> Answer:
    return task(provider, status="completed", progress=100, **fields)


def accepted(provider: str, *ids: str) -> Answer:
    """Return the answer to a submit; its estimate keeps the wait for polls short."""
    return sold(filled(facts_of(provider).answers.purchase, "$TASK", ids))


def _buy(provider: str, service: Service, request: Request) -> Answer:
    facts, image = facts_of(provider), draw(request.row)
    if facts.way == "task":
        return accepted(provider, service.accept(request.row))
    if facts.way == "link":
        return links(provider, link_of(request.row))
    if not facts.answers.purchase:
        return Answer(200, image, facts.answers.headers, charge=PRICE)
    return sold(filled(facts.answers.purchase, "$IMAGE", [encoded(image)]))


def dialect(provider: str) -> Callable[[Service, Request], Answer]:
    """Return how a service answers what no case answers otherwise."""

    def answer(service: Service, request: Request) -> Answer:
        path = request.path.partition("?")[0]
        folder, _, name = path.rpartition("/")
        if request.is_purchase:
            return _buy(provider, service, request)
        if request.method == "GET" and folder in {"/img", "/files"}:
            image = draw(name.removesuffix(".png"))
            return Answer(200, image, {"Content-Type": "image/png"})
        if request.method == "GET" and request.row:
            return links(provider, link_of(request.row), path=path)
        return error(404, "no such path", type="invalid_request_error")

    return answer
