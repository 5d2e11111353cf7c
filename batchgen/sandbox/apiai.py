"""apiai.me, as its page describes it: a form goes in, the image itself comes out.

Sources: the page of the workflow nano-banana-2-2 on apiai.me, notes of a customer on
its documents (fetched 2026-09-29) and public clients; read 2026-11-20. Statuses other
than 401, 403, 429 and 5xx are not written anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batchgen.sandbox.balance import left_nano
from batchgen.sandbox.drawing import MEDIA_TYPES, pixel_size
from batchgen.sandbox.faults import (
    CALL_FAULTS,
    DOWNLOAD_FAULTS,
    SEVERAL_FAULTS,
    Fault,
    roll,
)
from batchgen.sandbox.purchase import Order, purchase
from batchgen.sandbox.records import Charge
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.sale import charge_of, pictures_of, sell
from batchgen.sandbox.shapes import Files, Number, Object, Text, Written
from batchgen.sandbox.strict import Form
from batchgen.sandbox.tariff import Fare, Tariff, as_usd, to_nano
from batchgen.sandbox.tasks import answer
from batchgen.sandbox.workshop import Workshop

_SLUG = "nano-banana-2-2"
_SPREAD = Decimal("0.03")
_NANO_PER_STEP = 10_000

_FORM = Form(
    media_type="multipart/form-data",
    most_bytes=50 * 1024 * 1024,
    check=Object(
        fields={
            "PROMPT": Text(required=True),
            # How many are taken is not written; the model itself takes 14.
            "image": Files(most=14),
            "aspect_ratio": Text(choices=("1:1", "3:4", "4:3", "9:16", "16:9")),
            "image_size": Text(choices=("512", "1K", "2K", "4K")),
            "max_output_tokens": Written(
                number=Number(least=1, most=65_536, whole=True)
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
            "temperature": Written(number=Number(least=0, most=1)),
            "top_k": Written(number=Number(least=1, most=64, whole=True)),
            "top_p": Written(number=Number(least=0, most=1)),
            "output_filename": Text(),
        }
    ),
)

# A refusal is the reason that the model gave, within other words, under any status.
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


def _fare(usd: str) -> Fare:
    expected = Decimal(usd)
    return Fare(expected_usd=expected, ceiling_usd=expected * (1 + _SPREAD))


class Apiai:
    """Sell one image per call; headers say what it cost."""

    name = "apiai"
    tariff: Tariff = MappingProxyType(
        {
            "512": _fare("0.049"),
            "1K": _fare("0.072"),
            "2K": _fare("0.108"),
            "4K": _fare("0.162"),
        }
    )
    faults = CALL_FAULTS - SEVERAL_FAULTS - DOWNLOAD_FAULTS
    key_header = "x-api-key"
    link_life_s: float | None = None
    renews_links = False
    is_inline = True
    states_charge: Literal["body", "headers"] = "headers"

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop

    def routes(self) -> list[Route]:
        """Return what it serves: one tool under its older and its newer path."""
        buy = partial(purchase, self._shop, self, _FORM)
        tools = [
            Route(f"/api/{tools}/{_SLUG}", buy, methods=["POST"])
            for tools in ("workflow", "process")
        ]
        return [*tools, Route("/api/account/balance", self._account, methods=["GET"])]

    def prompt_in(self, body: Mapping[str, Any]) -> str:
        """Return the prompt of a valid purchase request."""
        prompt: str = body["PROMPT"]
        return prompt

    def refuse(self, refusal: Refusal, path: str) -> Response:  # noqa: ARG002  one contract for all
        """Return an error reply in its own envelope."""
        choices = _REPLIES[refusal.reason]
        status, message = choices[int(refusal.variant * len(choices))]
        return JSONResponse(
            {"error": f"{message} {refusal.detail}".strip()},
            status_code=status,
            headers=refusal.headers,
        )

    async def fulfil(self, order: Order, fault: Fault | None) -> Response:
        """Make the image, charge for it and return it."""
        latency_s = self._shop.latency_s(order.content)
        await anyio.sleep(latency_s)
        if order.refused or fault is Fault.REFUSAL:
            raise Refusal(Reason.REFUSED, variant=roll("words", order.content))
        resolution = order.body.get("image_size", "1K")
        amount_nano = self._amount_nano(order, resolution)
        charge = charge_of(self._shop, order, fault, resolution, amount_nano)
        [picture] = pictures_of(
            self._shop,
            order,
            fault,
            size=pixel_size(order.body.get("aspect_ratio", "1:1"), resolution),
            file_format="jpg" if roll("format", order.content) < 0.5 else "png",
        )
        await sell(self._shop, order, fault, charge, [picture])
        headers = self._headers(charge, order, latency_s)
        if fault is Fault.NO_IMAGE:
            words = {"text": "Here is an idea for your image, in words."}
            return JSONResponse(words, headers=headers)
        return Response(
            await self._shop.draw(picture),
            media_type=MEDIA_TYPES[picture.format],
            headers=headers,
        )

    async def _account(self, request: Request) -> Response:
        return await answer(self, request, self._balance(request))

    async def _balance(self, request: Request) -> dict[str, Any]:
        # The reply stands on no page; dollars, as in the header of a purchase.
        return {"balance": await left_nano(self._shop, self, request) / 1e9}

    def _amount_nano(self, order: Order, resolution: str) -> int:
        fare = self.tariff[resolution]
        most = to_nano(fare.ceiling_usd) // _NANO_PER_STEP
        least = to_nano(2 * fare.expected_usd - fare.ceiling_usd) // _NANO_PER_STEP
        steps = least + int(roll("price", order.content) * (most - least + 1))
        return steps * _NANO_PER_STEP

    def _headers(
        self, charge: Charge, order: Order, latency_s: float
    ) -> dict[str, str]:
        return {
            "X-Request-ID": charge.id,
            "X-Cost": as_usd(charge.amount_nano).rstrip("0"),
            "X-Processing-Time": str(round(latency_s * 1000)),
            # The sum that is left is nobody's business here but its form.
            "X-Balance-Remaining": f"{roll('balance', *order.chances) * 100:.2f}",
            "X-Workflow": _SLUG,
        }
