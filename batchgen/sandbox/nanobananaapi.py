"""nanobananaapi.dev, as its page and its clients describe it: one synchronous call.

Sources: the page of Gemini 3.1 Flash Image Preview on nanobananaapi.dev; five public
clients for the envelope, the edit endpoint and `service_tier`; read 2026-11-20. There
is no list of codes: those here are made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batchgen.sandbox.base_service import BaseService, image_count, price_within
from batchgen.sandbox.downloads import link_of
from batchgen.sandbox.drawing import pixel_size
from batchgen.sandbox.faults import CALL_FAULTS, Fault, roll
from batchgen.sandbox.price_table import PriceTable
from batchgen.sandbox.purchase_handler import Order
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.request_parsing import json_body
from batchgen.sandbox.shapes import ImageText, ListOf, Number, OneOf, Shape, Text

_RESOLUTIONS: Mapping[str, str] = MappingProxyType(
    {
        "gemini-3.1-flash-image-preview-512": "512",
        "gemini-3.1-flash-image-preview": "1K",
        "gemini-3.1-flash-image-preview-2k": "2K",
        "gemini-3.1-flash-image-preview-4k": "4K",
    }
)
_RATIOS = (
    *("1:1", "16:9", "9:16", "4:3", "3:4", "2:3", "3:2", "4:5", "5:4"),
    *("21:9", "1:4", "4:1", "8:1", "1:8"),
)
_IMAGE = ImageText(schemes=("https", "http", "data"))
_SHARED: Mapping[str, Shape] = MappingProxyType(
    {
        "prompt": Text(required=True),
        "model": Text(required=True),
        "num": Number(minimum=1, maximum=9, whole=True),
        "image_size": Text(choices=_RATIOS),
        "service_tier": Text(choices=("default", "priority")),
    }
)
_GENERATE_BODY = json_body({**_SHARED, "ref_images": ListOf(item=_IMAGE, maximum=10)})
_EDIT_BODY = json_body(
    {
        **_SHARED,
        "image": OneOf(
            required=True, shapes=(_IMAGE, ListOf(item=_IMAGE, minimum=1, maximum=10))
        ),
    }
)

# HTTP status, `code` and message: an error may come with a 200.
_REPLIES: Mapping[Reason, tuple[tuple[int, int, str], ...]] = MappingProxyType(
    {
        Reason.BAD_REQUEST: ((400, 400, "Invalid request body."),),
        Reason.INVALID: ((400, 400, "Invalid parameter:"),),
        Reason.TOO_LARGE: ((413, 413, "Request entity too large."),),
        Reason.WRONG_KEY: (
            (401, 401, "Invalid API key"),
            (200, 401, "Unauthorized: invalid API key"),
        ),
        Reason.NO_CREDIT: (
            (402, 402, "Insufficient credits"),
            (200, 402, "Your credit balance is not enough for this request"),
        ),
        Reason.MODEL_GONE: (
            (400, 404, "Model not found:"),
            (200, 404, "This model is not supported:"),
        ),
        Reason.REFUSED: (
            (400, 1002, "The prompt violates our content policy"),
            (200, 1002, "Blocked by the safety system of the model"),
            (422, 1002, "Generation was rejected: PROHIBITED_CONTENT"),
            (200, -1, "No image was made, finishReason: IMAGE_SAFETY"),
        ),
        Reason.THROTTLED: ((429, 429, "Rate limit exceeded"),),
        Reason.THROTTLED_SILENTLY: (
            (429, 429, "Rate limit exceeded"),
            (200, 429, "Rate limit reached, slow down"),
        ),
        Reason.SERVER_ERROR: (
            (500, 500, "Internal server error"),
            (503, 503, "No upstream available"),
            (200, 500, "Internal server error"),
        ),
        Reason.NOT_FOUND: ((404, 404, "Not found"),),
        Reason.WRONG_METHOD: ((405, 405, "Method not allowed"),),
    }
)
_NOTHING: tuple[Any, ...] = ({"url": []}, {"url": None}, {}, None)


class Nanobananaapi(BaseService):
    """Sell up to nine images per call, at a fixed price each; replies have links."""

    name = "nanobananaapi"
    price_table: PriceTable = MappingProxyType(
        {
            # 4, 4, 6 and 8 credits on the model's page, of a cent each.
            "512": price_within("0.04"),
            "1K": price_within("0.04"),
            "2K": price_within("0.06"),
            "4K": price_within("0.08"),
        }
    )
    faults = CALL_FAULTS

    def routes(self) -> list[Route]:
        return [
            self.purchase_route("/v1/images/generate", _GENERATE_BODY),
            self.purchase_route("/v1/images/edit", _EDIT_BODY),
        ]

    def refuse(self, refusal: Refusal, path: str) -> Response:  # noqa: ARG002  one contract for all
        """Return an error reply in its own format, or in that of its gateway."""
        status, code, message = refusal.choose(_REPLIES)
        text = f"{message} {refusal.detail}".strip()
        body = {"code": code, "message": text, "data": None}
        return JSONResponse(
            {"error": {"message": text}} if status >= 500 else body,
            status_code=status,
            headers=refusal.headers,
        )

    async def fulfil(self, order: Order, fault: Fault | None) -> Response:
        resolution = _RESOLUTIONS.get(order.body["model"])
        if resolution is None:
            raise Refusal(Reason.MODEL_GONE, order.body["model"])
        await self.work(order, fault)
        count = image_count(order.body.get("num", 1), fault)
        _, pictures = await self.sell(
            order,
            fault,
            resolution,
            self.expected_nano(resolution, count),
            size=pixel_size(order.body.get("image_size", "1:1"), resolution),
            count=count,
        )
        links = [link_of(self.context, picture) for picture in pictures]
        return JSONResponse(
            {"code": 0, "message": "ok", "data": _data(order, fault, links)}
        )


def _data(order: Order, fault: Fault | None, links: list[str]) -> Any:
    if fault is Fault.NO_IMAGE:
        return _NOTHING[int(roll("nothing", order.content) * len(_NOTHING))]
    alone = len(links) == 1 and roll("list", order.content) >= 1 / 4
    return {"url": links[0] if alone else links}
