"""Easel's twin at the sandbox: the same documents, read a second time."""

import base64
from decimal import Decimal

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batchgen.sandbox.base_service import BaseService
from batchgen.sandbox.drawing import pixel_size
from batchgen.sandbox.faults import CALL_FAULTS, DOWNLOAD_FAULTS, SEVERAL_FAULTS, Fault
from batchgen.sandbox.price_table import Price
from batchgen.sandbox.purchase_handler import Order
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.request_parsing import json_body
from batchgen.sandbox.shapes import Text

PRICE = Decimal("0.02")
PURCHASE_BODY = json_body(
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


class Easel(BaseService):
    name = "easel"
    price_table = {"1K": Price(expected_usd=PRICE, ceiling_usd=PRICE)}
    faults = CALL_FAULTS - DOWNLOAD_FAULTS - SEVERAL_FAULTS
    is_inline = True
    states_charge = "body"

    def routes(self) -> list[Route]:
        return [self.purchase_route("/draw", PURCHASE_BODY)]

    def refuse(self, refusal: Refusal, path: str) -> Response:
        status, text = REPLIES[refusal.reason]
        message = f"{text} {refusal.detail}".strip()
        return JSONResponse({"error": message}, status, refusal.headers)

    async def fulfil(self, order: Order, fault: Fault | None) -> Response:
        await self.work(order, fault)
        size = pixel_size(order.body.get("ratio", "1:1"), "1K")
        charge, [picture] = await self.sell(
            order, fault, "1K", self.expected_nano("1K"), size=size
        )
        image = None
        if fault is not Fault.NO_IMAGE:
            image = base64.b64encode(await self.context.draw(picture)).decode()
        return JSONResponse({"id": charge.id, "b64": image, "cost_usd": float(PRICE)})
