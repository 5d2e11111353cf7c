"""Google's Gemini API, Nano Banana 2: one synchronous call, base64 both ways.

Source: ai.google.dev, guides on image generation, pricing and errors; names and
reasons as in googleapis/python-genai (6680718 of 2026-08-21); read 2026-11-20.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from urllib.parse import quote

from batchgen.decoding import (
    as_charged,
    fields,
    message_of,
    objects,
    text_of,
)
from batchgen.errors import AttemptError, Charge, NoImage, Refused, ReplyMalformed
from batchgen.google import error_of, tokens_used
from batchgen.model import (
    PIXELS_AT_1K,
    RESOLUTIONS,
    Blob,
    Call,
    Capabilities,
    Carried,
    Delivered,
    Endpoint,
    ImageRequest,
    Inline,
    Json,
    OptionRule,
    Price,
    PriceList,
    ReferenceRules,
    Reply,
    by_resolution,
)
from batchgen.provider import Defaults
from batchgen.reasons import policy_reason

NAME = "gemini"
READ_ON = date(2026, 11, 20)
PAGE = "ai.google.dev, Gemini API pricing"
# A list price is the image's tokens alone; prompt, references and thinking come on
# top, so a reservation keeps this margin [assumed].
CEILING_FACTOR = Decimal("1.5")
# Beyond the 5,000 free ones of a month, $14 for 1,000; no reply says whether it was.
SEARCH_USD = Decimal("0.014")
MODEL = "gemini-3.1-flash-image"  # its -preview was shut down on 2026-06-25
LIST_USD = {"512": "0.045", "1K": "0.067", "2K": "0.101", "4K": "0.151"}
USD_PER_MILLION = {"input_token": "0.50", "text_token": "3", "image_token": "60"}
CATEGORIES = (
    *("HARM_CATEGORY_HARASSMENT", "HARM_CATEGORY_HATE_SPEECH"),
    *("HARM_CATEGORY_SEXUALLY_EXPLICIT", "HARM_CATEGORY_DANGEROUS_CONTENT"),
)
THRESHOLDS = (
    *("BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE"),
    *("BLOCK_ONLY_HIGH", "BLOCK_NONE"),
)
# Fields of generationConfig by option.
SAMPLING = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_output_tokens": "maxOutputTokens",
}


def _price(usd: Decimal) -> Price:
    return Price(
        expected=usd,
        ceiling=usd * CEILING_FACTOR,
        page=PAGE,
        read_on=READ_ON,
        lowest=usd,
        models=frozenset({MODEL}),
        per_search=SEARCH_USD,
    )


def _rate(usd: Decimal) -> Price:
    return Price(expected=usd, ceiling=usd, page=PAGE, read_on=READ_ON)


class Gemini:
    """Encode a request for generateContent and decode its reply."""

    name = NAME
    defaults = Defaults(
        base_url="https://generativelanguage.googleapis.com/v1beta",
        model=MODEL,
        rpm=None,  # by tier, project and model; shown only in AI Studio
        concurrency=16,
        reply_timeout_s=360.0,
        source="ai.google.dev, read 2026-11-20; concurrency assumed, timeout a relay's",
    )
    capabilities = Capabilities(
        aspect_ratios=(*PIXELS_AT_1K, "auto"),
        resolutions=RESOLUTIONS,
        default_resolution="1K",
        images_per_request=1,  # [assumed]: no field for a number of images
        # A whole request may have 20 MB (stated for batches, [assumed] here), of
        # which base64 takes a third more than the files.
        references=ReferenceRules(
            most=14, carriers=("inline",), most_bytes_together=14_000_000
        ),
        # [assumed]: the ranges that apiai.me documents for the same model.
        options=MappingProxyType(
            {
                "temperature": OptionRule(least=0, most=1),
                "top_p": OptionRule(least=0, most=1),
                "top_k": OptionRule(least=1, most=64),
                "max_output_tokens": OptionRule(least=1, most=65_536),
                "safety_filter_level": OptionRule(choices=THRESHOLDS),
                "web_search": OptionRule(),
            }
        ),
    )
    prices: PriceList = by_resolution(
        {size: _price(Decimal(usd)) for size, usd in LIST_USD.items()}
    )
    rates: Mapping[str, Price] = MappingProxyType(
        {unit: _rate(Decimal(usd) / 10**6) for unit, usd in USD_PER_MILLION.items()}
    )

    def encode(
        self,
        request: ImageRequest,
        model: str,
        endpoint: Endpoint,
        references: Sequence[Carried] = (),
    ) -> Call:
        """Return the request that buys one image; `auto` is the input image's ratio."""
        image: dict[str, object] = {}
        if request.aspect_ratio not in {None, "auto"}:
            image["aspectRatio"] = request.aspect_ratio
        if request.resolution not in {None, self.capabilities.default_resolution}:
            image["imageSize"] = request.resolution
        config: dict[str, object] = {"responseModalities": ["TEXT", "IMAGE"]}
        if image:
            config["imageConfig"] = image
        stated = request.options
        config |= {SAMPLING[key]: stated[key] for key in SAMPLING if key in stated}
        parts: list[object] = [{"text": request.prompt}]
        parts += [
            {"inlineData": {"mimeType": it.media_type, "data": it}}
            for it in references
            if isinstance(it, Inline)
        ]
        body: dict[str, object] = {
            "contents": [{"role": "user", "parts": parts}],
            "generationConfig": config,
        }
        if level := stated.get("safety_filter_level"):
            body["safetySettings"] = [
                {"category": category, "threshold": level} for category in CATEGORIES
            ]
        if stated.get("web_search"):
            body["tools"] = [{"google_search": {}}]
        path = f"/models/{quote(model.removeprefix('models/'), safe='')}"
        return Call(
            method="POST",
            url=endpoint.at(endpoint.path(f"{path}:generateContent")),
            headers={"x-goog-api-key": endpoint.key},
            json=body,
            blob_keys=frozenset({"data"}),
        )

    def decode(self, reply: Reply) -> Delivered:
        """Read the answer: the last image that is no draft of its thoughts."""
        if not 200 <= reply.status < 300:
            raise error_of(NAME, reply)
        body = fields(reply.body)
        candidates = objects(body.get("candidates"))
        # Resellers may write names as the protocol buffers do.
        parts = _parts(candidates, "inlineData") or _parts(candidates, "inline_data")
        found = [fields(it).get("data") for it in parts]
        images = [each for each in found if isinstance(each, Blob) and each.data]
        said = Delivered(
            images=tuple(images[-1:]),
            usage=tokens_used(body.get("usageMetadata"), pictured=bool(images)),
            request_id=text_of(body.get("responseId")) or None,
        )
        if not images:
            kind, words = _why(body, broken=bool(found))
            raise as_charged(kind(NAME, words, Charge.UNKNOWN), said)
        return said


