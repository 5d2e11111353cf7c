"""FoxAPI, as its documents describe it: submit, poll, download within 24 hours.

Sources: the page of gemini-3.1-flash-image-preview under docs.foxapi.cc, its pages
on task details and error codes, and the client cookaihq/canvas4me (2f313f5 of
2026-05-27); read 2026-11-20.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from math import ceil
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batchgen.sandbox.downloads import link_of
from batchgen.sandbox.drawing import MEDIA_TYPES, pixel_size
from batchgen.sandbox.faults import SEVERAL_FAULTS, UPLOAD_FAULTS, Fault, roll
from batchgen.sandbox.purchase import Order, path_in, purchase
from batchgen.sandbox.records import Picture, Task
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.sale import bill_status, pictures_of
from batchgen.sandbox.shapes import Flag, ImageText, Listed, Text
from batchgen.sandbox.strict import json_form, read_key
from batchgen.sandbox.tariff import Fare, Tariff, to_nano
from batchgen.sandbox.workshop import Workshop

_LINK_LIFE_S = 24 * 3600.0
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
        "content_policy_violation": "The prompt violates the content policy",
        "generation_failed": "Image generation failed, please try again",
    }
)


_FORM = json_form(
    {
        "model": Text(required=True, choices=("gemini-3.1-flash-image-preview",)),
        "prompt": Text(required=True),
        "aspect_ratio": Text(choices=_RATIOS),
        "resolution": Text(choices=("512", "0.5K", "1K", "2K", "4K")),
        "image_urls": Listed(most=14, item=ImageText(schemes=("https", "http"))),
        "output_format": Text(choices=("jpg", "png", "webp")),
        "google_search": Flag(),
        "image_search": Flag(),
    }
)


def _fare(usd: str) -> Fare:
    return Fare(expected_usd=Decimal(usd), ceiling_usd=Decimal(usd))


class Foxapi:
    """Sell one image per task, charged when it is completed."""

    name = "foxapi"
    tariff: Tariff = MappingProxyType(
        {
            "512": _fare("0.0415"),
            "1K": _fare("0.0585"),
            "2K": _fare("0.0875"),
            "4K": _fare("0.1315"),
        }
    )
    faults = frozenset(Fault) - SEVERAL_FAULTS - UPLOAD_FAULTS
    key_header = "authorization"
    link_life_s: float | None = _LINK_LIFE_S
    renews_links = True

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop

    def routes(self) -> list[Route]:
        """Return what it serves, without its images."""
        buy = partial(purchase, self._shop, self, _FORM)
        return [
            Route("/v1/images/generations", buy, methods=["POST"]),
            Route("/v1/tasks/{task_id}", self._poll, methods=["GET"]),
        ]

    def prompt_in(self, body: Mapping[str, Any]) -> str:
        """Return the prompt of a valid purchase request."""
        prompt: str = body["prompt"]
        return prompt

    def refuse(self, refusal: Refusal, path: str) -> Response:  # noqa: ARG002  one contract for all
        """Return an error reply in its own envelope."""
        choices = _REPLIES[refusal.reason]
        status, kind, message = choices[int(refusal.variant * len(choices))]
        text = f"{message} {refusal.detail}".strip()
        return JSONResponse(
            {"error": {"message": text, "type": kind}},
            status_code=status,
            headers=refusal.headers,
        )

    async def fulfil(self, order: Order, fault: Fault | None) -> Response:
        """Accept a task, with all that will become of it."""
        pictures = self._pictures(order, fault)
        task = self._task(order, fault, pictures[0])
        await self._shop.remember(
            self._shop.state.add_task,
            order.arrival.request,
            fault or "accepted",
            task,
            pictures,
        )
        return JSONResponse(self._document(task, "pending", 0))

    def _pictures(self, order: Order, fault: Fault | None) -> list[Picture]:
        ratio = order.body.get("aspect_ratio", "1:1")
        # No input image is ever fetched here, so there is nothing to match.
        ratio = "1:1" if ratio == "match_input_image" else ratio
        return pictures_of(
            self._shop,
            order,
            fault,
            size=pixel_size(ratio, order.body.get("resolution", "1K")),
            file_format=order.body.get("output_format", "png"),
        )

    def _task(self, order: Order, fault: Fault | None, picture: Picture) -> Task:
        now = self._shop.now()
        resolution = order.body.get("resolution", "1K").replace("0.5K", "512")
        ending = _ending(order, fault)
        free = ending in _TASK_ERRORS
        fare = self.tariff[resolution]
        return Task(
            id=f"task-unified-{int(now)}-{uuid4().hex[:8]}",
            provider=self.name,
            content=order.content,
            occurrence=order.arrival.occurrence,
            model=order.body["model"],
            prompt=order.prompt,
            resolution=resolution,
            created_at=now,
            ready_at=now + self._shop.latency_s(order.content, slower=2.4),
            ending=ending,
            image=picture.id,
            amount_nano=0 if free else to_nano(fare.expected_usd),
            bill_status=bill_status(fault),
        )

    async def _poll(self, request: Request) -> Response:
        task_id = request.path_params["task_id"]
        try:
            read_key(request)
            return JSONResponse(await self._look_at(task_id))
        except Refusal as refusal:
            return self.refuse(refusal, path_in(request))

    async def _look_at(self, task_id: str) -> dict[str, Any]:
        now = self._shop.now()
        task = await self._shop.remember(self._shop.state.poll, self.name, task_id, now)
        fault = self._shop.faults.at_poll(self.name)
        if task is None or fault is Fault.TASK_UNKNOWN:
            raise Refusal(Reason.NOT_FOUND, f"Task {task_id} not found")
        if now < task.ready_at:
            done = (now - task.created_at) / (task.ready_at - task.created_at)
            status = "pending" if done < 0.2 else "processing"
            return self._document(task, status, max(0, int(done * 100)))
        if task.ending in _TASK_ERRORS:
            return {**self._document(task, "failed", 100), **_task_error(task)}
        result = await self._result(task)
        return {**self._document(task, "completed", 100), **result}

    async def _result(self, task: Task) -> dict[str, Any]:
        first = task.times_completed_seen == 0
        hurried = first and roll("hurried", task.content, task.occurrence) < 1 / 16
        if task.ending == Fault.NO_IMAGE or hurried:
            return {"results": None}
        [picture] = await self._shop.remember(
            self._shop.state.fresh_links, task.image, self._shop.now(), _LINK_LIFE_S
        )
        link = link_of(self._shop, picture)
        if roll("shape", task.content) < 0.5:
            media_type = MEDIA_TYPES[picture.format]
            return {"results": [{"url": link, "content_type": media_type}]}
        size = {"width": picture.width_px, "height": picture.height_px}
        return {"output": {"url": link, "urls": [link], **size}}

    def _document(self, task: Task, status: str, progress: int) -> dict[str, Any]:
        estimate_s = max(1, ceil(task.ready_at - task.created_at))
        return {
            "created": int(task.created_at),
            "id": task.id,
            "model": task.model,
            "object": "image.generation.task",
            "progress": progress,
            "status": status,
            "task_info": {
                "can_cancel": status == "pending",
                "estimated_time": estimate_s,
            },
            "type": "image",
        }


def _ending(order: Order, fault: Fault | None) -> str:
    if order.refused or fault is Fault.REFUSAL:
        return "content_policy_violation"
    if fault in (Fault.GENERATION_FAILED, Fault.NO_IMAGE):
        return str(fault)
    return "completed"


def _task_error(task: Task) -> dict[str, Any]:
    return {
        "error": {
            "code": task.ending,
            "message": _TASK_ERRORS[task.ending],
            "type": "task_error",
        }
    }
