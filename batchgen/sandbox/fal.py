"""fal.ai's queue, as its documents describe it: submit, status, result, download.

Sources: the pages of fal-ai/nano-banana-2 and its `/edit` at fal.ai; fal.ai/docs, pages
queue, errors and request-errors; the client `fal_client` for the error in a status;
read 2026-11-30.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batchgen.sandbox.base_service import image_count, price_within
from batchgen.sandbox.downloads import link_of
from batchgen.sandbox.drawing import MEDIA_TYPES, pixel_size
from batchgen.sandbox.faults import UPLOAD_FAULTS, Fault, roll
from batchgen.sandbox.price_table import PriceTable
from batchgen.sandbox.purchase_handler import Order
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.request_parsing import json_body
from batchgen.sandbox.shapes import Flag, ImageText, ListOf, Number, Text
from batchgen.sandbox.state_records import Picture, Task
from batchgen.sandbox.task_handler import (
    FREE_ENDINGS,
    Ending,
    TaskService,
)

_MODEL = "/fal-ai/nano-banana-2"
_RATIOS = (
    *("auto", "1:1", "1:4", "1:8", "2:3", "3:2", "3:4", "4:1", "4:3", "4:5", "5:4"),
    *("8:1", "9:16", "16:9", "21:9"),
)
# Status and message; a message with a type is put into a list.
_REPLIES: Mapping[Reason, tuple[tuple[int, str, str], ...]] = MappingProxyType(
    {
        Reason.BAD_REQUEST: ((422, "Invalid request body", "value_error"),),
        Reason.INVALID: ((422, "Invalid request:", "value_error"),),
        Reason.TOO_LARGE: ((413, "Request body too large", ""),),
        Reason.WRONG_KEY: (
            (401, "Cannot access application: invalid key credentials", ""),
        ),
        Reason.NO_CREDIT: (
            (403, "User is locked. Reason: Exhausted balance. Top up your balance", ""),
        ),
        Reason.MODEL_GONE: ((404, "Application 'nano-banana-2' not found", ""),),
        Reason.THROTTLED: ((429, "Too many requests", ""),),
        Reason.THROTTLED_SILENTLY: ((429, "Too many concurrent requests", ""),),
        Reason.SERVER_ERROR: (
            (500, "Internal server error", ""),
            (503, "Service unavailable", ""),
        ),
        Reason.NOT_FOUND: ((404, "Request not found", ""),),
        Reason.WRONG_METHOD: ((405, "Method Not Allowed", ""),),
    }
)
# HTTP status, type and message of a task without images.
_FAILURES: Mapping[str, tuple[int, str, str]] = MappingProxyType(
    {
        Ending.REFUSED: (
            *(422, "content_policy_violation"),
            "The content could not be processed: it was flagged by a content checker",
        ),
        Ending.FAILED: (500, "internal_server_error", "Internal server error"),
        Ending.BAD_URL: (422, "file_download_error", "Failed to download the file"),
        Ending.NO_IMAGE: (422, "no_media_generated", "No image was generated"),
    }
)
_FIELDS = {
    "prompt": Text(required=True),
    "num_images": Number(minimum=1, maximum=4, whole=True),
    "aspect_ratio": Text(choices=_RATIOS),
    "resolution": Text(choices=("0.5K", "1K", "2K", "4K")),
    "output_format": Text(choices=("png", "jpeg", "webp")),
    "enable_web_search": Flag(),
    "seed": Number(minimum=0, maximum=2**32, whole=True),
    "safety_tolerance": Text(choices=("1", "2", "3", "4", "5", "6")),
}
_GENERATE_BODY = json_body(_FIELDS)
_EDIT_BODY = json_body(
    {
        **_FIELDS,
        "image_urls": ListOf(
            required=True,
            minimum=1,
            maximum=14,
            item=ImageText(schemes=("https", "http", "data")),
        ),
    }
)


class Fal(TaskService):
    """Sell up to four images per task; searches cost nothing extra here."""

    name = "fal"
    price_table: PriceTable = MappingProxyType(
        {
            "512": price_within("0.06"),
            "1K": price_within("0.08"),
            "2K": price_within("0.12"),
            "4K": price_within("0.16"),
        }
    )
    faults = frozenset(Fault) - UPLOAD_FAULTS
    key_header = "authorization Key"

    def routes(self) -> list[Route]:
        task = f"{_MODEL}/requests/{{task_id}}"
        return [
            self.purchase_route(_MODEL, _GENERATE_BODY),
            self.purchase_route(f"{_MODEL}/edit", _EDIT_BODY),
            self.json_route(f"{task}/status", self._status),
            self.json_route(task, self._result),
        ]

    def refuse(self, refusal: Refusal, path: str) -> Response:  # noqa: ARG002  one contract for all
        status, message, kind = refusal.choose(_REPLIES)
        text = f"{message} {refusal.detail}".strip()
        detail: object = text
        if kind:
            detail = [{"loc": ["body"], "msg": text, "type": kind}]
        return JSONResponse({"detail": detail}, status, refusal.headers)

    async def fulfil(self, order: Order, fault: Fault | None) -> Response:
        body = order.body
        ratio = body.get("aspect_ratio", "auto")
        resolution = body.get("resolution", "1K").replace("0.5K", "512")
        task = await self.submit(
            order,
            fault,
            resolution,
            str(uuid4()),
            size=pixel_size("1:1" if ratio == "auto" else ratio, resolution),
            count=image_count(body.get("num_images", 1), fault),
            file_format=body.get("output_format", "png").replace("jpeg", "jpg"),
        )
        queued = {"status": "IN_QUEUE", "queue_position": 0}
        return JSONResponse({**queued, **self._names(task)})

    def _names(self, task: Task) -> dict[str, Any]:
        url = f"{self.context.url}/{self.name}{_MODEL}/requests/{task.id}"
        return {
            "request_id": task.id,
            "response_url": url,
            "status_url": f"{url}/status",
            "cancel_url": f"{url}/cancel",
        }

    async def _status(self, request: Request) -> Response:
        task, progress = await self.poll(request)
        if progress < 100:
            status = "IN_QUEUE" if progress < 20 else "IN_PROGRESS"
            return JSONResponse({"status": status, **self._names(task)}, 202)
        completed = {"status": "COMPLETED", **self._names(task)}
        if task.ending in FREE_ENDINGS and roll("error", task.content) < 0.5:
            _, kind, message = _FAILURES[task.ending]
            completed |= {"error": message, "error_type": kind}
        return JSONResponse(completed)

    async def _result(self, request: Request) -> Response:
        task, progress = await self.poll(request)
        if progress < 100:
            return JSONResponse({"detail": "Request is still in progress"}, 400)
        is_empty = task.ending == Ending.NO_IMAGE
        if is_empty and roll("empty", task.content) < 0.5:
            return JSONResponse({"images": [], "description": ""})
        if task.ending in FREE_ENDINGS or is_empty:
            status, kind, message = _FAILURES[task.ending]
            detail = [{"loc": ["body", "prompt"], "msg": message, "type": kind}]
            return JSONResponse({"detail": detail}, status)
        pictures = await self.results_of(task)
        images = [self._image(picture) for picture in pictures]
        return JSONResponse({"images": images, "description": ""})

    def _image(self, picture: Picture) -> dict[str, Any]:
        return {
            "url": link_of(self.context, picture),
            "content_type": MEDIA_TYPES[picture.format],
            "file_name": f"image.{picture.format}",
            "width": picture.width_px,
            "height": picture.height_px,
        }
