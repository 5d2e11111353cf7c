"""Easel's twin at the sandbox: the same documents, read a second time."""

import base64
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batchgen.sandbox.drawing import pixel_size
from batchgen.sandbox.faults import CALL_FAULTS, DOWNLOAD_FAULTS, SEVERAL_FAULTS, Fault
from batchgen.sandbox.purchase import Order, purchase
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.sale import charge_of, pictures_of, sell
from batchgen.sandbox.shapes import Text
from batchgen.sandbox.strict import json_form
from batchgen.sandbox.tariff import Fare, to_nano
from batchgen.sandbox.workshop import Workshop

PRICE = Decimal("0.02")
FORM = json_form(
    {
        "model": Text(required=True, choices=("easel-1",)),
        "prompt": Text(required=True),
        "ratio": Text(choices=("1:1", "16:9")),
    }
)
REPLIES = {
    Reason.BAD_REQUEST: (400, "The request is no JSON"),
    Reason.INVALID: (400, "Invalid request:"),
    Reason.TOO_LARGE: (413, "Too large"),
    Reason.WRONG_KEY: (401, "Invalid API key"),
    Reason.NO_CREDIT: (402, "Insufficient credit"),
    Reason.MODEL_GONE: (404, "Unknown model: the model does not exist"),
    Reason.REFUSED: (400, "The prompt violates our content policy"),
    Reason.THROTTLED: (429, "Too many requests"),
    Reason.THROTTLED_SILENTLY: (429, "Too many requests"),
    Reason.SERVER_ERROR: (500, "Internal server error"),
    Reason.NOT_FOUND: (404, "Not found"),
    Reason.WRONG_METHOD: (405, "Method not allowed"),
}


class Easel:
    name = "easel"
    tariff = {"1K": Fare(expected_usd=PRICE, ceiling_usd=PRICE)}
    faults = CALL_FAULTS - DOWNLOAD_FAULTS - SEVERAL_FAULTS
    key_header = "authorization"
    link_life_s = None
    renews_links = False
    is_inline = True
    states_charge = "body"

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop

    def routes(self) -> list[Route]:
        buy = partial(purchase, self._shop, self, FORM)
        return [Route("/draw", buy, methods=["POST"])]

    def prompt_in(self, body: Mapping[str, Any]) -> str:
        return str(body["prompt"])

    def refuse(self, refusal: Refusal, path: str) -> Response:
        status, words = REPLIES[refusal.reason]
        message = f"{words} {refusal.detail}".strip()
        return JSONResponse({"error": message}, status, refusal.headers)

    async def fulfil(self, order: Order, fault: Fault | None) -> Response:
        if order.refused or fault is Fault.REFUSAL:
            raise Refusal(Reason.REFUSED)
        size = pixel_size(order.body.get("ratio", "1:1"), "1K")
        [picture] = pictures_of(self._shop, order, fault, size=size)
        charge = charge_of(self._shop, order, fault, "1K", to_nano(PRICE))
        await sell(self._shop, order, fault, charge, [picture])
        image = None
        if fault is not Fault.NO_IMAGE:
            image = base64.b64encode(await self._shop.draw(picture)).decode()
        return JSONResponse({"id": charge.id, "b64": image, "cost_usd": float(PRICE)})
