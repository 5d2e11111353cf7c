"""gccai, as its documents and those of APIMart describe it: submit, poll, download.

Sources: gccai.heqingsong.uk, page images/gemini-3.1-flash/generation, for fields and
values; docs.apimart.ai, the same tree and tasks/status, for replies; public clients of
APIMart for uploads, costs and what no page says; docs.apimp.ai, a sister gateway, for
types of errors; read 2026-11-20.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from math import ceil
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batchgen.sandbox.base_service import DEPOSIT_NANO, image_count
from batchgen.sandbox.downloads import link_of
from batchgen.sandbox.drawing import pixel_size
from batchgen.sandbox.faults import Fault, roll
from batchgen.sandbox.price_table import Price, PriceTable
from batchgen.sandbox.purchase_handler import Order
from batchgen.sandbox.reference_images import ImageRules
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.request_parsing import BodySpec
from batchgen.sandbox.shapes import (
    FilePart,
    Files,
    Flag,
    ImageText,
    ListOf,
    Number,
    Object,
    Text,
)
from batchgen.sandbox.state_records import Picture, Task
from batchgen.sandbox.task_handler import (
    FREE_ENDINGS,
    LINK_LIFE_S,
    Ending,
    TaskService,
)
from batchgen.sandbox.upload_handler import receive_upload, upload_link

_USD_PER_CREDIT = Decimal("0.004")
_LANGUAGES = ("zh", "en", "ko", "ja")

_RATIOS = (
    *("auto", "1:1", "3:2", "2:3", "4:3", "3:4", "16:9", "9:16", "5:4", "4:5"),
    *("21:9", "1:4", "4:1", "1:8", "8:1"),
)
_IMAGE = ImageRules(max_bytes=10_000_000)


def _problems_of_search(body: Mapping[str, Any]) -> Iterator[str]:
    if body.get("google_image_search") and not body.get("google_search"):
        yield "'google_image_search': needs 'google_search': true"


_PURCHASE_BODY = BodySpec(
    shape=Object(
        fields={
            "model": Text(
                required=True,
                choices=(
                    "gemini-3.1-flash-image-preview",
                    "gemini-3.1-flash-image-preview-official",
                ),
            ),
            "prompt": Text(required=True),
            "size": Text(choices=_RATIOS),
            "resolution": Text(choices=("0.5K", "1K", "2K", "4K")),
            "n": Number(minimum=1, maximum=4, whole=True),
            "official_fallback": Flag(),
            "image_urls": ListOf(
                maximum=14,
                item=ImageText(schemes=("https", "http", "data"), image=_IMAGE),
            ),
            "google_search": Flag(),
            "google_image_search": Flag(),
        },
        rule=_problems_of_search,
    ),
    # Fourteen images of 10 MB are 187 MB as base64.
    max_bytes=200 * 1024 * 1024,
)
# `file` is a guess: no page and no client that was read names the part.
_UPLOAD_BODY = BodySpec(
    media_type="multipart/form-data",
    shape=Object(
        fields={
            "file": Files(
                required=True, minimum=1, maximum=1, item=FilePart(image=_IMAGE)
            )
        }
    ),
)

_REPLIES: Mapping[Reason, tuple[tuple[int, str, str], ...]] = MappingProxyType(
    {
        Reason.BAD_REQUEST: ((400, "invalid_request_error", "Invalid request body"),),
        Reason.INVALID: ((400, "validation_error", "Invalid parameters:"),),
        Reason.TOO_LARGE: ((413, "invalid_request_error", "Request too large"),),
        Reason.WRONG_KEY: ((401, "authentication_error", "Invalid API key"),),
        Reason.NO_CREDIT: (
            (402, "insufficient_credits_error", "Insufficient credits"),
        ),
        Reason.MODEL_GONE: ((404, "invalid_request_error", "Model does not exist"),),
        Reason.REFUSED: (
            (400, "content_moderation_error", "The prompt was rejected by moderation"),
        ),
        Reason.THROTTLED: ((429, "rate_limit_error", "Too many requests"),),
        Reason.THROTTLED_SILENTLY: ((429, "rate_limit_error", "Too many requests"),),
        Reason.SERVER_ERROR: (
            (500, "server_error", "Internal server error"),
            (503, "server_error", "Service unavailable"),
        ),
        Reason.NOT_FOUND: ((404, "invalid_request_error", "Not found"),),
        Reason.WRONG_METHOD: ((405, "invalid_request_error", "Method not allowed"),),
    }
)
# Code as a number, type and message of failed tasks; as a text, the code is FoxAPI's.
_FAILURES: Mapping[str, tuple[int, str, str]] = MappingProxyType(
    {
        Ending.REFUSED: (
            *(400, "content_moderation_error"),
            "Blocked: the prompt violates the content policy",
        ),
        Ending.FAILED: (
            *(500, "server_error"),
            "Image generation failed, please try again",
        ),
        Ending.BAD_URL: (
            *(400, "validation_error"),
            "A reference image cannot be fetched from its URL",
        ),
    }
)
# Names of the states waiting, at work, completed and failed: those of the documents,
# and others that clients have seen.
_STATE_NAMES = (
    ("pending", "processing", "completed", "failed"),
    ("pending", "processing", "completed", "failed"),
    ("submitted", "in_progress", "success", "failure"),
    ("PENDING", "IN_PROGRESS", "SUCCEEDED", "FAILURE"),
)


def _price(usd: str) -> Price:
    price = Decimal(usd)
    return Price(expected_usd=price, ceiling_usd=price, usd_per_credit=_USD_PER_CREDIT)


class Gccai(TaskService):
    """Sell up to four images per task, charged when completed.

    The official channel costs the same here; its real price is not documented.
    """

    name = "gccai"
    price_table: PriceTable = MappingProxyType(
        {
            "512": _price("0.039"),
            "1K": _price("0.053"),
            "2K": _price("0.081"),
            "4K": _price("0.125"),
        }
    )
    faults = frozenset(Fault)

    def routes(self) -> list[Route]:
        return [
            self.purchase_route("/v1/images/generations", _PURCHASE_BODY),
            self.json_route("/v1/tasks/{task_id}", self._status),
            self.json_route("/v1/uploads/images", self._upload, "POST"),
            self.json_route("/v1/user/balance", self._balance),
        ]

    def refuse(self, refusal: Refusal, path: str) -> Response:  # noqa: ARG002  one contract for all
        """Return an error reply in one of its envelopes, some of them with a 200."""
        choices = _REPLIES[refusal.reason]
        chosen = refusal.variant * len(choices)
        status, kind, message = choices[int(chosen)]
        error = {"message": f"{message} {refusal.detail}".strip(), "type": kind}
        envelopes: tuple[tuple[int, dict[str, Any]], ...] = (
            (status, {"error": {"code": status, **error}}),
            (status, {"code": status, "error": error}),
            (200, {"code": status, "error": error}),
            (200, {"code": str(status), "message": error["message"], "data": None}),
        )
        http, body = envelopes[int(chosen % 1 * len(envelopes))]
        return JSONResponse(body, status_code=http, headers=refusal.headers)

    async def fulfil(self, order: Order, fault: Fault | None) -> Response:
        random_value = roll("refusal", order.content)
        if (order.refused or fault is Fault.REFUSAL) and random_value < 1 / 3:
            raise Refusal(Reason.REFUSED, variant=random_value * 3)
        resolution = order.body.get("resolution", "1K").replace("0.5K", "512")
        task_id = f"task_01K8{uuid4().hex[:22].upper()}"
        await self.submit(
            order,
            fault,
            resolution,
            task_id,
            size=pixel_size(_ratio(order), resolution),
            count=image_count(order.body.get("n", 1), fault),
        )
        entry = {"status": "submitted", "task_id": task_id}
        alone = roll("alone", order.content) < 1 / 4
        return JSONResponse({"code": 200, "data": entry if alone else [entry]})

    async def _status(self, request: Request) -> dict[str, Any]:
        task, progress = await self.poll(request)
        parameters = dict(request.query_params)
        if parameters.pop("language", "en") not in _LANGUAGES or parameters:
            raise Refusal(Reason.INVALID, f"?{request.query_params}")
        return {"code": 200, "data": await self._document(task, progress)}

    async def _document(self, task: Task, progress: int) -> dict[str, Any]:
        chosen = int(roll("words", task.content) * len(_STATE_NAMES))
        waiting, at_work, completed, failed = _STATE_NAMES[chosen]
        document = {
            "id": task.id,
            "progress": progress,
            "created": int(task.created_at),
            "estimated_time": max(1, ceil(task.ready_at - task.created_at)),
        }
        if progress < 100:
            return {**document, "status": waiting if progress < 20 else at_work}
        document["completed"] = int(task.ready_at)
        document["actual_time"] = round(task.ready_at - task.created_at)
        if task.ending in FREE_ENDINGS:
            return {**document, "status": failed, **_failure(task)}
        pictures = await self.results_of(task)
        result = {"images": self._images(task, pictures)} if pictures else None
        ended = {**document, "status": completed, "result": result}
        return {**ended, **_cost(task)}

    def _images(self, task: Task, pictures: list[Picture]) -> list[dict[str, Any]]:
        links = [link_of(self.context, picture) for picture in pictures]
        ends = [int(picture.issued_at + LINK_LIFE_S) for picture in pictures]
        shape = roll("shape", task.content)
        if shape < 1 / 3:
            return [{"url": links, "expires_at": min(ends)}]
        urls = [link if shape < 2 / 3 else [link] for link in links]
        return [
            {"url": url, "expires_at": end} for url, end in zip(urls, ends, strict=True)
        ]

    async def _balance(self, request: Request) -> dict[str, Any]:
        left = Decimal(await self.remaining_nano(request)).scaleb(-9)
        used = Decimal(DEPOSIT_NANO).scaleb(-9) - left
        # Amounts as a number or as text: public clients handle both.
        return {
            "success": True,
            "message": "",
            "remain_balance": str(left),
            "remain_credits": float(left / _USD_PER_CREDIT),
            "used_balance": str(used),
            "used_credits": float(used / _USD_PER_CREDIT),
        }

    async def _upload(self, request: Request) -> dict[str, Any]:
        # The lifetime of an upload is not documented: the same as for links of images.
        upload = await receive_upload(
            self.context, self, _UPLOAD_BODY, request, life_s=LINK_LIFE_S
        )
        return {
            "url": upload_link(self.context, upload),
            "filename": upload.file_name,
            "content_type": upload.media_type,
            "bytes": upload.size_bytes,
            "created_at": int(upload.at),
        }


def _ratio(order: Order) -> str:
    ratio: str = order.body.get("size", "1:1")
    if ratio != "auto":
        return ratio
    likely = ("1:1", "4:3", "3:4", "16:9")
    return likely[int(roll("ratio", order.content) * len(likely))]


def _failure(task: Task) -> dict[str, Any]:
    code, kind, message = _FAILURES[task.ending]
    shapes: tuple[dict[str, Any], ...] = (
        {"error": {"code": code, "message": message, "type": kind}},
        {"error": {"code": str(task.ending), "message": message, "type": kind}},
        {"error": message},
    )
    if task.ending == Ending.FAILED:
        shapes = (*shapes, {"status": "cancelled", "error": None})
    return shapes[int(roll("failure", task.content) * len(shapes))]


def _cost(task: Task) -> dict[str, Any]:
    """Return the cost in credits, under either name or both, as clients have seen."""
    used = Decimal(task.amount_nano).scaleb(-9) / _USD_PER_CREDIT
    credits_used = int(used) if used == int(used) else float(used)
    names = (("cost", "credits_cost"), ("credits_cost",), ("cost",))
    chosen = names[int(roll("cost", task.content) * len(names))]
    return dict.fromkeys(chosen, credits_used)
