"""Google's Gemini API, Nano Banana 2: one synchronous call, base64 both ways.

Source: ai.google.dev, guides on image generation, pricing and errors; names and
reasons as in googleapis/python-genai (6680718 of 2026-08-21); read 2026-11-20.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from urllib.parse import quote

from batchgen import errors
from batchgen.decoding import (
    error_by_words,
    fields,
    message_of,
    number,
    objects,
    policy_reason,
    text_of,
)
from batchgen.errors import AttemptError, Charge
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
    ReferenceRules,
    Reply,
)
from batchgen.provider import Defaults

NAME = "gemini"
PAGE = "ai.google.dev, Gemini API pricing"
# A list price is the image's tokens alone; prompt, references and thinking come on
# top, so a reservation keeps this margin [assumed]. A search beyond the 5,000 free
# ones of a month ($0.014) is in no reply and in no price here.
CEILING_FACTOR = Decimal("1.5")
LIST_USD = {"512": "0.045", "1K": "0.067", "2K": "0.101", "4K": "0.151"}
USD_PER_MILLION = {"input_token": "0.50", "text_token": "3", "image_token": "60"}
MOST_TOKENS = 100_000_000  # more for one image is a broken number [assumed]
# Reasons of a block that say that the content is at fault; after any other an
# answer without an image is worth one more try [assumed].
POLICY = frozenset(
    {
        *("SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION"),
        *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
    }
)
CATEGORIES = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
# Fields of generationConfig by option.
SAMPLING = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_output_tokens": "maxOutputTokens",
}


def _price(expected: Decimal, factor: Decimal = Decimal(1)) -> Price:
    return Price(
        expected=expected,
        ceiling=expected * factor,
        page=PAGE,
        read_on=date(2026, 11, 20),
    )


class Gemini:
    """Encode a request for generateContent and decode its reply."""

    name = NAME
    defaults = Defaults(
        base_url="https://generativelanguage.googleapis.com/v1beta",
        model="gemini-3.1-flash-image",  # its -preview was shut down on 2026-06-25
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
        # The ranges are those that apiai.me documents for the same model.
        options=MappingProxyType(
            {
                "temperature": OptionRule(least=0, most=1),
                "top_p": OptionRule(least=0, most=1),
                "top_k": OptionRule(least=1, most=64),
                "max_output_tokens": OptionRule(least=1, most=65_536),
                "safety_filter_level": OptionRule(
                    choices=(
                        *("BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE"),
                        *("BLOCK_ONLY_HIGH", "BLOCK_NONE"),
                    )
                ),
                "web_search": OptionRule(),
            }
        ),
    )
    prices: Mapping[str, Price] = MappingProxyType(
        {
            resolution: _price(Decimal(usd), CEILING_FACTOR)
            for resolution, usd in LIST_USD.items()
        }
    )
    rates: Mapping[str, Price] = MappingProxyType(
        {
            unit: _price(Decimal(usd) / 1_000_000)
            for unit, usd in USD_PER_MILLION.items()
        }
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
                {"category": f"HARM_CATEGORY_{it}", "threshold": level}
                for it in CATEGORIES
            ]
        if stated.get("web_search"):
            body["tools"] = [{"google_search": {}}]
        path = f"/models/{quote(model.removeprefix('models/'), safe='')}"
        return Call(
            method="POST",
            url=endpoint.at(f"{path}:generateContent"),
            headers={"x-goog-api-key": endpoint.key},
            json=body,
            blob_keys=frozenset({"data"}),
        )

    def decode(self, reply: Reply) -> Delivered:
        """Read the answer: the last image that is no draft of its thoughts."""
        if not 200 <= reply.status < 300:
            raise _http_error(reply)
        found = [fields(it).get("data") for it in _parts(reply.body, "inlineData")]
        images = [each for each in found if isinstance(each, Blob) and each.data]
        meta = fields(fields(reply.body).get("usageMetadata"))
        usage = _usage(meta, pictured=bool(images))
        request_id = text_of(fields(reply.body).get("responseId")) or None
        if images:
            return Delivered(images=(images[-1],), usage=usage, request_id=request_id)
        error = _without_image(reply.body, broken=bool(found))
        error.usage, error.request_id = usage, request_id
        error.charge = Charge.REPORTED if usage else Charge.UNKNOWN
        raise error


def _parts(body: Json, key: str) -> list[Json]:
    """Return what the parts of an answer hold under a key, its thoughts left out."""
    contents = (fields(it.get("content")) for it in _candidates(body))
    parts = (part for content in contents for part in objects(content.get("parts")))
    said = (part for part in parts if part.get("thought") is not True)
    return [part[key] for part in said if key in part]


def _candidates(body: Json) -> list[dict[str, Json]]:
    return objects(fields(body).get("candidates"))


def _usage(meta: dict[str, Json], *, pictured: bool) -> dict[str, Decimal]:
    """Return the tokens that were charged, thoughts among the text."""
    details = objects(meta.get("candidatesTokensDetails"))
    by_kind = {text_of(it.get("modality")): _count(it, "tokenCount") for it in details}
    out = max(_count(meta, "candidatesTokenCount"), sum(by_kind.values(), Decimal(0)))
    image = by_kind.get("IMAGE", Decimal(0)) if by_kind else out * pictured
    tokens = {
        "input_token": _count(meta, "promptTokenCount"),
        "text_token": out - image + _count(meta, "thoughtsTokenCount"),
        "image_token": image,
    }
    return {unit: count for unit, count in tokens.items() if count}


def _count(holder: Mapping[str, Json], key: str) -> Decimal:
    count = number(holder.get(key)) or Decimal(0)
    return count if count <= MOST_TOKENS else Decimal(0)


def _without_image(body: Json, *, broken: bool) -> AttemptError:
    """Return the error of a 200 without an image; its tokens were charged."""
    feedback, candidates = fields(fields(body).get("promptFeedback")), _candidates(body)
    if block := text_of(feedback.get("blockReason")):
        words = text_of(feedback.get("blockReasonMessage"))
        return errors.Refused(NAME, f"the prompt was blocked: {block} {words}".strip())
    reasons = [text_of(it.get("finishReason")) for it in candidates]
    said = [text_of(it.get("finishMessage")) for it in candidates]
    said += [text_of(it) for it in _parts(body, "text")]
    words = "; ".join(filter(None, (*reasons, *said)))[:1000]
    if POLICY.intersection(reasons) or policy_reason(words):
        return errors.Refused(NAME, words)
    if broken or not fields(body).keys() & {"candidates", "usageMetadata"}:
        return errors.ReplyMalformed(NAME, f"no image in it; {message_of(body)}")
    return errors.NoImage(NAME, f"an answer without an image: {words or 'no words'}")


def _http_error(reply: Reply) -> AttemptError:
    """Return the error of a failed request, which may come as an array of one."""
    if isinstance(reply.body, list) and reply.body:
        reply = replace(reply, body=reply.body[0])
    error = fields(fields(reply.body).get("error"))
    details = objects(error.get("details"))
    violations = [each for it in details for each in objects(it.get("violations"))]
    marks = [text_of(error.get("status"))]
    marks += [text_of(it.get("reason")) for it in details]
    marks += [text_of(it.get("quotaId")) for it in violations]
    words = ", ".join(filter(None, marks))
    message = f"{text_of(error.get('message')) or message_of(reply.body)} ({words})"
    found = error_by_words(NAME, reply, message.removesuffix(" ()"))
    if "API_KEY_INVALID" in marks or "FAILED_PRECONDITION" in marks:
        # The latter: the key's project has no billing, or serves no such region.
        found = errors.CredentialRejected(NAME, found.message)
    elif reply.status == 429 and "PerDay" in words:
        found = errors.QuotaReached(NAME, found.message)
    asked = [seconds for it in details if (seconds := _seconds(it.get("retryDelay")))]
    found.retry_after_s = max(
        [*asked, *filter(None, [found.retry_after_s])], default=None
    )
    return found


def _seconds(duration: Json) -> float | None:
    """Read a duration of Google's, seconds with an `s` ("22s", "0.5s")."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s", text_of(duration))
    return float(found[1]) if found else None
