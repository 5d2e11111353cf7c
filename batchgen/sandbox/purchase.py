"""A purchase request, from its arrival to its reply, as it is for every provider."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from batchgen.sandbox.connection import CutReply, LostReply
from batchgen.sandbox.faults import Fault, Occasion, roll
from batchgen.sandbox.records import Arrival, Record
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.strict import Form, Sheet, read_body, read_key, read_sheet
from batchgen.sandbox.tariff import SpecialFare, Tariff
from batchgen.sandbox.workshop import Workshop

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
KEY_HEADERS = frozenset({"authorization", "cookie", "x-api-key", "x-goog-api-key"})
"""Where keys stand; they are never written down."""
# Shorter than any key that somebody uses; replacing less could break the record.
_SHORTEST_KEY = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A valid purchase request.

    Attributes:
        content: What counts as the same request, in all its fields.
        body: Its fields; of a form, each text, or a list of `Part`.
        path: What stands in the variable parts of the path.
        refused: Whether the policy forbids it.
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
    def chances(self) -> tuple[str, int]:
        """What a chance of this order depends on."""
        return self.content, self.arrival.occurrence


class Service(Protocol):
    """One provider's side of the counter.

    Attributes:
        faults: What can go wrong here.
        key_header: Where the key stands: see `read_key`.
        link_life_s: How long a link is good; None for as long as the sandbox.
        renews_links: Whether another poll gives another link.
        is_inline: Whether images come in the reply to a purchase, as a rule.
    """

    name: str
    tariff: Tariff
    faults: frozenset[Fault]
    key_header: str
    link_life_s: float | None
    renews_links: bool
    is_inline: bool

    def routes(self) -> list[Route]:
        """Return what it serves, without its images."""
        ...

    def refuse(self, refusal: Refusal, path: str) -> Response:
        """Return an error reply in its own envelope."""
        ...

    def prompt_in(self, body: Mapping[str, Any]) -> str:
        """Return the prompt of a valid purchase request."""
        ...

    async def fulfil(self, order: Order, fault: Fault | None) -> Response:
        """Charge, write down how the request ended, and return the reply.

        Raises:
            Refusal: It is not made, and not charged.
        """
        ...


@runtime_checkable
class SellsSpecially(Protocol):
    """A service some of whose requests have fares of their own.

    Attributes:
        special_fares: The first that holds for a request is its fare.
    """

    special_fares: Sequence[SpecialFare]


@runtime_checkable
class StatesCharge(Protocol):
    """A service whose replies state what they cost, with an image or without.

    Attributes:
        states_charge: Where; only in headers does it survive a body that is torn.
    """

    states_charge: Literal["body", "headers"]


def path_in(request: Request) -> str:
    """Return the path as the provider sees it, without the sandbox's prefix."""
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", ""))


async def purchase(
    shop: Workshop, service: Service, form: Form, request: Request
) -> Response:
    """Answer a purchase request."""
    sheet, key = Sheet(), ""
    try:
        sheet = await examine(form, request)
        key = read_key(request, service.key_header)
        _admit(sheet, key)
    except Refusal as refusal:
        record = record_of(shop, request, sheet, key)
        outcome = refusal.reason
        await shop.remember(
            shop.state.record_arrival, service.name, None, outcome, record
        )
        return service.refuse(refusal, path_in(request))
    order = await _take(shop, service, request, sheet, key)
    try:
        return await _answer(shop, service, order)
    except Refusal as refusal:
        await _close(shop, order, refusal.reason)
        return service.refuse(refusal, path_in(request))


def _admit(sheet: Sheet, key: str) -> None:
    if "broke" in key:
        raise Refusal(Reason.NO_CREDIT)
    if sheet.complaint is not None:
        raise sheet.complaint


