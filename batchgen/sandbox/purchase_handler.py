"""Handle a purchase request from its arrival to its reply, for every provider."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from batchgen.sandbox.broken_replies import CutReply, LostReply
from batchgen.sandbox.faults import Fault, Occasion, roll
from batchgen.sandbox.price_table import PriceTable
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.request_parsing import (
    BodySpec,
    ParsedBody,
    parse_body,
    read_body,
    read_key,
)
from batchgen.sandbox.sandbox_context import SandboxContext
from batchgen.sandbox.state_records import Arrival, RequestRecord

_BAD_GATEWAY = """<html>
<head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body>
</html>
"""
_MAINTENANCE = """<!doctype html>
<html><head><title>Just a moment...</title></head><body><p>One moment</p></body>
</html>
"""
_REASONS = {
    Fault.THROTTLE: Reason.THROTTLED,
    Fault.THROTTLE_SILENT: Reason.THROTTLED_SILENTLY,
    Fault.SERVER_ERROR: Reason.SERVER_ERROR,
    Fault.WRONG_KEY: Reason.WRONG_KEY,
    Fault.NO_CREDIT: Reason.NO_CREDIT,
    Fault.MODEL_GONE: Reason.MODEL_GONE,
}
_UNPROCESSED: Mapping[Fault, Callable[[], Response]] = {
    Fault.LOST_BEFORE: LostReply,
    Fault.HTML_ERROR: partial(HTMLResponse, _BAD_GATEWAY, 502),
    # A page in front of the service, such as a login or a check of the browser.
    Fault.HTML_PAGE: partial(HTMLResponse, _MAINTENANCE),
}
"""The replies of faults that leave a request unprocessed."""
KEY_HEADERS = frozenset({"authorization", "cookie", "x-api-key", "x-goog-api-key"})
"""Headers that contain keys; they are never stored."""
# No real key is shorter. Replacing shorter texts could damage the record.
_MIN_KEY_LENGTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A valid purchase request.

    Attributes:
        content: A hash of all fields: equal for equal requests.
        body: Its fields; in a form, each a text or a list of `Part`.
        path: The values of the variable parts of the path.
        refused: Whether the policy forbids the prompt.
    """

    provider: str
    arrival: Arrival
    content: str
    body: Mapping[str, Any]
    path: Mapping[str, Any]
    prompt: str
    key: str = field(repr=False)
    refused: bool

    @property
    def roll_parts(self) -> tuple[str, int]:
        """The values that random choices for this order depend on; see `roll`."""
        return self.content, self.arrival.occurrence


class Service(Protocol):
    """The sandbox's implementation of one provider.

    Attributes:
        faults: The faults that can occur here.
        key_header: The header with the key; see `read_key`.
        link_life_s: How long a link is valid; None for as long as the sandbox runs.
        renews_links: Whether another poll gives a new link.
        is_inline: Whether images usually come in the reply to a purchase.
    """

    name: str
    price_table: PriceTable
    faults: frozenset[Fault]
    key_header: str
    link_life_s: float | None
    renews_links: bool
    is_inline: bool

    def routes(self) -> list[Route]:
        """Return the routes of its API, without those of images."""

    def refuse(self, refusal: Refusal, path: str) -> Response:
        """Return an error reply in its own format."""

    def prompt_in(self, body: Mapping[str, Any]) -> str:
        """Return the prompt of a valid purchase request."""

    async def fulfil(self, order: Order, fault: Fault | None) -> Response:
        """Charge, record how the request ended, and return the reply.

        Raises:
            Refusal: Nothing is made, and nothing charged.
        """


def path_in(request: Request) -> str:
    """Return the path as the provider sees it, without the sandbox's prefix."""
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", ""))


async def handle_purchase(
    context: SandboxContext, service: Service, spec: BodySpec, request: Request
) -> Response:
    """Answer a purchase request."""
    parsed, key = ParsedBody(), ""
    try:
        parsed = await read_request(spec, request)
        key = read_key(request, service.key_header)
        _check_request(parsed, key)
    except Refusal as refusal:
        record = record_of(context, request, parsed, key)
        outcome = refusal.reason
        await context.transact(
            context.state.record_arrival, service.name, None, outcome, record
        )
        return service.refuse(refusal, path_in(request))
    order = await _record_order(context, service, request, parsed, key)
    try:
        return await _answer(context, service, order)
    except Refusal as refusal:
        await _record_outcome(context, order, refusal.reason)
        return service.refuse(refusal, path_in(request))


