"""The images API of OpenAI: requests as JSON, or as a form with reference images.

Sources: reference of the images API on platform.openai.com in stored copies, and two
gateways' pages of gpt-image-2, read 2026-11-21; openai-python 3.57.0 for options,
`usage`, and one reference as `image` or several as `image[]`, read 2026-11-30. That
`image` twice is "Duplicate parameter" stands in reports about several clients (such as
diaomin66/astrbot_plugin_omnidraw, 58); that both names in one request are refused is
assumed.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batchgen.sandbox.base_service import BaseService, image_count
from batchgen.sandbox.downloads import link_of
from batchgen.sandbox.faults import CALL_FAULTS, Fault, roll
from batchgen.sandbox.multipart import Part
from batchgen.sandbox.openai_models import (
    IMAGE_INPUT_NANO,
    INPUT_NANO,
    MAX_TEXT_TOKENS,
    MODELS,
    OUTPUT_NANO,
    QUALITIES,
    REFERENCE_TOKENS,
    output_tokens,
    resolution_of,
    size_problem,
    special_prices,
    usual_prices,
)
from batchgen.sandbox.price_table import PriceTable, SpecialPrice
from batchgen.sandbox.purchase_handler import Order
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.request_parsing import BodySpec, json_body
from batchgen.sandbox.shapes import Files, Number, NumberText, Object, Shape, Text
from batchgen.sandbox.state_records import Picture


def _without_nulls(
    shape: Object, body: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return a body without fields of null, which OpenAI treats as absent."""
    fields = {
        name: value
        for name, value in body.items()
        if value is not None or name not in shape.fields
    }
    return fields, []


def _image_as_list(
    shape: Object,  # noqa: ARG001  one contract for all
    body: Mapping[str, Any],
) -> tuple[dict[str, Any], list[str]]:
    """Return a form in which a single `image` is a list of one, as several are."""
    fields = dict(body)
    if not isinstance(fields.get("image"), Part):
        return fields, []
    image = fields.pop("image")
    if "image[]" in fields:
        return fields, ["'image': stands beside 'image[]'"]
    return {**fields, "image[]": [image]}, []


_COUNT = Number(minimum=1, maximum=10, whole=True)
_SHARED: Mapping[str, Shape] = MappingProxyType(
    {
        "model": Text(required=True),
        "prompt": Text(required=True),
        "size": Text(pattern=r"auto|[1-9]\d{1,4}x[1-9]\d{1,4}"),
        "quality": Text(choices=("auto", *QUALITIES)),
        "background": Text(choices=("auto", "opaque", "transparent")),
        "moderation": Text(choices=("auto", "low")),
        "output_format": Text(choices=("png", "jpeg", "webp")),
    }
)
_PERCENT = Number(minimum=0, maximum=100, whole=True)
_GENERATE_BODY = json_body(
    {**_SHARED, "n": _COUNT, "output_compression": _PERCENT}, canonical=_without_nulls
)
_EDIT_BODY = BodySpec(
    media_type="multipart/form-data",
    canonical=_image_as_list,
    shape=Object(
        fields={
            **_SHARED,
            "n": NumberText(number=_COUNT),
            "output_compression": NumberText(number=_PERCENT),
            "image[]": Files(required=True, maximum=16),
        }
    ),
)

# HTTP status, type, code and message.
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


class Openai(BaseService):
    """Sell up to ten images per call, by tokens; links or base64."""

    name = "openai"
    # Only the tokens of the image: other charges stay below the ceiling.
    price_table: PriceTable = MappingProxyType(usual_prices())
    special_prices: Sequence[SpecialPrice] = tuple(special_prices())
    faults = CALL_FAULTS
    is_inline = True

    def routes(self) -> list[Route]:
        return [
            self.purchase_route("/v1/images/generations", _GENERATE_BODY),
            self.purchase_route("/v1/images/edits", _EDIT_BODY),
        ]

    def refuse(self, refusal: Refusal, path: str) -> Response:  # noqa: ARG002  one contract for all
        status, kind, code, message = refusal.choose(_REPLIES)
        text = f"{message} {refusal.detail}".strip()
        error = {"message": text, "type": kind, "param": None, "code": code}
        return JSONResponse(
            {"error": error}, status_code=status, headers=refusal.headers
        )

    async def fulfil(self, order: Order, fault: Fault | None) -> Response:
        if order.body["model"] not in MODELS:
            raise Refusal(Reason.MODEL_GONE, order.body["model"])
        size = _size(order)
        if problem := _problem(order, size):
            raise Refusal(Reason.INVALID, problem)
        await self.work(order, fault)
        # In a form, the number is text.
        count = image_count(int(order.body.get("n", 1)), fault)
        usage = _Usage.of(order, size, count)
        _, pictures = await self.sell(
            order,
            fault,
            resolution_of(size),
            usage.amount_nano,
            size=size,
            count=count,
            file_format=order.body.get("output_format", "png").replace("jpeg", "jpg"),
        )
        document: dict[str, Any] = {"created": int(self.context.now()), "data": []}
        # An answer without images does not state its cost.
        if fault is not Fault.NO_IMAGE:
            document["data"] = await self._items(order, pictures)
            document["usage"] = usage.as_document()
        return JSONResponse(document)

    async def _items(
        self, order: Order, pictures: list[Picture]
    ) -> list[dict[str, str]]:
        if roll("link", order.content) < 0.5:
            return [{"url": link_of(self.context, picture)} for picture in pictures]
        files = [await self.context.draw(picture) for picture in pictures]
        return [{"b64_json": base64.b64encode(file).decode()} for file in files]


def _size(order: Order) -> tuple[int, int]:
    size = order.body.get("size", "auto")
    width, _, height = (size if size != "auto" else "1024x1024").partition("x")
    return int(width), int(height)


def _problem(order: Order, size: tuple[int, int]) -> str | None:
    """Return the part of a valid request that this model does not accept."""
    if (problem := size_problem(size)) is not None:
        return f"'size': {problem}"
    is_png = order.body.get("output_format", "png") == "png"
    if is_png and "output_compression" in order.body:
        return "'output_compression' is for jpeg and webp"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usage:
    """Tokens of one call, by their purpose."""

    text: int
    references: int
    output: int

    @classmethod
    def of(cls, order: Order, size: tuple[int, int], images: int) -> _Usage:
        quality = order.body.get("quality", "auto")
        quality = "medium" if quality == "auto" else quality
        return cls(
            text=min(1 + len(order.prompt) // 4, MAX_TEXT_TOKENS),
            references=REFERENCE_TOKENS * len(order.body.get("image[]", [])),
            output=images * output_tokens(size, quality),
        )

    @property
    def amount_nano(self) -> int:
        return (
            self.text * INPUT_NANO
            + self.references * IMAGE_INPUT_NANO
            + self.output * OUTPUT_NANO
        )

    def as_document(self) -> dict[str, Any]:
        """Return `usage`."""
        input_tokens = self.text + self.references
        return {
            "total_tokens": input_tokens + self.output,
            "input_tokens": input_tokens,
            "output_tokens": self.output,
            "input_tokens_details": {
                "text_tokens": self.text,
                "image_tokens": self.references,
            },
        }
