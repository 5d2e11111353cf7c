"""AI/ML API, as its document describes it: one synchronous call.

Sources: OpenAPI of google/gemini-3-1-flash-image-preview and the general pages on
errors and billing in github.com/aimlapi/api-docs (f14fa72 of 2026-08-21, read
2026-11-20).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batchgen.sandbox.base_service import BaseService, price_within
from batchgen.sandbox.downloads import link_of
from batchgen.sandbox.drawing import pixel_size
from batchgen.sandbox.faults import CALL_FAULTS, SEVERAL_FAULTS, Fault, roll
from batchgen.sandbox.price_table import PriceTable
from batchgen.sandbox.purchase_handler import Order
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.request_parsing import json_body
from batchgen.sandbox.shapes import Flag, ImageText, ListOf, Text
from batchgen.sandbox.state_records import Picture

_NANO_PER_HALF_CREDIT = 250
_price = partial(price_within, spread="0.05")

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


_PURCHASE_BODY = json_body(
    {
        "model": Text(
            required=True,
            choices=("google/nano-banana-2", "google/gemini-3-1-flash-image-preview"),
        ),
        "prompt": Text(required=True),
        "image_urls": ListOf(
            maximum=5, item=ImageText(schemes=("https", "http", "data"))
        ),
        "aspect_ratio": Text(choices=("1:1", "9:16", "16:9", "3:4", "4:3")),
        "resolution": Text(choices=("1K", "2K", "4K")),
        "enable_web_search": Flag(),
    }
)


class Aimlapi(BaseService):
    """Sell one image per call; the reply has a link, or sometimes base64."""

    name = "aimlapi"
    price_table: PriceTable = MappingProxyType(
        {"1K": _price("0.0895"), "2K": _price("0.134"), "4K": _price("0.201")}
    )
    faults = CALL_FAULTS - SEVERAL_FAULTS
    states_charge = "body"

    def routes(self) -> list[Route]:
        return [
            self.purchase_route("/v1/images/generations", _PURCHASE_BODY),
            self.json_route("/v2/billing", self._balance),
        ]

    def refuse(self, refusal: Refusal, path: str) -> Response:
        status, message = refusal.choose(_REPLIES)
        separator = "\n" if refusal.reason is Reason.INVALID else " "
        body = {
            "message": f"{message}{separator}{refusal.detail}".strip(),
            "path": path,
            "requestId": str(uuid4()),
            # As text, as in the documented example.
            "statusCode": str(status),
            "timestamp": _timestamp(self.context.now()),
        }
        return JSONResponse(body, status_code=status, headers=refusal.headers)

    async def fulfil(self, order: Order, fault: Fault | None) -> Response:
        await self.work(order, fault)
        resolution = order.body.get("resolution", "1K")
        amount_nano = self.random_nano(order, resolution, _NANO_PER_HALF_CREDIT)
        size = pixel_size(order.body.get("aspect_ratio", "1:1"), resolution)
        charge, [picture] = await self.sell(
            order, fault, resolution, amount_nano, size=size
        )
        half_credits = amount_nano // _NANO_PER_HALF_CREDIT
        return JSONResponse(
            {
                "data": [] if fault is Fault.NO_IMAGE else [await self._item(picture)],
                "meta": {"usage": {"credits_used": _as_number(half_credits)}},
            },
            headers={"x-inference-id": charge.id},
        )

    async def _balance(self, request: Request) -> dict[str, Any]:
        left_nano = await self.remaining_nano(request)
        return {"current_balance": left_nano / 1e9, "currency": "USD"}

    async def _item(self, picture: Picture) -> dict[str, Any]:
        as_link = roll("base64", picture.content) >= 1 / 8
        item: dict[str, Any] = {"mime_type": "image/png", "b64_json": None}
        if as_link:
            return {**item, "url": link_of(self.context, picture)}
        file = await self.context.draw(picture)
        return {**item, "b64_json": base64.b64encode(file).decode(), "url": None}


def _as_number(half_credits: int) -> int | float:
    """Return credits as a JSON number; a half is exact as a float."""
    return half_credits / 2 if half_credits % 2 else half_credits // 2


def _timestamp(now: float) -> str:
    moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")