async def examine(form: Form, request: Request) -> Sheet:
    """Read the body of a request and judge it.

    Raises:
        Refusal: It is larger than the form allows.
    """
    raw = await read_body(request, form.most_bytes)
    content_type = request.headers.get("content-type", "")
    return await anyio.to_thread.run_sync(read_sheet, form, content_type, raw)


def record_of(shop: Workshop, request: Request, sheet: Sheet, key: str) -> Record:
    """Return what is written down of a request: all but the key and the boundary."""
    headers = {
        name: value
        for name, value in request.headers.items()
        if name not in KEY_HEADERS
    }
    if "boundary=" in headers.get("content-type", ""):
        headers["content-type"] = headers["content-type"].partition(";")[0]
    text = sheet.record
    if len(key) >= _SHORTEST_KEY:
        text = text.replace(key, "***")
        headers = {name: value.replace(key, "***") for name, value in headers.items()}
    return Record(at=shop.now(), path=path_in(request), headers=headers, body=text)


async def _take(
    shop: Workshop, service: Service, request: Request, sheet: Sheet, key: str
) -> Order:
    content = _content(sheet, request.path_params)
    arrival = await shop.remember(
        shop.state.record_arrival,
        service.name,
        content,
        "arrived",
        record_of(shop, request, sheet, key),
    )
    prompt = service.prompt_in(sheet.body)
    return Order(
        provider=service.name,
        arrival=arrival,
        content=content,
        body=sheet.body,
        path=request.path_params,
        prompt=prompt,
        key=key,
        refused=shop.faults.refuses(content, prompt),
    )


def _content(sheet: Sheet, path: Mapping[str, Any]) -> str:
    """Return what two requests share that ask for the same in every field."""
    asked = json.loads(sheet.record)
    if path:
        asked = [asked, dict(path)]
    canonical = json.dumps(asked, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


async def _answer(shop: Workshop, service: Service, order: Order) -> Response:
    fault = _fault_for(shop, service, order)
    if fault is Fault.LOST_BEFORE:
        await _close(shop, order, fault)
        return LostReply()
    if fault is Fault.HTML_ERROR:
        await _close(shop, order, fault)
        return HTMLResponse(_BAD_GATEWAY, status_code=502)
    if fault is Fault.HTML_PAGE:
        # In front of the service, as a login or a check of the browser is.
        await _close(shop, order, fault)
        return HTMLResponse(_MAINTENANCE)
    if fault in _REASONS:
        detail = order.key if fault is Fault.WRONG_KEY else ""
        raise Refusal(_REASONS[fault], detail, roll("variant", *order.chances))
    return await _hand_over(shop, await service.fulfil(order, fault), fault)


def _fault_for(shop: Workshop, service: Service, order: Order) -> Fault | None:
    occasion = Occasion(
        provider=service.name,
        content=order.content,
        occurrence=order.arrival.occurrence,
        times=order.arrival.number,
        is_inline=service.is_inline,
    )
    fault = shop.faults.at_purchase(occasion)
    return fault if fault in service.faults else None


async def _hand_over(shop: Workshop, reply: Response, fault: Fault | None) -> Response:
    if fault is Fault.LOST_REPLY:
        return LostReply()
    if fault is Fault.CUT_BODY:
        return CutReply.of(reply)
    if fault is Fault.MALFORMED:
        return _torn(reply)
    if fault is Fault.SLOW:
        await shop.hold()
    return reply


def _torn(reply: Response) -> Response:
    """Return a reply that arrives whole, but whose body is not."""
    if reply.media_type == "application/json":
        return Response('{"data": [{"url":', media_type="application/json")
    half = bytes(reply.body[: len(reply.body) // 2])
    headers = {
        name: value
        for name, value in reply.headers.items()
        if name not in ("content-length", "content-type")
    }
    return Response(half, media_type=reply.media_type, headers=headers)


async def _close(shop: Workshop, order: Order, outcome: str) -> None:
    await shop.remember(shop.state.set_outcome, order.arrival.request, outcome)
