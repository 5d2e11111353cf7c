"""The common OpenAI shape: images by JSON, or by a form where images come along.

Sources: reference of the images API on platform.openai.com in stored copies, and two
gateways' pages of gpt-image-2; read 2026-11-21. OpenAI's own limits on `size` are
not applied, since other servers of this shape have others.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any

import anyio
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batchgen.sandbox.downloads import link_of
from batchgen.sandbox.faults import CALL_FAULTS, Fault, roll
from batchgen.sandbox.openai_spellings import image_as_list, without_nulls
from batchgen.sandbox.purchase import Order, purchase
from batchgen.sandbox.records import Picture
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.sale import charge_of, made, pictures_of, sell
from batchgen.sandbox.shapes import Files, Number, Object, Shape, Text, Written
from batchgen.sandbox.strict import Form, json_form
from batchgen.sandbox.tariff import Fare, Tariff, to_nano
from batchgen.sandbox.workshop import Workshop

_MODELS = ("gpt-image-2", "gpt-image-1.5", "gpt-image-1")
_COUNT = Number(least=1, most=10, whole=True)
_SHARED: Mapping[str, Shape] = MappingProxyType(
    {
        "model": Text(required=True),
        "prompt": Text(required=True),
        "size": Text(pattern=r"auto|[1-9]\d{1,4}x[1-9]\d{1,4}"),
        "quality": Text(choices=("auto", "low", "medium", "high")),
        "output_format": Text(choices=("png", "jpeg", "webp")),
    }
)
_GENERATE = json_form({**_SHARED, "n": _COUNT}, canonical=without_nulls)
_EDIT = Form(
    media_type="multipart/form-data",
    canonical=image_as_list,
    check=Object(
        fields={
            **_SHARED,
            "n": Written(number=_COUNT),
            "image[]": Files(required=True, most=16),
        }
    ),
)
_FORMATS = {"png": "png", "jpeg": "jpg", "webp": "webp"}
# Pixels below which an image counts as this resolution: between the sizes of the
# model that all others sell.
_RESOLUTIONS = ((600_000, "512"), (2_500_000, "1K"), (10_000_000, "2K"))

# HTTP status, type, code and words.
_REPLIES: Mapping[Reason, tuple[tuple[int, str, str | None, str], ...]] = (
    MappingProxyType(
        {
            Reason.BAD_REQUEST: (
                (400, "invalid_request_error", None, "Could not parse the body."),
            ),
            Reason.INVALID: (
                (400, "invalid_request_error", "invalid_value", "Invalid request:"),
            ),
            Reason.TOO_LARGE: (
                (413, "invalid_request_error", None, "Payload too large."),
            ),
            Reason.WRONG_KEY: (
                (
                    401,
                    "invalid_request_error",
                    "invalid_api_key",
                    "Incorrect API key provided:",
                ),
            ),
            Reason.NO_CREDIT: (
                (
                    429,
                    "insufficient_quota",
                    "insufficient_quota",
                    "You exceeded your current quota, please check your plan.",
                ),
                (
                    400,
                    "image_generation_user_error",
                    "billing_hard_limit_reached",
                    "Billing hard limit has been reached.",
                ),
            ),
            Reason.MODEL_GONE: (
                (
                    404,
                    "invalid_request_error",
                    "model_not_found",
                    "The model does not exist or you do not have access to it.",
                ),
                (
                    403,
                    "invalid_request_error",
                    "model_not_found",
                    "Project does not have access to the model.",
                ),
            ),
            Reason.REFUSED: (
                (
                    400,
                    "image_generation_user_error",
                    "moderation_blocked",
                    "Your request was rejected by the safety system.",
                ),
                (
                    400,
                    "invalid_request_error",
                    "content_policy_violation",
                    "Your request was rejected as a result of our safety system.",
                ),
            ),
            Reason.THROTTLED: (
                (429, "requests", "rate_limit_exceeded", "Rate limit reached."),
            ),
            Reason.THROTTLED_SILENTLY: (
                (429, "requests", "rate_limit_exceeded", "Rate limit reached."),
            ),
            Reason.SERVER_ERROR: (
                (500, "server_error", None, "The server had an error."),
                (503, "server_error", None, "The engine is overloaded."),
            ),
            Reason.NOT_FOUND: ((404, "invalid_request_error", None, "Invalid URL"),),
            Reason.WRONG_METHOD: ((405, "invalid_request_error", None, "Not allowed"),),
        }
    )
)


def _fare(usd: str) -> Fare:
    return Fare(expected_usd=Decimal(usd), ceiling_usd=Decimal(usd))


class Openai:
    """Sell up to ten images per call, at a fixed price each; links or base64."""

    name = "openai"
    tariff: Tariff = MappingProxyType(
        {
            "512": _fare("0.0215"),
            "1K": _fare("0.0535"),
            "2K": _fare("0.0975"),
            "4K": _fare("0.1655"),
        }
    )
    faults = CALL_FAULTS
    key_header = "authorization"
    link_life_s: float | None = None
    renews_links = False
    is_inline = True

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop

    def routes(self) -> list[Route]:
        """Return what it serves, without its images."""
        generate = partial(purchase, self._shop, self, _GENERATE)
        edit = partial(purchase, self._shop, self, _EDIT)
        return [
            Route("/v1/images/generations", generate, methods=["POST"]),
            Route("/v1/images/edits", edit, methods=["POST"]),
        ]

    def prompt_in(self, body: Mapping[str, Any]) -> str:
        """Return the prompt of a valid purchase request."""
        prompt: str = body["prompt"]
        return prompt

    def refuse(self, refusal: Refusal, path: str) -> Response:  # noqa: ARG002  one contract for all
        """Return an error reply in its own envelope."""
        choices = _REPLIES[refusal.reason]
        status, kind, code, message = choices[int(refusal.variant * len(choices))]
        text = f"{message} {refusal.detail}".strip()
        error = {"message": text, "type": kind, "param": None, "code": code}
        return JSONResponse(
            {"error": error}, status_code=status, headers=refusal.headers
        )

    async def fulfil(self, order: Order, fault: Fault | None) -> Response:
        """Make the images, charge for them and return the reply."""
        if order.body["model"] not in _MODELS:
            raise Refusal(Reason.MODEL_GONE, order.body["model"])
        await anyio.sleep(self._shop.latency_s(order.content))
        if order.refused or fault is Fault.REFUSAL:
            raise Refusal(Reason.REFUSED, variant=roll("words", order.content))
        size = _size(order)
        resolution = _resolution(size)
        # A form has it as text.
        count = made(int(order.body.get("n", 1)), fault)
        pictures = pictures_of(
            self._shop,
            order,
            fault,
            size=size,
            count=count,
            file_format=_FORMATS[order.body.get("output_format", "png")],
        )
        amount_nano = count * to_nano(self.tariff[resolution].expected_usd)
        charge = charge_of(self._shop, order, fault, resolution, amount_nano)
        await sell(self._shop, order, fault, charge, pictures)
        shown = [] if fault is Fault.NO_IMAGE else pictures
        return JSONResponse(await self._document(order, shown))

    async def _document(self, order: Order, pictures: list[Picture]) -> dict[str, Any]:
        created = {"created": int(self._shop.now())}
        # Servers that hand out links count no tokens.
        if roll("link", order.content) < 0.5:
            items = [{"url": link_of(self._shop, picture)} for picture in pictures]
            return {**created, "data": items}
        files = [await self._shop.draw(picture) for picture in pictures]
        items = [{"b64_json": base64.b64encode(file).decode()} for file in files]
        return {**created, "data": items, "usage": _usage(order, pictures)}


def _size(order: Order) -> tuple[int, int]:
    size = order.body.get("size", "auto")
    width, _, height = (size if size != "auto" else "1024x1024").partition("x")
    return int(width), int(height)


def _resolution(size: tuple[int, int]) -> str:
    pixels = size[0] * size[1]
    return next((name for limit, name in _RESOLUTIONS if pixels < limit), "4K")


def _usage(order: Order, pictures: list[Picture]) -> dict[str, Any]:
    text = 1 + len(order.prompt) // 4
    images = 388 * len(order.body.get("image[]", []))
    output = sum(picture.width_px * picture.height_px // 1_000 for picture in pictures)
    return {
        "total_tokens": text + images + output,
        "input_tokens": text + images,
        "output_tokens": output,
        "input_tokens_details": {"text_tokens": text, "image_tokens": images},
    }
