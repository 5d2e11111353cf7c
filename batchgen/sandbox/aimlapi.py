"""AI/ML API, as its document describes it: one synchronous call.

Sources: OpenAPI of google/gemini-3-1-flash-image-preview and the general pages on
errors and billing in github.com/aimlapi/api-docs (f14fa72 of 2026-08-21, read
2026-11-20).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any, Literal
from uuid import uuid4

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batchgen.sandbox.balance import left_nano
from batchgen.sandbox.downloads import link_of
from batchgen.sandbox.drawing import pixel_size
from batchgen.sandbox.faults import CALL_FAULTS, SEVERAL_FAULTS, Fault, roll
from batchgen.sandbox.purchase import Order, purchase
from batchgen.sandbox.records import Picture
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.sale import charge_of, pictures_of, sell
from batchgen.sandbox.shapes import Flag, ImageText, Listed, Text
from batchgen.sandbox.strict import json_form
from batchgen.sandbox.tariff import Fare, Tariff
from batchgen.sandbox.tasks import answer
from batchgen.sandbox.workshop import Workshop

_HALF_CREDITS_PER_USD = 4_000_000
_NANO_PER_HALF_CREDIT = 250
_SPREAD = Decimal("0.05")

_REPLIES: Mapping[Reason, tuple[tuple[int, str], ...]] = MappingProxyType(
    {
        Reason.BAD_REQUEST: ((400, "Body validation error"),),
        Reason.INVALID: ((400, "Body validation error"),),
        Reason.TOO_LARGE: ((413, "Payload too large"),),
        Reason.WRONG_KEY: ((401, "Invalid API key provided:"),),
        Reason.NO_CREDIT: (
            (403, "You've run out of credits. Please top up your balance"),
        ),
        Reason.MODEL_GONE: ((404, "The requested model does not exist"),),
        Reason.REFUSED: (
            (400, "The request was rejected by the safety system of the model"),
            (400, "Your prompt was blocked: it may violate our content policy"),
        ),
        Reason.THROTTLED: ((429, "Too Many Requests"),),
        Reason.THROTTLED_SILENTLY: ((429, "Too Many Requests"),),
        Reason.SERVER_ERROR: (
            (500, "Internal server error"),
            (500, "Something wrong with the server. Please try again later"),
            (503, "Service unavailable"),
        ),
        Reason.NOT_FOUND: ((404, "Cannot find this endpoint"),),
        Reason.WRONG_METHOD: ((405, "Method not allowed"),),
    }
)


_FORM = json_form(
    {
        "model": Text(
            required=True,
            choices=("google/nano-banana-2", "google/gemini-3-1-flash-image-preview"),
        ),
        "prompt": Text(required=True),
        "image_urls": Listed(most=5, item=ImageText(schemes=("https", "http", "data"))),
        "aspect_ratio": Text(choices=("1:1", "9:16", "16:9", "3:4", "4:3")),
        "resolution": Text(choices=("1K", "2K", "4K")),
        "enable_web_search": Flag(),
    }
)


def _fare(usd: str) -> Fare:
    expected = Decimal(usd)
    return Fare(expected_usd=expected, ceiling_usd=expected * (1 + _SPREAD))


class Aimlapi:
    """Sell one image per call; the reply has a link, or now and then base64."""

    name = "aimlapi"
    tariff: Tariff = MappingProxyType(
        {"1K": _fare("0.0895"), "2K": _fare("0.134"), "4K": _fare("0.201")}
    )
    faults = CALL_FAULTS - SEVERAL_FAULTS
    key_header = "authorization"
    link_life_s: float | None = None
    renews_links = False
    is_inline = False
    states_charge: Literal["body", "headers"] = "body"

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop

    def routes(self) -> list[Route]:
        """Return what it serves, without its images."""
        buy = partial(purchase, self._shop, self, _FORM)
        return [
            Route("/v1/images/generations", buy, methods=["POST"]),
            Route("/v2/billing", self._bill, methods=["GET"]),
        ]

    def prompt_in(self, body: Mapping[str, Any]) -> str:
        """Return the prompt of a valid purchase request."""
        prompt: str = body["prompt"]
        return prompt

    def refuse(self, refusal: Refusal, path: str) -> Response:
        """Return an error reply in its own envelope."""
        choices = _REPLIES[refusal.reason]
        status, message = choices[int(refusal.variant * len(choices))]
        separator = "\n" if refusal.reason is Reason.INVALID else " "
        body = {
            "message": f"{message}{separator}{refusal.detail}".strip(),
            "path": path,
            "requestId": str(uuid4()),
            # Text, as the printed example has it.
            "statusCode": str(status),
            "timestamp": _timestamp(self._shop.now()),
        }
        return JSONResponse(body, status_code=status, headers=refusal.headers)

    async def fulfil(self, order: Order, fault: Fault | None) -> Response:
        """Make the image, charge for it and return the reply."""
        await anyio.sleep(self._shop.latency_s(order.content))
        if order.refused or fault is Fault.REFUSAL:
            raise Refusal(Reason.REFUSED, variant=roll("words", order.content))
        half_credits = self._half_credits(order)
        resolution = _resolution(order)
        amount_nano = half_credits * _NANO_PER_HALF_CREDIT
        charge = charge_of(self._shop, order, fault, resolution, amount_nano)
        ratio = order.body.get("aspect_ratio", "1:1")
        size = pixel_size(ratio, resolution)
        [picture] = pictures_of(self._shop, order, fault, size=size)
        await sell(self._shop, order, fault, charge, [picture])
        return JSONResponse(
            {
                "data": [] if fault is Fault.NO_IMAGE else [await self._item(picture)],
                "meta": {"usage": {"credits_used": _as_number(half_credits)}},
            },
            headers={"x-inference-id": charge.id},
        )

    async def _bill(self, request: Request) -> Response:
        return await answer(self, request, self._balance(request))

    async def _balance(self, request: Request) -> dict[str, Any]:
        left = await left_nano(self._shop, self, request)
        return {"current_balance": left / 1e9, "currency": "USD"}

    def _half_credits(self, order: Order) -> int:
        fare = self.tariff[_resolution(order)]
        most = fare.ceiling_usd * _HALF_CREDITS_PER_USD
        least = (2 * fare.expected_usd - fare.ceiling_usd) * _HALF_CREDITS_PER_USD
        return int(least) + int(roll("price", order.content) * int(most - least + 1))

    async def _item(self, picture: Picture) -> dict[str, Any]:
        as_link = roll("base64", picture.content) >= 1 / 8
        item: dict[str, Any] = {"mime_type": "image/png", "b64_json": None}
        if as_link:
            return {**item, "url": link_of(self._shop, picture)}
        file = await self._shop.draw(picture)
        return {**item, "b64_json": base64.b64encode(file).decode(), "url": None}


def _resolution(order: Order) -> str:
    resolution: str = order.body.get("resolution", "1K")
    return resolution


def _as_number(half_credits: int) -> int | float:
    """Return credits as a JSON number; a half is exact as a float."""
    return half_credits / 2 if half_credits % 2 else half_credits // 2


def _timestamp(now: float) -> str:
    moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")
