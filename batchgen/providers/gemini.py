"""Google's Gemini API, Nano Banana 2.1: one synchronous call, base64 both ways.

Source: ai.google.dev, guides on image generation, pricing and errors; names and
reasons as in googleapis/python-genai (6680718 of 2026-08-21); read 2026-11-20. Models,
their prices and ends: Google's changelog and pricing as notes quote them; 2026-11-30.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from urllib.parse import quote

from batchgen.model import Inline, OptionValue
from batchgen.providers._gemini_prices import (
    FORMER,
    LITE,
    MODEL,
    PRICES,
    PRO,
    RATES,
    READ_ON,
)
from batchgen.providers._google import error_of, in_camel_case, usage_of
from batchgen.providers._reasons import blames_account, policy_reason
from batchgen.providers._reply_charges import with_charge
from batchgen.providers._reply_images import images_at
from batchgen.providers._text_images import images_in_text
from batchgen.providers.kit import (
    BASE64_KEYS,
    PIXELS_AT_1K,
    RESOLUTIONS,
    AttemptError,
    Blob,
    Call,
    Capabilities,
    Charge,
    CredentialRejected,
    Defaults,
    Delivered,
    Endpoint,
    ImageRequest,
    Json,
    Link,
    ModelLimits,
    NoImage,
    OptionRule,
    Payload,
    PriceList,
    RateList,
    ReferenceRules,
    Refused,
    Reply,
    ReplyMalformed,
    Shutdown,
    fields,
    images_in,
    join_documents,
    message_of,
    objects,
    text_of,
)

NAME = "gemini"
# Levels above `minimal` think in text that is charged; how long, no page says. Google's
# own default is `medium`.
THINKING_LEVELS = ("minimal", "low", "medium", "high")
CATEGORIES = (
    *("HARM_CATEGORY_HARASSMENT", "HARM_CATEGORY_HATE_SPEECH"),
    *("HARM_CATEGORY_SEXUALLY_EXPLICIT", "HARM_CATEGORY_DANGEROUS_CONTENT"),
)
THRESHOLDS = (
    *("BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE"),
    *("BLOCK_ONLY_HIGH", "BLOCK_NONE"),
)
DRAFT_WARNING = "a draft from the model's thoughts: no other image came"
# Fields of generationConfig by option.
SAMPLING = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_output_tokens": "maxOutputTokens",
}


def _shutdown(day: date) -> Shutdown:
    return Shutdown(
        day=day,
        successor=MODEL,
        page="ai.google.dev, Gemini API changelog and deprecations",
        read_on=READ_ON,
    )


class Gemini:
    """Encode a request for generateContent and decode its reply."""

    name = NAME
    defaults = Defaults(
        base_url="https://generativelanguage.googleapis.com/v1beta",
        model=MODEL,
        rpm=None,  # by tier, project and model; shown only in AI Studio
        concurrency=16,
        reply_timeout_s=360.0,
        source="ai.google.dev, read 2026-11-20; concurrency assumed, timeout a "
        "reseller's advice",
        failures_are_free=True,  # ai.google.dev, billing FAQ, read 2026-11-20
        key_header="x-goog-api-key",
        key_prefix="",
        unread_variables=("GOOGLE_API_KEY",),
    )
    capabilities = Capabilities(
        aspect_ratios=(*PIXELS_AT_1K, "auto"),
        resolutions=RESOLUTIONS,
        default_resolution="1K",
        images_per_request=1,  # [assumed]: no field for a number of images
        # A whole request may have 20 MB (stated for batches, [assumed] here), of
        # which base64 takes a third more than the files.
        references=ReferenceRules(
            max_count=14, carriers=("inline",), max_total_bytes=14_000_000
        ),
        # [assumed]: the ranges that apiai.me documents for the same model.
        options=MappingProxyType(
            {
                "temperature": OptionRule(min_value=0, max_value=1),
                "top_p": OptionRule(min_value=0, max_value=1),
                "top_k": OptionRule(min_value=1, max_value=64),
                "max_output_tokens": OptionRule(min_value=1, max_value=65_536),
                "safety_filter_level": OptionRule(choices=THRESHOLDS),
                "web_search": OptionRule(),
                "thinking_level": OptionRule(choices=THINKING_LEVELS),
            }
        ),
        model_prefix="models/",
        by_model=MappingProxyType(
            {
                MODEL: ModelLimits(resolutions=("1K", "2K", "4K")),
                PRO: ModelLimits(
                    # Always thinks; which levels it takes is not known.
                    resolutions=("1K", "2K", "4K"),
                    options={"thinking_level": None},
                ),
                LITE: ModelLimits(
                    resolutions=("1K",),  # `imageSize` itself is refused
                    # docs.laozhang.ai, overview of the models; read 2026-11-30.
                    options={"thinking_level": OptionRule(choices=("minimal", "high"))},
                ),
                FORMER: ModelLimits(
                    resolutions=("1K",), options={"thinking_level": None}
                ),
            }
        ),
        # Of gemini-2.5-flash-image Google's pages give two days, 2026-10-02 and
        # 2027-03-15, and resellers still sell it: it is not among these.
        shutdowns=MappingProxyType(
            {
                "gemini-3.1-flash-image": _shutdown(date(2026, 10, 29)),
                "gemini-3.1-flash-image-preview": _shutdown(date(2026, 6, 25)),
            }
        ),
    )
    prices: PriceList = PRICES
    rates: RateList = RATES

    def encode(
        self,
        request: ImageRequest,
        model: str,
        endpoint: Endpoint,
        references: Sequence[Payload] = (),
    ) -> Call:
        """Return the request that buys one image; `auto` is the input image's ratio."""
        options = request.options
        parts: list[object] = [{"text": request.prompt}]
        parts += [
            {"inlineData": {"mimeType": image.media_type, "data": image}}
            for image in references
            if isinstance(image, Inline)
        ]
        body: dict[str, object] = {
            "contents": [{"role": "user", "parts": parts}],
            "generationConfig": self._config(request, model),
        }
        if threshold := options.get("safety_filter_level"):
            body["safetySettings"] = [
                {"category": category, "threshold": threshold}
                for category in CATEGORIES
            ]
        if options.get("web_search"):
            body["tools"] = [{"google_search": {}}]
        path = f"/models/{quote(model.removeprefix('models/'), safe='')}"
        return Call(
            method="POST",
            url=endpoint.at(endpoint.path(f"{path}:generateContent")),
            headers=self.defaults.headers(endpoint),
            json=body,
            blob_keys=BASE64_KEYS | {"data"},
        )

    def _config(self, request: ImageRequest, model: str) -> dict[str, object]:
        image: dict[str, object] = {}
        if request.aspect_ratio not in {None, "auto"}:
            image["aspectRatio"] = request.aspect_ratio
        if request.resolution not in {None, self.capabilities.default_resolution}:
            image["imageSize"] = request.resolution
        config: dict[str, object] = {"responseModalities": ["TEXT", "IMAGE"]}
        if image:
            config["imageConfig"] = image
        options = request.options
        if level := self._thinking_level(options, model):
            config["thinkingConfig"] = {"thinkingLevel": level}
        config |= {SAMPLING[key]: options[key] for key in SAMPLING if key in options}
        return config

    def _thinking_level(
        self, options: Mapping[str, OptionValue], model: str
    ) -> OptionValue | None:
        """Return the level to be sent; None where the model has none to choose."""
        if "thinking_level" not in self.capabilities.for_model(model).options:
            return None
        # Google's own default is `medium` there, whose text would be charged.
        usual = "minimal" if model.startswith(MODEL) else None
        return options.get("thinking_level", usual)

    def decode(self, reply: Reply) -> Delivered:
        """Read the answer: the last image that is no draft of its thoughts.

        A draft is taken where nothing else came, with a warning.
        """
        reply = join_documents(reply)
        reply = replace(reply, body=in_camel_case(reply.body))
        is_success = 200 <= reply.status < 300
        body = fields(reply.body)
        images, is_draft = _images(reply.body) if is_success else ((), False)
        delivered = Delivered(
            images=images[-1:],
            usage=usage_of(body, has_images=bool(images) and not is_draft),
            request_id=text_of(body.get("responseId")) or None,
            warning=DRAFT_WARNING if is_draft else None,
        )
        if images:
            return delivered
        if not is_success or body.get("error") or not body.keys() & _REPLY_KEYS:
            free = self.defaults.failures_are_free
            raise error_of(NAME, reply, delivered, failures_are_free=free)
        kind, message = _why(body)
        raise with_charge(kind(NAME, message, Charge.UNKNOWN), delivered)


