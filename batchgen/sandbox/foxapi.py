"""FoxAPI, as its documents describe it: submit, poll, download within 24 hours.

Sources: the page of gemini-3.1-flash-image-preview under docs.foxapi.cc, its pages
on task details and error codes, and the client cookaihq/canvas4me (2f313f5 of
2026-05-27); read 2026-11-20.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from batchgen.sandbox.base_service import price_within
from batchgen.sandbox.downloads import link_of
from batchgen.sandbox.drawing import MEDIA_TYPES, pixel_size
from batchgen.sandbox.faults import SEVERAL_FAULTS, Fault, roll
from batchgen.sandbox.price_table import PriceTable
from batchgen.sandbox.purchase_handler import Order
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.request_parsing import BodySpec, json_body
from batchgen.sandbox.shapes import Files, Flag, ImageText, ListOf, Object, Text
from batchgen.sandbox.state_records import Task
from batchgen.sandbox.task_handler import (
    FREE_ENDINGS,
    Ending,
    TaskService,
)
from batchgen.sandbox.upload_handler import receive_upload, upload_link

_UPLOAD_LIFE_S = 72 * 3600.0
_UPLOAD_PATH = "/v1/files/upload/stream"
_RATIOS = (
    *("1:1", "1:4", "1:8", "2:3", "3:2", "3:4", "4:1", "4:3", "4:5", "5:4", "8:1"),
    *("9:16", "16:9", "21:9", "match_input_image"),
)

_REPLIES: Mapping[Reason, tuple[tuple[int, str, str], ...]] = MappingProxyType(
    {
        Reason.BAD_REQUEST: ((400, "invalid_request_error", "Invalid request body"),),
        Reason.INVALID: ((422, "invalid_request_error", "Invalid request:"),),
        Reason.TOO_LARGE: ((413, "invalid_request_error", "Request too large"),),
        Reason.WRONG_KEY: ((401, "authentication_error", "Invalid API key"),),
        Reason.NO_CREDIT: ((402, "insufficient_quota", "Insufficient balance"),),
        Reason.MODEL_GONE: (
            (422, "invalid_request_error", "Unknown model: the model does not exist"),
        ),
        Reason.THROTTLED: ((429, "rate_limit_error", "Rate limit exceeded"),),
        Reason.THROTTLED_SILENTLY: ((429, "rate_limit_error", "Rate limit exceeded"),),
        Reason.SERVER_ERROR: (
            (500, "server_error", "Internal server error"),
            (503, "service_unavailable_error", "No available channel"),
        ),
        Reason.NOT_FOUND: ((404, "not_found", "Not found"),),
        Reason.WRONG_METHOD: ((405, "invalid_request_error", "Method not allowed"),),
    }
)
_TASK_ERRORS: Mapping[str, str] = MappingProxyType(
    {
        Ending.REFUSED: "The prompt violates the content policy",
        Ending.FAILED: "Image generation failed, please try again",
        Ending.BAD_URL: "A reference image cannot be fetched from its URL",
    }
)
# The answer of the gateway to an upload that is too large.
_TOO_LARGE = """<html>
<head><title>413 Request Entity Too Large</title></head>
<body><center><h1>413 Request Entity Too Large</h1></center><hr>
<center>cloudflare</center></body>
</html>
"""

_PURCHASE_BODY = json_body(
    {
        "model": Text(required=True, choices=("gemini-3.1-flash-image-preview",)),
        "prompt": Text(required=True),
        "aspect_ratio": Text(choices=_RATIOS),
        "resolution": Text(choices=("512", "0.5K", "1K", "2K", "4K")),
        "image_urls": ListOf(maximum=14, item=ImageText(schemes=("https", "http"))),
        "output_format": Text(choices=("jpg", "png", "webp")),
        "google_search": Flag(),
        "image_search": Flag(),
    }
)
# All three, as the only known client sends them; without `auto_cleanup` the lifetime
# of the file is not documented. No limits are documented: types and size are those of
# reference images at other providers.
_UPLOAD_BODY = BodySpec(
    media_type="multipart/form-data",
    max_bytes=32 * 1024 * 1024,
    shape=Object(
        fields={
            "file": Files(required=True, minimum=1, maximum=1),
            "file_name": Text(required=True),
            "auto_cleanup": Text(required=True, choices=("true",)),
        }
    ),
)


class Foxapi(TaskService):
    """Sell one image per task, charged when it is completed."""

    name = "foxapi"
    price_table: PriceTable = MappingProxyType(
        {
            "512": price_within("0.0415"),
            "1K": price_within("0.0585"),
            "2K": price_within("0.0875"),
            "4K": price_within("0.1315"),
        }
    )
    faults = frozenset(Fault) - SEVERAL_FAULTS

    def routes(self) -> list[Route]:
        return [
            self.purchase_route("/v1/images/generations", _PURCHASE_BODY),
            self.json_route("/v1/tasks/{task_id}", self._task),
            self.json_route(_UPLOAD_PATH, self._upload, "POST"),
        ]

    def refuse(self, refusal: Refusal, path: str) -> Response:
        if refusal.reason is Reason.TOO_LARGE and path == _UPLOAD_PATH:
            return HTMLResponse(_TOO_LARGE, status_code=413)
        status, kind, message = refusal.choose(_REPLIES)
        text = f"{message} {refusal.detail}".strip()
        return JSONResponse(
            {"error": {"message": text, "type": kind}},
            status_code=status,
            headers=refusal.headers,
        )

    async def fulfil(self, order: Order, fault: Fault | None) -> Response:
        ratio = order.body.get("aspect_ratio", "1:1")
        # The sandbox fetches no input image, so there is no ratio to match.
        ratio = "1:1" if ratio == "match_input_image" else ratio
        resolution = order.body.get("resolution", "1K").replace("0.5K", "512")
        task = await self.submit(
            order,
            fault,
            resolution,
            f"task-unified-{int(self.context.now())}-{uuid4().hex[:8]}",
            size=pixel_size(ratio, resolution),
            file_format=order.body.get("output_format", "png"),
        )
        return JSONResponse(_document(task, "pending", 0))

    async def _task(self, request: Request) -> dict[str, Any]:
        task, progress = await self.poll(request)
        if progress < 100:
            status = "pending" if progress < 20 else "processing"
            return _document(task, status, progress)
        if task.ending in FREE_ENDINGS:
            return {**_document(task, "failed", 100), **_task_error(task)}
        return {**_document(task, "completed", 100), **await self._result(task)}

    async def _result(self, task: Task) -> dict[str, Any]:
        pictures = await self.results_of(task)
        if not pictures:
            return {"results": None}
        [picture] = pictures
        link = link_of(self.context, picture)
        if roll("shape", task.content) < 0.5:
            media_type = MEDIA_TYPES[picture.format]
            return {"results": [{"url": link, "content_type": media_type}]}
        size = {"width": picture.width_px, "height": picture.height_px}
        return {"output": {"url": link, "urls": [link], **size}}

    async def _upload(self, request: Request) -> dict[str, Any]:
        upload = await receive_upload(
            self.context,
            self,
            _UPLOAD_BODY,
            request,
            life_s=_UPLOAD_LIFE_S,
        )
        return {"url": upload_link(self.context, upload), "size": upload.size_bytes}


def _document(task: Task, status: str, progress: int) -> dict[str, Any]:
    return {
        "created": int(task.created_at),
        "id": task.id,
        "model": task.model,
        "object": "image.generation.task",
        "progress": progress,
        "status": status,
        "task_info": {
            "can_cancel": status == "pending",
            "estimated_time": max(1, ceil(task.ready_at - task.created_at)),
        },
        "type": "image",
    }


def _task_error(task: Task) -> dict[str, Any]:
    message = _TASK_ERRORS[task.ending]
    return {"error": {"code": task.ending, "message": message, "type": "task_error"}}
