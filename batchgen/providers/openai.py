"""The images API in OpenAI's shape: its own, and that of servers that speak it.

Source, for what gpt-image-2 takes: doc.starrise.tech (guide of gpt-image-2),
docs.uniall.ai (the same model) and the apifox copy of OpenAI's own reference, images;
read 2026-11-21. Options, tokens and ends of models: openai-python 3.57.0 and OpenAI's
deprecations page; read 2026-11-30. The envelope of errors is the common convention
[assumed].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from types import MappingProxyType

from batchgen.providers.kit import (
    BASE64_KEYS,
    PIXELS_AT_1K,
    Attachment,
    AttemptError,
    Call,
    Capabilities,
    Defaults,
    Delivered,
    Endpoint,
    ImageRequest,
    Json,
    ModelLimits,
    OptionRule,
    Payload,
    PixelLimits,
    Price,
    PriceList,
    RateList,
    ReferenceRules,
    Reply,
    Shutdown,
    fields,
    images_in,
    join_documents,
    number,
    pixel_size,
    purchase_error,
    states_no_image,
    text_of,
)

NAME = "openai"
MODEL, SNAPSHOT = "gpt-image-2", "gpt-image-2-2026-04-21"
READ_ON = date(2026, 11, 30)
# From OpenAI's page of gpt-image-2, as xairouter.com and llmreference.com quote it; its
# page of gpt-image-2.6-sunburst has the same prices.
PAGE = "OpenAI's model pages, as quoted by others"
USD_PER_MILLION = {"input_token": "5", "image_input_token": "8", "output_token": "30"}
PRICED = frozenset({MODEL, SNAPSHOT, "gpt-image-2.6-sunburst"})
# For 1024x1024, by quality: estimates that robotsatlas.com quotes; litellm's table of
# another seller has the same lowest and highest. Other ratios at 1K cost less. Larger
# sizes and other qualities have no published price.
LIST_USD = {"low": "0.006", "medium": "0.053", "high": "0.211"}
# These prices are only for the tokens of the image. A prompt has at most 32,000
# characters (OpenAI's reference), about 8,000 tokens; an input image of high fidelity
# has about 6,240 [assumed].
CEILING_FACTOR, PROMPT_USD = Decimal("1.5"), Decimal("0.04")
REFERENCE_USD = Decimal("0.05")
NO_EDITS = "this server has no edit endpoint: rows with references cannot run here"
LIMITS = ModelLimits(
    pixels=PixelLimits(
        max_side_px=3840,
        multiple_px=16,
        max_ratio=3,
        min_pixels=655_360,
        max_pixels=8_294_400,
    )
)
# A code is more exact than the status: an empty balance has status 429. Refusals
# (moderation_blocked, content_policy_violation) are recognized by their text.
STATUS_OF_CODE = MappingProxyType(
    {
        "invalid_api_key": 401,
        "insufficient_quota": 402,
        "billing_hard_limit_reached": 402,
        "model_not_found": 404,
        "rate_limit_exceeded": 429,
    }
)


def _price(lowest: str, expected: str, dearest: str, *qualities: str | None) -> Price:
    return Price(
        # Half for ratios that have fewer pixels [assumed].
        lowest=Decimal(lowest) / 2,
        expected=Decimal(expected),
        ceiling=Decimal(dearest) * CEILING_FACTOR + PROMPT_USD,
        page="estimates for 1024x1024 at robotsatlas.com",
        read_on=READ_ON,
        resolution="1K",
        models=frozenset({MODEL, SNAPSHOT}),
        qualities=frozenset(qualities),
        max_per_reference=REFERENCE_USD,
    )


def _rate(usd_per_million: str) -> PriceList:
    usd = Decimal(usd_per_million) / 10**6
    rate = Price(expected=usd, ceiling=usd, page=PAGE, read_on=READ_ON, models=PRICED)
    return (rate,)


def _shutdown(day: date, successor: str) -> Shutdown:
    return Shutdown(
        day=day,
        successor=successor,
        page="OpenAI's deprecations page",
        read_on=READ_ON,
    )


LATER = _shutdown(date(2026, 12, 1), "gpt-image-2.6-sunburst or gpt-image-2.6-flare")
SHUTDOWNS: Mapping[str, Shutdown] = MappingProxyType(
    {
        "dall-e-2": _shutdown(date(2026, 5, 12), MODEL),
        "dall-e-3": _shutdown(date(2026, 5, 12), MODEL),
        "gpt-image-1": _shutdown(date(2026, 10, 23), MODEL),
        "gpt-image-1-mini": LATER,
        "gpt-image-1.5": LATER,
        "gpt-image-1.5-2025-12-16": LATER,
        "chatgpt-image-latest": LATER,
    }
)


class OpenAi:
    """Encode a request in OpenAI's shape and decode its reply."""

    name = NAME
    defaults = Defaults(
        base_url="https://api.openai.com",
        model=MODEL,
        rpm=None,  # by tier of the account
        concurrency=16,
        reply_timeout_s=600.0,
        source="assumed: limits depend on the account's tier",
    )
    capabilities = Capabilities(
        # A request states only width and height, so it can state each ratio of Google's
        # table; the server, at OpenAI the model, decides which it supports: see
        # `LIMITS`. The size `auto` is not offered: it would also choose the number of
        # pixels, and so the price.
        aspect_ratios=tuple(PIXELS_AT_1K),
        resolutions=("512", "1K", "2K", "4K"),
        default_resolution="1K",
        # 10 are documented. Four at 4K are 108 MB of base64; a reply larger than the
        # wire's limit would be paid for and lost.
        images_per_request=4,
        # 25 MB a file for gpt-image-1, 50 MB in newer copies of the reference.
        references=ReferenceRules(
            max_count=16, carriers=("part",), max_bytes=25_000_000
        ),
        options=MappingProxyType(
            {
                "output_format": OptionRule(choices=("png", "jpeg", "jpg", "webp")),
                "quality": OptionRule(
                    choices=("low", "medium", "high", "xhigh", "max", "auto")
                ),
                "background": OptionRule(choices=("transparent", "opaque", "auto")),
                "moderation": OptionRule(choices=("low", "auto")),
                "output_compression": OptionRule(
                    min_value=0,
                    max_value=100,
                    beside=("output_format", ("jpg", "jpeg", "webp")),
                ),
            }
        ),
        by_model=MappingProxyType({MODEL: LIMITS, SNAPSHOT: LIMITS}),
        shutdowns=SHUTDOWNS,
    )
    prices: PriceList = (
        *(_price(usd, usd, usd, quality) for quality, usd in LIST_USD.items()),
        # If the model chooses the quality, it may choose any.
        _price(LIST_USD["low"], LIST_USD["medium"], LIST_USD["high"], None),
    )
    rates: RateList = MappingProxyType(
        {unit: _rate(usd) for unit, usd in USD_PER_MILLION.items()}
    )

    def encode(
        self,
        request: ImageRequest,
        model: str,
        endpoint: Endpoint,
        references: Sequence[Payload] = (),
    ) -> Call:
        """Return the request: JSON to generations, with references a form to edits.

        `response_format` is not sent: the gpt-image models reject it.
        """
        body = dict(_fields(request, model))
        if not references:
            return Call(
                method="POST",
                url=endpoint.at(endpoint.path("/v1/images/generations")),
                headers=self.defaults.headers(endpoint),
                json=body,
                blob_keys=BASE64_KEYS,
            )
        images = [image for image in references if isinstance(image, Attachment)]
        return Call(
            method="POST",
            url=endpoint.at("/v1/images/edits"),
            headers=self.defaults.headers(endpoint),
            form=[
                *((name, str(value)) for name, value in body.items()),
                *(("image[]", image) for image in images),
            ],
            blob_keys=BASE64_KEYS,
            not_found=NO_EDITS,
        )

    def decode(self, reply: Reply) -> Delivered:
        """Read the answer: the server chooses between base64 and links."""
        reply = join_documents(reply)
        body = fields(reply.body)
        is_success = 200 <= reply.status < 300
        delivered = Delivered(
            images=images_in(reply.body, body.get("data")) if is_success else (),
            usage=_usage(body),
            request_id=text_of(reply.headers.get("x-request-id")) or None,
        )
        if delivered.images:
            return delivered
        raise _error(reply, delivered)