def _check_request(parsed: ParsedBody, key: str) -> None:
    if "broke" in key:
        raise Refusal(Reason.NO_CREDIT)
    if parsed.violation is not None:
        raise parsed.violation


async def read_request(spec: BodySpec, request: Request) -> ParsedBody:
    """Read and check the body of a request.

    Raises:
        Refusal: It is larger than the form allows.
    """
    raw = await read_body(request, spec.max_bytes)
    content_type = request.headers.get("content-type", "")
    return await anyio.to_thread.run_sync(parse_body, spec, content_type, raw)


def record_of(
    context: SandboxContext, request: Request, parsed: ParsedBody, key: str
) -> RequestRecord:
    """Return the record of a request: without the key, and the boundary of a form."""
    headers = {
        name: value
        for name, value in request.headers.items()
        if name not in KEY_HEADERS
    }
    if "boundary=" in headers.get("content-type", ""):
        headers["content-type"] = headers["content-type"].partition(";")[0]
    text = parsed.record
    if len(key) >= _MIN_KEY_LENGTH:
        text = text.replace(key, "***")
        headers = {name: value.replace(key, "***") for name, value in headers.items()}
    return RequestRecord(
        at=context.now(), path=path_in(request), headers=headers, body=text
    )


async def _record_order(
    context: SandboxContext,
    service: Service,
    request: Request,
    parsed: ParsedBody,
    key: str,
) -> Order:
    content = _content(parsed, request.path_params)
    arrival = await context.transact(
        context.state.record_arrival,
        service.name,
        content,
        "arrived",
        record_of(context, request, parsed, key),
    )
    prompt = service.prompt_in(parsed.body)
    return Order(
        provider=service.name,
        arrival=arrival,
        content=content,
        body=parsed.body,
        path=request.path_params,
        prompt=prompt,
        key=key,
        refused=context.faults.refuses(content, prompt),
    )


def _content(parsed: ParsedBody, path: Mapping[str, Any]) -> str:
    """Return a hash that is equal for requests with equal fields and path."""
    fields = json.loads(parsed.record)
    if path:
        fields = [fields, dict(path)]
    canonical = json.dumps(fields, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


async def _answer(context: SandboxContext, service: Service, order: Order) -> Response:
    fault = _fault_for(context, service, order)
    if fault is not None and fault in _UNPROCESSED:
        await _record_outcome(context, order, fault)
        return _UNPROCESSED[fault]()
    if fault in _REASONS:
        detail = order.key if fault is Fault.WRONG_KEY else ""
        raise Refusal(_REASONS[fault], detail, roll("variant", *order.roll_parts))
    return await _deliver(context, await service.fulfil(order, fault), fault)


def _fault_for(context: SandboxContext, service: Service, order: Order) -> Fault | None:
    occasion = Occasion(
        provider=service.name,
        content=order.content,
        occurrence=order.arrival.occurrence,
        number=order.arrival.number,
        is_inline=service.is_inline,
    )
    fault = context.faults.at_purchase(occasion)
    return fault if fault in service.faults else None


async def _deliver(
    context: SandboxContext, reply: Response, fault: Fault | None
) -> Response:
    if fault is Fault.LOST_REPLY:
        return LostReply()
    if fault is Fault.CUT_BODY:
        return CutReply.of(reply)
    if fault is Fault.MALFORMED:
        return _malformed(reply)
    if fault is Fault.SLOW:
        await context.hold_reply()
    return reply


def _malformed(reply: Response) -> Response:
    """Return a reply that arrives completely, but with half of its body."""
    if reply.media_type == "application/json":
        return Response('{"data": [{"url":', media_type="application/json")
    half = bytes(reply.body[: len(reply.body) // 2])
    headers = {
        name: value
        for name, value in reply.headers.items()
        if name not in ("content-length", "content-type")
    }
    return Response(half, media_type=reply.media_type, headers=headers)


async def _record_outcome(context: SandboxContext, order: Order, outcome: str) -> None:
    await context.transact(context.state.set_outcome, order.arrival.request, outcome)
