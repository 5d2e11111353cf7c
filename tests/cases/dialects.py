"""How each service answers as a rule, in its documented shape, at $0.05 an image."""

from __future__ import annotations

import base64
from collections.abc import Callable

from tests.cases.server import ANYWHERE, PRICE, Answer, Request, Service, draw

PROVIDERS = (
    *("aimlapi", "apiai", "foxapi", "nanobananaapi", "gccai", "gemini", "openai"),
)
WITH_TASKS = ("foxapi", "gccai")
AT_ONCE = tuple(name for name in PROVIDERS if name not in WITH_TASKS)
CREDITS = 100_000  # five cents, at two million to the dollar


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def link_of(row: str) -> str:
    return f"{ANYWHERE}/img/{row}.png"


def error(status: int, message: str, /, **more: object) -> Answer:
    """Return an error as most services word it."""
    return Answer(status, {"error": {"message": message, **more}})


def sold(body: object, **headers: str) -> Answer:
    """Return a success that is charged."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(200, body, names, charge=PRICE)


def links(provider: str, *urls: str) -> Answer:
    """Return a success, of a purchase or of a poll, that holds links."""
    match provider:
        case "aimlapi":
            usage = {"usage": {"credits_used": CREDITS}}
            data = [{"url": url, "b64_json": None} for url in urls]
            return sold({"data": data, "meta": usage})
        case "openai":
            return sold({"created": 1, "data": [{"url": url} for url in urls]})
        case "nanobananaapi":
            one = urls[0] if len(urls) == 1 else list(urls)
            return sold({"code": 0, "message": "ok", "data": {"url": one}})
        case "foxapi":
            results = [{"url": url, "content_type": "image/png"} for url in urls]
            return finished("foxapi", results=results)
        case "gccai":
            return finished("gccai", result={"images": [{"url": list(urls)}]})
        case _:
            raise LookupError(provider)


def answer_of(parts: list[object], **more: object) -> Answer:
    """Return Google's answer; no tokens are counted, since some relays count none."""
    content = {"role": "model", "parts": parts}
    return sold({"candidates": [{"content": content, "finishReason": "STOP", **more}]})


def inline(content: bytes) -> dict[str, object]:
    return {"inlineData": {"mimeType": "image/png", "data": encoded(content)}}


def task(provider: str, **fields: object) -> Answer:
    """Return a task as a poll shows it."""
    document: dict[str, object] = {"id": "task_01", **fields}
    body = {"code": 200, "data": document} if provider == "gccai" else document
    return Answer(200, body)


def finished(provider: str, **fields: object) -> Answer:
    return task(provider, status="completed", progress=100, **fields)


def accepted(provider: str, *ids: str) -> Answer:
    """Return the answer to a submit; the estimate keeps the wait for polls short."""
    if provider == "gccai":
        tasks = [
            {"status": "submitted", "task_id": each, "estimated_time": 0.1}
            for each in ids
        ]
        return sold({"code": 200, "data": tasks})
    info = {"can_cancel": True, "estimated_time": 0.1}
    return sold({"id": ids[0], "status": "pending", "progress": 0, "task_info": info})


def _buy(provider: str, service: Service, request: Request) -> Answer:
    match provider:
        case "apiai":
            paid = {"X-Cost": str(PRICE), "Content-Type": "image/png"}
            return Answer(200, draw(request.row), paid, charge=PRICE)
        case "gemini":
            return answer_of([inline(draw(request.row))])
        case "openai":
            data = [{"b64_json": encoded(draw(request.row))}]
            return sold({"created": 1, "data": data})
        case "foxapi" | "gccai":
            return accepted(provider, service.accept(request.row))
        case _:
            return links(provider, link_of(request.row))


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
            return links(provider, link_of(request.row))
        return error(404, "no such path", type="invalid_request_error")

    return answer