def _fields(request: ImageRequest, model: str) -> Iterator[tuple[str, str | int]]:
    yield "model", model
    yield "prompt", request.prompt
    if request.n > 1:
        yield "n", request.n
    if (size := _size(request)) is not None:
        yield "size", size
    output_format = str(request.options.get("output_format") or "png")
    if output_format != "png":
        yield "output_format", output_format.replace("jpg", "jpeg")
    for name in ("quality", "background", "moderation"):
        if (value := request.options.get(name, "auto")) != "auto":
            yield name, str(value)
    if (percent := request.options.get("output_compression")) is not None:
        yield "output_compression", int(percent)


def _size(request: ImageRequest) -> str | None:
    """Return `WxH`; None where neither ratio nor another resolution is stated."""
    ratio, resolution = request.aspect_ratio, request.resolution or "1K"
    if ratio is None and resolution == "1K":
        return None
    pixels = pixel_size(ratio or "1:1", resolution)
    return pixels and f"{pixels[0]}x{pixels[1]}"


def _usage(body: Mapping[str, Json]) -> Mapping[str, Decimal]:
    """Return the tokens; none if one of the two numbers is missing: half is no bill.

    Images that are sent have their own rate, and so has text in the answer.
    """
    usage = fields(body.get("usage"))
    tokens_in = number(usage.get("input_tokens"))
    tokens_out = number(usage.get("output_tokens"))
    if tokens_in is None or tokens_out is None:
        return {}
    images = _part(usage, "input_tokens_details", "image_tokens", tokens_in)
    text_tokens = _part(usage, "output_tokens_details", "text_tokens", tokens_out)
    parts = {"image_input_token": images, "text_output_token": text_tokens}
    return {
        "input_token": tokens_in - images,
        "output_token": tokens_out - text_tokens,
        **{unit: count for unit, count in parts.items() if count},
    }


def _part(
    usage: Mapping[str, Json], details: str, name: str, total: Decimal
) -> Decimal:
    """Return how many of some tokens are of one kind; 0 if that is not stated."""
    count = number(fields(usage.get(details)).get(name))
    return Decimal(0) if count is None else min(count, total)


def _error(reply: Reply, delivered: Delivered) -> AttemptError:
    body = fields(reply.body)
    error = fields(body.get("error"))
    code = text_of(error.get("code")) or text_of(error.get("type"))
    # A 5xx is a fault of the server, whatever its code says: only its text is used.
    if reply.status < 300 and code in STATUS_OF_CODE:
        reply = replace(reply, body={**body, "code": STATUS_OF_CODE[code]})
    elif reply.status < 500:
        reply = replace(reply, status=STATUS_OF_CODE.get(code, reply.status))
    return purchase_error(NAME, reply, delivered, is_documented=states_no_image(body))
