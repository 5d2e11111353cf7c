"""Google's Gemini API, as its documents describe it: one call, base64 both ways.

Sources: ai.google.dev, guides on image generation, pricing and errors; reasons and
names as in googleapis/python-genai (6680718 of 2026-08-21); bodies of a 429 from
discuss.ai.google.dev, threads 124640 and 109581; read 2026-11-20.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import anyio
from starlette.middleware.base import RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from batchgen.sandbox.base_service import BaseService
from batchgen.sandbox.drawing import pixel_size
from batchgen.sandbox.faults import (
    CALL_FAULTS,
    DOWNLOAD_FAULTS,
    SEVERAL_FAULTS,
    Fault,
    roll,
)
from batchgen.sandbox.gemini_body import (
    PURCHASE_BODY,
    has_size,
    prompt_in,
    ratio_in,
    references_in,
    resolution_in,
    thinking_in,
)
from batchgen.sandbox.gemini_errors import PER_DAY, error_reply
from batchgen.sandbox.gemini_models import (
    MAX_QUERIES,
    MAX_THOUGHT_TOKENS,
    MODELS,
    Model,
    Tokens,
    special_prices,
    usual_prices,
)
from batchgen.sandbox.price_table import PriceTable, SpecialPrice
from batchgen.sandbox.purchase_handler import Order, handle_purchase
from batchgen.sandbox.refusal import Reason, Refusal
from batchgen.sandbox.state_records import Picture

_BLOCKS = ("SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY")
_STOPS = (
    *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"),
    *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
)
_WITHOUT_IMAGE = ("STOP", "NO_IMAGE", "IMAGE_OTHER", "OTHER")


class Gemini(BaseService):
    """Sell one image per call, by tokens; an answer without an image costs, too.

    A key that contains `daily` has used up its requests of the day.
    """

    name = "gemini"
    # Only the tokens of the image: other charges stay below the ceiling.
    price_table: PriceTable = MappingProxyType(usual_prices())
    special_prices: Sequence[SpecialPrice] = tuple(special_prices())
    faults = CALL_FAULTS - SEVERAL_FAULTS - DOWNLOAD_FAULTS
    key_header = "x-goog-api-key"
    is_inline = True
    states_charge = "body"

    def routes(self) -> list[Route]:
        """Return its routes: with each version, and for a base URL without one."""
        buy = partial(
            _with_key_from_query,
            partial(handle_purchase, self.context, self, PURCHASE_BODY),
        )
        path = "/models/{model}:generateContent"
        versions = ("", "/v1beta", "/v1")
        return [
            Route(f"{version}{path}", buy, methods=["POST"]) for version in versions
        ]

    def prompt_in(self, body: Mapping[str, Any]) -> str:
        return prompt_in(body)

    def refuse(self, refusal: Refusal, path: str) -> Response:  # noqa: ARG002  one contract for all
        return error_reply(refusal)

    async def fulfil(self, order: Order, fault: Fault | None) -> Response:
        """Answer, with an image or without, and charge the tokens in any case."""
        model = MODELS.get(order.path["model"])
        if model is None:
            raise Refusal(Reason.MODEL_GONE, f"models/{order.path['model']}")
        if problems := list(_problems(order, model)):
            raise Refusal(Reason.INVALID, "\n".join(problems))
        if "daily" in order.key:
            raise Refusal(Reason.THROTTLED_SILENTLY, PER_DAY)
        await anyio.sleep(self.context.latency_s(order.content))
        if order.refused or fault is Fault.REFUSAL:
            return await self._blocked(order)
        if fault is Fault.NO_IMAGE:
            return await self._without_image(order)
        return await self._with_image(order, fault)

    async def _with_image(self, order: Order, fault: Fault | None) -> Response:
        resolution = resolution_in(order.body)
        size = pixel_size(ratio_in(order.body), resolution)
        [picture] = self.pictures_of(order, fault, size=size)
        thoughts = _thoughts_of(order)
        chatty = roll("words", order.content) < 1 / 2
        queries = _queries_of(order)
        tokens = replace(
            _tokens_in(order),
            thoughts=thoughts,
            text=8 if chatty else 0,
            image=MODELS[order.path["model"]].tokens[resolution],
            queries=len(set(filter(None, queries))),
            results=1_000 * bool(queries),
        )
        parts = await self._thoughts(picture) if thoughts else []
        if chatty:
            parts.append({"text": "Here is the image that you asked for."})
        parts.append(await self._image(picture))
        answer = _finished_answer("STOP", parts)
        if queries:
            answer["candidates"][0]["groundingMetadata"] = {"webSearchQueries": queries}
        return await self._charge_and_reply(order, fault, tokens, answer)

    async def _thoughts(self, picture: Picture) -> list[dict[str, Any]]:
        """Return a thought as text, and a draft image, which is not a result."""
        width_px, height_px = picture.width_px // 4, picture.height_px // 4
        draft = replace(
            picture,
            width_px=width_px,
            height_px=height_px,
            position=picture.position + 1,
        )
        text = {"text": "A draft first, to judge the composition.", "thought": True}
        return [text, {**await self._image(draft), "thought": True}]

    async def _image(self, picture: Picture) -> dict[str, Any]:
        data = base64.b64encode(await self.context.draw(picture)).decode()
        return {"inlineData": {"mimeType": "image/png", "data": data}}

    async def _without_image(self, order: Order) -> Response:
        reason = _choose(_WITHOUT_IMAGE, order)
        text = {"text": "I cannot draw that, but here is a description of it."}
        parts = [text] if reason == "STOP" else []
        tokens = replace(_tokens_in(order), text=12 if parts else 0)
        answer = _finished_answer(reason, parts)
        return await self._charge_and_reply(order, Fault.NO_IMAGE, tokens, answer)

    async def _blocked(self, order: Order) -> Response:
        """Refuse in one of four ways; only an error reply costs nothing.

        Raises:
            Refusal: In one of the ways: an error reply.
        """
        random_value = roll("disguise", order.content)
        if random_value < 1 / 4:
            raise Refusal(Reason.REFUSED)
        if random_value < 2 / 4:
            answer: dict[str, Any] = {
                "promptFeedback": {"blockReason": _choose(_BLOCKS, order)}
            }
        else:
            answer = _finished_answer(_choose(_STOPS, order), [])
            if random_value < 3 / 4:
                answer["candidates"][0]["finishMessage"] = (
                    "Unable to show the generated image. Try rephrasing the prompt."
                )
        return await self._charge_and_reply(
            order, Fault.REFUSAL, _tokens_in(order), answer
        )

    async def _charge_and_reply(
        self,
        order: Order,
        fault: Fault | None,
        tokens: Tokens,
        answer: Mapping[str, Any],
    ) -> Response:
        amount_nano = tokens.amount_nano(MODELS[order.path["model"]])
        resolution = resolution_in(order.body)
        charge = self.charge_of(order, fault, resolution, amount_nano)
        if fault is Fault.REFUSAL:
            charge = replace(charge, status="refused")
        await self.record_sale(order, fault, charge, [])
        return JSONResponse(
            {
                **answer,
                "usageMetadata": tokens.as_document(),
                "modelVersion": order.path["model"],
                "responseId": charge.id,
            }
        )


def _problems(order: Order, model: Model) -> Iterator[str]:
    """Yield the parts of a valid request that this model does not accept."""
    stated, resolution = has_size(order.body), resolution_in(order.body)
    if stated and not model.has_size:
        yield "'imageSize' is not supported by this model"
    elif resolution not in model.tokens:
        sizes = ", ".join(model.tokens)
        yield f"'imageSize' {resolution} is not supported by this model, only {sizes}"
    level = thinking_in(order.body)
    if level is not None and level not in model.levels:
        yield f"'thinkingLevel' {level} is not supported by this model"


_THOUGHTS = {"minimal": (100, 50), "low": (200, 300), "medium": (600, 900)}
"""Minimum of thought tokens at a level, and how many more there may be."""


def _thoughts_of(order: Order) -> int:
    """Return how many thought tokens are charged; with `minimal`, mostly none."""
    levels = MODELS[order.path["model"]].levels
    level = thinking_in(order.body) or (levels[0] if levels else "minimal")
    if level == "minimal" and roll("thoughts", order.content) >= 1 / 4:
        return 0
    minimum, variation = _THOUGHTS.get(level, (1_500, MAX_THOUGHT_TOKENS - 1_500))
    return minimum + int(variation * roll("deep", order.content))


def _queries_of(order: Order) -> list[str]:
    """Return the search queries, if any; one may occur twice, or be empty."""
    if not order.body.get("tools"):
        return []
    count = int(roll("queries", order.content) * (MAX_QUERIES + 1))
    queries = [f"{order.prompt[:40]} {number}" for number in range(count)]
    return [*queries, *queries[:1], ""] if queries else []


def _tokens_in(order: Order) -> Tokens:
    return Tokens.of_request(order.prompt, len(references_in(order.body)))


def _finished_answer(reason: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    content = {"content": {"role": "model", "parts": parts}} if parts else {}
    return {"candidates": [{**content, "finishReason": reason, "index": 0}]}


def _choose(reasons: tuple[str, ...], order: Order) -> str:
    return reasons[int(roll("reason", order.content) * len(reasons))]


async def _with_key_from_query(
    buy: RequestResponseEndpoint, request: Request
) -> Response:
    """Accept the key in the URL's query, too, as ai.google.dev documents."""
    key = request.query_params.get("key", "")
    if key and Gemini.key_header not in request.headers:
        header = (Gemini.key_header.encode(), key.encode())
        request.scope["headers"] = [*request.scope["headers"], header]
        request = Request(request.scope, request.receive)
    return await buy(request)
