"""apiai.me, as its page describes it: the request is a form, the reply is the image.

Sources: the page of the workflow nano-banana-2-2 on apiai.me, notes of a customer on
its documents (fetched 2026-09-29) and public clients; read 2026-11-20. No page names
statuses other than 401, 403, 429 and 5xx.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batchgen.sandbox.base_service import BaseService, price_within
from batchgen.sandbox.drawing import MEDIA_TYPES, pixel_size
from batchgen.sandbox.faults import (
    CALL_FAULTS,
    DOWNLOAD_FAULTS,
    SEVERAL_FAULTS,
    Fault,
    roll,
)
from batchgen.sandbox.price_table import PriceTable, as_usd
from batchgen.sandbox.purchase_handler import Order
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.request_parsing import BodySpec
from batchgen.sandbox.shapes import Files, Number, NumberText, Object, Text
from batchgen.sandbox.state_records import Charge

_SLUG = "nano-banana-2-2"
_price = partial(price_within, spread="0.03")
_NANO_PER_STEP = 10_000

_PURCHASE_BODY = BodySpec(
    media_type="multipart/form-data",
    max_bytes=50 * 1024 * 1024,
    shape=Object(
        fields={
            "PROMPT": Text(required=True),
            # No page says how many are allowed; the model itself accepts 14.
            "image": Files(maximum=14),
            "aspect_ratio": Text(choices=("1:1", "3:4", "4:3", "9:16", "16:9")),
            "image_size": Text(choices=("512", "1K", "2K", "4K")),
            "max_output_tokens": NumberText(
                number=Number(minimum=1, maximum=65_536, whole=True)
            ),
            "negative_prompt": Text(),
            "person_generation": Text(
                choices=("dont_allow", "allow_adult", "allow_all")
            ),
            "safety_filter_level": Text(
                choices=(
                    "BLOCK_LOW_AND_ABOVE",
                    "BLOCK_MEDIUM_AND_ABOVE",
                    "BLOCK_ONLY_HIGH",
                    "BLOCK_NONE",
                )
            ),
            "temperature": NumberText(number=Number(minimum=0, maximum=1)),
            "top_k": NumberText(number=Number(minimum=1, maximum=64, whole=True)),
            "top_p": NumberText(number=Number(minimum=0, maximum=1)),
            "output_filename": Text(),
        }
    ),
)

# A refusal is the reason of the model, within other text, under any status.
_REPLIES: Mapping[Reason, tuple[tuple[int, str], ...]] = MappingProxyType(
    {
        Reason.BAD_REQUEST: ((400, "Invalid request body."),),
        Reason.INVALID: ((400, "Invalid parameters:"),),
        Reason.TOO_LARGE: ((413, "Request too large."),),
        Reason.WRONG_KEY: ((401, "Invalid API key"), (403, "API key not accepted")),
        Reason.NO_CREDIT: ((402, "Insufficient balance. Please top up."),),
        Reason.MODEL_GONE: ((404, f"Workflow '{_SLUG}' not found"),),
        Reason.REFUSED: (
            (400, "Generation failed: the model returned no image (IMAGE_SAFETY)"),
            (422, "Upstream error: finishReason: PROHIBITED_CONTENT"),
            (500, "Workflow failed: Gemini: IMAGE_RECITATION"),
            (200, "No image. Prompt blocked, blockReason: SAFETY"),
        ),
        Reason.THROTTLED: ((429, "Too many concurrent executions"),),
        Reason.THROTTLED_SILENTLY: ((429, "Too many concurrent executions"),),
        Reason.SERVER_ERROR: (
            (500, "Internal server error"),
            (503, "Service temporarily unavailable"),
        ),
        Reason.NOT_FOUND: ((404, "Not found"),),
        Reason.WRONG_METHOD: ((405, "Method not allowed"),),
    }
)


class Apiai(BaseService):
    """Sell one image per call; headers say what it cost."""

    name = "apiai"
    price_table: PriceTable = MappingProxyType(
        {
            "512": _price("0.049"),
            "1K": _price("0.072"),
            "2K": _price("0.108"),
            "4K": _price("0.162"),
        }
    )
    faults = CALL_FAULTS - SEVERAL_FAULTS - DOWNLOAD_FAULTS
    key_header = "x-api-key"
    is_inline = True
    states_charge = "headers"

    def routes(self) -> list[Route]:
        """Return its routes: one tool under its older and its newer path."""
        tools = [
            self.purchase_route(f"/api/{tools}/{_SLUG}", _PURCHASE_BODY)
            for tools in ("workflow", "process")
        ]
        return [*tools, self.json_route("/api/account/balance", self._balance)]

    def prompt_in(self, body: Mapping[str, Any]) -> str:
        return str(body["PROMPT"])

    def refuse(self, refusal: Refusal, path: str) -> Response:  # noqa: ARG002  one contract for all
        status, message = refusal.choose(_REPLIES)
        return JSONResponse(
            {"error": f"{message} {refusal.detail}".strip()},
            status_code=status,
            headers=refusal.headers,
        )

    async def fulfil(self, order: Order, fault: Fault | None) -> Response:
        await self.work(order, fault)
        resolution = order.body.get("image_size", "1K")
        charge, [picture] = await self.sell(
            order,
            fault,
            resolution,
            self.random_nano(order, resolution, _NANO_PER_STEP),
            size=pixel_size(order.body.get("aspect_ratio", "1:1"), resolution),
            file_format="jpg" if roll("format", order.content) < 0.5 else "png",
        )
        headers = self._headers(charge, order)
        if fault is Fault.NO_IMAGE:
            text = {"text": "Here is an idea for your image, in words."}
            return JSONResponse(text, headers=headers)
        return Response(
            await self.context.draw(picture),
            media_type=MEDIA_TYPES[picture.format],
            headers=headers,
        )

    async def _balance(self, request: Request) -> dict[str, Any]:
        # No page shows this reply; in dollars, as in the header of a purchase.
        return {"balance": await self.remaining_nano(request) / 1e9}

    def _headers(self, charge: Charge, order: Order) -> dict[str, str]:
        latency_s = self.context.latency_s(order.content)
        return {
            "X-Request-ID": charge.id,
            "X-Cost": as_usd(charge.amount_nano).rstrip("0"),
            "X-Processing-Time": str(round(latency_s * 1000)),
            # Not the real balance: only the format matters here.
            "X-Balance-Remaining": f"{roll('balance', *order.roll_parts) * 100:.2f}",
            "X-Workflow": _SLUG,
        }