_REPLY_KEYS = frozenset({"candidates", "usageMetadata", "promptFeedback"})
"""Keys of a reply to a purchase; a document without any of them may be an error."""


def _images(body: Json) -> tuple[tuple[Link | Blob, ...], bool]:
    """Return the images of a success, and whether they are only drafts."""
    parts = [
        part
        for candidate in objects(fields(body).get("candidates"))
        for part in _parts_of(candidate)
    ]
    answer: list[Json] = [part for part in parts if part.get("thought") is not True]
    drafts: list[Json] = [part for part in parts if part.get("thought") is True]
    texts = (text for part in parts if isinstance(text := part.get("text"), str))
    if images := images_at(answer) or images_in_text(*texts):
        return images, False
    if images := images_at(drafts):
        return images, True
    # A relay may answer in a shape of its own.
    return ((), False) if parts else (images_in(body), False)


def _parts_of(candidate: dict[str, Json]) -> list[dict[str, Json]]:
    return objects(fields(candidate.get("content")).get("parts"))


def _why(body: dict[str, Json]) -> tuple[type[AttemptError], str]:
    """Return the error for a 200 without an image, and its message."""
    feedback = fields(body.get("promptFeedback"))
    if reason := text_of(feedback.get("blockReason")):
        message = text_of(feedback.get("blockReasonMessage"))
        return Refused, f"the prompt was blocked: {reason} {message}".strip()
    candidates = objects(body.get("candidates"))
    parts = [part for candidate in candidates for part in _parts_of(candidate)]
    if any(part.keys() & {"inlineData", "fileData"} for part in parts):
        return ReplyMalformed, f"no image in it; {message_of(body)}"
    reasons = [text_of(each.get("finishReason")) for each in candidates]
    texts = [f"finish reason: {reason}" for reason in reasons if reason]
    texts += [text_of(each.get("finishMessage")) for each in candidates]
    texts += [
        text_of(part.get("text")) for part in parts if part.get("thought") is not True
    ]
    message = "; ".join(filter(None, texts))[:1000] or "no candidates"
    if blames_account("; ".join(reasons)):
        return CredentialRejected, message
    if policy_reason(message):
        return Refused, message
    return NoImage, f"an answer without an image; {message}"
