"""A purchase request, from its arrival to its reply, as it is for every provider."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from batchgen.sandbox.connection import CutReply, LostReply
from batchgen.sandbox.faults import REPLY_NEVER_COMES, Fault, Occasion, roll
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.state import Arrival
from batchgen.sandbox.strict import Field, problems, read_body, read_key, read_object
from batchgen.sandbox.tariff import Tariff
from batchgen.sandbox.workshop import Workshop

_BAD_GATEWAY = """<html>
<head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body>
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
# Shorter than any key that somebody uses; replacing less could break the record.
_SHORTEST_KEY = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A valid purchase request.

    Attributes:
        content: What counts as the same request, in all its fields.
        refused: Whether the policy forbids it.
    """

    arrival: Arrival
    content: str
    body: Mapping[str, Any]
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
        fields: The body of a purchase request.
        link_life_s: How long a link is good; None for as long as the sandbox.
        renews_links: Whether another poll gives another link.
    """

    name: str
    tariff: Tariff
    faults: frozenset[Fault]
    fields: Mapping[str, Field]
    link_life_s: float | None
    renews_links: bool

    def routes(self) -> list[Route]:
        """Return what it serves, without its images."""
        ...

    def refuse(self, refusal: Refusal, path: str) -> Response:
        """Return an error reply in its own envelope."""
        ...

    async def fulfil(self, order: Order, fault: Fault | None) -> Response:
        """Charge, write down how the request ended, and return the reply.

        Raises:
            Refusal: It is not made, and not charged.
        """
        ...


def path_in(request: Request) -> str:
    """Return the path as the provider sees it, without the sandbox's prefix."""
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", ""))


async def purchase(shop: Workshop, service: Service, request: Request) -> Response:
    """Answer a purchase request."""
    raw, key = b"", ""
    try:
        raw = await read_body(request)
        key = read_key(request)
        body = _examine(service, request, raw, key)
    except Refusal as refusal:
        record = _record(shop, request, raw, key)
        outcome = refusal.reason
        await shop.remember(
            shop.state.record_arrival, service.name, None, outcome, record
        )
        return service.refuse(refusal, path_in(request))
    order = await _take(shop, service, body, _record(shop, request, raw, key), key)
    try:
        return await _answer(shop, service, order)
    except Refusal as refusal:
        await _close(shop, order, refusal.reason)
        return service.refuse(refusal, path_in(request))


def _examine(
    service: Service, request: Request, raw: bytes, key: str
) -> dict[str, Any]:
    if "broke" in key:
        raise Refusal(Reason.NO_CREDIT)
    body = read_object(request.headers.get("content-type", ""), raw)
    found = problems(body, service.fields)
    if found:
        raise Refusal(Reason.INVALID, "\n".join(found))
    return body


def _record(
    shop: Workshop, request: Request, raw: bytes, key: str
) -> tuple[float, Mapping[str, str], str]:
    headers = {
        name: value
        for name, value in request.headers.items()
        if name not in ("authorization", "cookie")
    }
    text = raw.decode("utf-8", "replace")
    if len(key) >= _SHORTEST_KEY:
        text = text.replace(key, "***")
        headers = {name: value.replace(key, "***") for name, value in headers.items()}
    return shop.now(), headers, text


async def _take(
    shop: Workshop,
    service: Service,
    body: dict[str, Any],
    record: tuple[float, Mapping[str, str], str],
    key: str,
) -> Order:
    canonical = json.dumps(body, sort_keys=True, ensure_ascii=False)
    content = hashlib.sha256(canonical.encode()).hexdigest()
    arrival = await shop.remember(
        shop.state.record_arrival, service.name, content, "arrived", record
    )
    return Order(
        arrival=arrival,
        content=content,
        body=body,
        key=key,
        refused=shop.faults.refuses(content, body["prompt"]),
    )


async def _answer(shop: Workshop, service: Service, order: Order) -> Response:
    fault = _fault_for(shop, service, order)
    if fault is Fault.LOST_BEFORE:
        await _close(shop, order, fault)
        return LostReply()
    if fault is Fault.HTML_ERROR:
        await _close(shop, order, fault)
        return HTMLResponse(_BAD_GATEWAY, status_code=502)
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
    )
    fault = shop.faults.at_purchase(occasion)
    return fault if fault in service.faults else None


async def _hand_over(shop: Workshop, reply: Response, fault: Fault | None) -> Response:
    if fault is Fault.LOST_REPLY:
        return LostReply()
    if fault is Fault.CUT_BODY:
        return CutReply.of(reply)
    if fault is Fault.MALFORMED:
        return Response('{"data": [{"url":', media_type="application/json")
    if fault is Fault.SLOW:
        await shop.hold()
    return reply


async def _close(shop: Workshop, order: Order, outcome: str) -> None:
    await shop.remember(shop.state.set_outcome, order.arrival.request, outcome)


def bill_status(fault: Fault | None) -> str:
    """Return what the bill says of a charge: whether its image reached anybody."""
    if fault in REPLY_NEVER_COMES:
        return "lost"
    return "no_image" if fault is Fault.NO_IMAGE else "delivered"
