"""The images API in OpenAI's shape: its own, and that of servers that speak it.

Source, for what gpt-image-2 takes: doc.starrise.tech (guide of gpt-image-2),
docs.uniall.ai (the same model) and the apifox copy of OpenAI's own reference, images;
read 2026-11-21. The envelope of errors is the common convention [assumed].
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType

from batchgen.decoding import fields, number, tells_no_image, text_of
from batchgen.errors import AttemptError
from batchgen.model import (
    BASE64_KEYS,
    PIXELS_AT_1K,
    Attachment,
    Call,
    Capabilities,
    Carried,
    Delivered,
    Endpoint,
    ImageRequest,
    Json,
    OptionRule,
    Price,
    PriceList,
    ReferenceRules,
    Reply,
    pixel_size,
)
from batchgen.provider import Defaults
from batchgen.reply_documents import as_one
from batchgen.reply_errors import purchase_error
from batchgen.reply_images import images_in

NAME = "openai"
# A code says more than its status: an empty balance comes as 429. Refusals
# (moderation_blocked, content_policy_violation) are known by their words.
STATUS_OF_CODE = MappingProxyType(
    {
        "invalid_api_key": 401,
        "insufficient_quota": 402,
        "billing_hard_limit_reached": 402,
        "model_not_found": 404,
        "rate_limit_exceeded": 429,
    }
)


class OpenAi:
    """Encode a request in OpenAI's shape and decode its reply."""

    name = NAME
    defaults = Defaults(
        base_url="https://api.openai.com",
        model="gpt-image-2",
        rpm=None,  # by tier of the account
        concurrency=16,
        reply_timeout_s=600.0,
        source="assumed: limits depend on the account's tier",
    )
    capabilities = Capabilities(
        # The shape says width and height alone, so all that Google's table has can be
        # said; what fits is the server's. OpenAI's gpt-image-2 takes multiples of 16,
        # at most 3840 a side and 3:1, and 655,360 to 8,294,400 pixels. The size `auto`
        # is not offered: it would choose the number of pixels, and so the price, too.
        aspect_ratios=tuple(PIXELS_AT_1K),
        resolutions=("512", "1K", "2K", "4K"),
        default_resolution="1K",
        # 10 are documented. Four at 4K come as 108 MB of base64, and a reply that is
        # larger than the wire reads would be paid for and lost.
        images_per_request=4,
        # 25 MB a file for gpt-image-1, 50 MB in newer copies of the reference.
        references=ReferenceRules(most=16, carriers=("part",), most_bytes=25_000_000),
        options=MappingProxyType(
            {"output_format": OptionRule(choices=("png", "jpeg", "jpg", "webp"))}
        ),
    )
    prices: PriceList = ()  # by token, and each server's own
    rates: Mapping[str, Price] = MappingProxyType({})

    def encode(
        self,
        request: ImageRequest,
        model: str,
        endpoint: Endpoint,
        references: Sequence[Carried] = (),
    ) -> Call:
        """Return the request: JSON to generations, with references a form to edits.

        `response_format` is left out: the gpt-image models refuse it.
        """
        stated = dict(_fields(request, model))
        headers = endpoint.bearer
        blob_keys = BASE64_KEYS
        if not references:
            return Call(
                method="POST",
                url=endpoint.at(endpoint.path("/v1/images/generations")),
                headers=headers,
                json=stated,
                blob_keys=blob_keys,
            )
        texts = [(name, str(value)) for name, value in stated.items()]
        parts = [("image[]", it) for it in references if isinstance(it, Attachment)]
        return Call(
            method="POST",
            url=endpoint.at("/v1/images/edits"),
            headers=headers,
            form=[*texts, *parts],
            blob_keys=blob_keys,
        )

    def decode(self, reply: Reply) -> Delivered:
        """Read the answer: base64 or links, whichever the server gives."""
        reply = as_one(reply)
        body = fields(reply.body)
        is_success = 200 <= reply.status < 300
        said = Delivered(
            images=images_in(reply.body, body.get("data")) if is_success else (),
            usage=_usage(body),
            request_id=text_of(reply.headers.get("x-request-id")) or None,
        )
        if said.images:
            return said
        raise _error(reply, said)


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


def _size(request: ImageRequest) -> str | None:
    """Return `WxH`; None where neither ratio nor another resolution is stated."""
    ratio, resolution = request.aspect_ratio, request.resolution or "1K"
    if ratio is None and resolution == "1K":
        return None
    pixels = pixel_size(ratio or "1:1", resolution)
    return pixels and f"{pixels[0]}x{pixels[1]}"


def _usage(body: Mapping[str, Json]) -> Mapping[str, Decimal]:
    """Return the tokens; none unless both numbers came, since a half is no bill."""
    usage = fields(body.get("usage"))
    tokens_in = number(usage.get("input_tokens"))
    tokens_out = number(usage.get("output_tokens"))
    if tokens_in is None or tokens_out is None:
        return {}
    return {"input_token": tokens_in, "output_token": tokens_out}


def _error(reply: Reply, said: Delivered) -> AttemptError:
    body = fields(reply.body)
    error = fields(body.get("error"))
    code = text_of(error.get("code")) or text_of(error.get("type"))
    # A 5xx is the server's own trouble, whatever it calls it: only its words tell more.
    if reply.status < 300 and code in STATUS_OF_CODE:
        reply = replace(reply, body={**body, "code": STATUS_OF_CODE[code]})
    elif reply.status < 500:
        reply = replace(reply, status=STATUS_OF_CODE.get(code, reply.status))
    return purchase_error(NAME, reply, said, is_known=tells_no_image(body))
