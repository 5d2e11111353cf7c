"""AI/ML API, Nano Banana 2: one synchronous call, reply holds a link or base64.

Source: docs.aimlapi.com, the model's page (OpenAPI schema, two example replies) and
the pages on errors, billing and transactions; read 2026-11-20.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from types import MappingProxyType

from batchgen.decoding import (
    describe,
    error_by_words,
    fields,
    link,
    number,
    policy_reason,
    text_of,
    words_of,
)
from batchgen.errors import (
    AttemptError,
    Charge,
    NoImage,
    OutOfCredit,
    Refused,
    ReplyMalformed,
)
from batchgen.model import (
    Blob,
    Call,
    Capabilities,
    Carried,
    DataUri,
    Delivered,
    Endpoint,
    ImageRequest,
    Inline,
    Json,
    Link,
    OptionRule,
    Price,
    ReferenceRules,
    Reply,
)
from batchgen.provider import Defaults

NAME = "aimlapi"
READ_ON = date(2026, 11, 20)
CREDITS_PER_USD = 2_000_000
# A charge above this for one image is a broken number, not money [assumed].
MOST_USD = Decimal(10_000)
# Charges vary from request to request (the two documented ones by 3 %), so a
# reservation keeps this margin above what is expected [assumed].
CEILING_FACTOR = Decimal("1.5")
# Documented wording of a 403 for an empty balance is the first; others [assumed].
NO_CREDIT = re.compile(
    r"run out of credits|insufficient (?:credits?|balance|funds)", re.IGNORECASE
)


def _price(expected: str, page: str) -> Price:
    usd = Decimal(expected)
    return Price(expected=usd, ceiling=usd * CEILING_FACTOR, page=page, read_on=READ_ON)


# No price list is published for this model. 1K: the dearer of the two examples,
# 185,093 credits (the other: 178,975). 2K and 4K: as much above Google's list price
# as 1K is, 1.33 times [assumed].
PRICES = MappingProxyType(
    {
        "1K": _price("0.0925", "docs.aimlapi.com, example reply of the model's page"),
        "2K": _price("0.134", "assumed: 1.33 x Google's list price"),
        "4K": _price("0.201", "assumed: 1.33 x Google's list price"),
    }
)


class AimlApi:
    """Encode a request for AI/ML API and decode its reply."""

    name = NAME
    defaults = Defaults(
        base_url="https://api.aimlapi.com",
        model="google/nano-banana-2",
        rpm=None,
        concurrency=16,
        reply_timeout_s=300.0,
        source="docs.aimlapi.com, read 2026-11-20; concurrency and timeout assumed",
    )
    capabilities = Capabilities(
        aspect_ratios=("1:1", "9:16", "16:9", "3:4", "4:3"),
        resolutions=("1K", "2K", "4K"),
        default_resolution="1K",
        images_per_request=1,  # [assumed]: the schema has no number of images
        # "URLs or local Base64 encoded images" in fields of format uri: a data URI
        # is both, bare base64 is not tried [assumed].
        references=ReferenceRules(most=5, carriers=("link", "inline")),
        options=MappingProxyType({"web_search": OptionRule()}),
    )
    prices: Mapping[str, Price] = PRICES
    rates: Mapping[str, Price] = MappingProxyType({})

    def encode(
        self,
        request: ImageRequest,
        model: str,
        endpoint: Endpoint,
        references: Sequence[Carried] = (),
    ) -> Call:
        """Return the request that buys one image, without what the row leaves open."""
        body: dict[str, object] = {"model": model, "prompt": request.prompt}
        if references:
            body["image_urls"] = [
                it.url if isinstance(it, Link) else DataUri(it)
                for it in references
                if isinstance(it, Link | Inline)
            ]
        if request.aspect_ratio is not None:
            body["aspect_ratio"] = request.aspect_ratio
        if request.resolution is not None:
            body["resolution"] = request.resolution
        if request.options.get("web_search"):
            body["enable_web_search"] = True
        return Call(
            method="POST",
            url=endpoint.at("/v1/images/generations"),
            headers={"authorization": f"Bearer {endpoint.key}"},
            json=body,
            blob_keys=frozenset({"b64_json"}),
        )

    def decode(self, reply: Reply) -> Delivered:
        """Read the answer; any 2xx can be a success (200 and 201 are documented)."""
        if not 200 <= reply.status < 300:
            raise _http_error(reply)
        images = _images(fields(reply.body).get("data"))
        if not images:
            raise _without_image(reply)
        return Delivered(
            images=images, cost_usd=_cost_usd(reply.body), request_id=_request_id(reply)
        )


def _images(data: Json) -> tuple[Link | Blob, ...]:
    items = data if isinstance(data, list) else []
    return tuple(image for item in items if (image := _image(fields(item))))


def _image(item: Mapping[str, Json]) -> Link | Blob | None:
    match item.get("b64_json"):
        case Blob() as blob if blob.data:
            return blob
        case _:
            return link(item.get("url"))


def _cost_usd(body: Json) -> Decimal | None:
    usage = fields(fields(fields(body).get("meta")).get("usage"))
    credits_used = number(usage.get("credits_used"))
    if credits_used is None or credits_used > MOST_USD * CREDITS_PER_USD:
        return None
    return credits_used / CREDITS_PER_USD


def _request_id(reply: Reply) -> str | None:
    """Return the id by which the provider's list of transactions knows the call."""
    inference_id = reply.headers.get("x-inference-id")
    return text_of(inference_id or fields(reply.body).get("requestId")) or None


def _without_image(reply: Reply) -> AttemptError:
    """Return the error of a 2xx that holds no image: charged, or nobody knows.

    The schema lets `data` be null and does not say what that means [assumed].
    """
    body = fields(reply.body)
    message, cost_usd = words_of(body), _cost_usd(body)
    kind: type[AttemptError] = ReplyMalformed
    if policy_reason(message):
        kind = Refused
    elif message or body.get("data", reply) in (None, []) or _only_nulls(body):
        kind = NoImage
    return kind(
        NAME,
        message or f"a reply without an image; {describe(reply.body)}",
        Charge.REPORTED if cost_usd else Charge.UNKNOWN,
        cost_usd=cost_usd or None,
        request_id=_request_id(reply),
    )


def _only_nulls(body: Mapping[str, Json]) -> bool:
    """Say whether every entry of `data` is an object with neither url nor base64."""
    data = body.get("data")
    return isinstance(data, list) and all(
        isinstance(item, dict) and not item.get("url") and not item.get("b64_json")
        for item in data
    )


def _http_error(reply: Reply) -> AttemptError:
    """Return the error of a failed request: documented as never charged.

    No code is documented for a refusal: the words of a 4xx or 5xx decide [assumed].
    """
    message = words_of(reply.body) or describe(reply.body)
    if reply.status == 403 and NO_CREDIT.search(message):
        error: AttemptError = OutOfCredit(NAME, message)
    else:
        error = error_by_words(NAME, reply, message)
    error.request_id = _request_id(reply)
    return error