def _parts(candidates: list[dict[str, Json]], key: str) -> list[Json]:
    """Return what the parts of an answer hold under a key, its thoughts left out."""
    contents = (fields(it.get("content")).get("parts") for it in candidates)
    parts = (part for content in contents for part in objects(content))
    return [it[key] for it in parts if key in it and it.get("thought") is not True]


def _why(body: dict[str, Json], *, broken: bool) -> tuple[type[AttemptError], str]:
    """Return what a 200 without an image is, and its words."""
    feedback = fields(body.get("promptFeedback"))
    if reason := text_of(feedback.get("blockReason")):
        words = text_of(feedback.get("blockReasonMessage"))
        return Refused, f"the prompt was blocked: {reason} {words}".strip()
    if broken or not body.keys() & {"candidates", "usageMetadata"}:
        return ReplyMalformed, f"no image in it; {message_of(body)}"
    candidates = objects(body.get("candidates"))
    reasons = (text_of(it.get("finishReason")) for it in candidates)
    said = [f"finish reason: {reason}" for reason in reasons if reason]
    said += [text_of(it.get("finishMessage")) for it in candidates]
    said += [text_of(it) for it in _parts(candidates, "text")]
    words = "; ".join(filter(None, said))[:1000] or "no candidates"
    if policy_reason(words):
        return Refused, words
    return NoImage, f"an answer without an image; {words}"
