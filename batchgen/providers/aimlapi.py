"""AI/ML API, Nano Banana 2: one synchronous call, reply holds a link or base64.

Source: docs.aimlapi.com, the model's page (OpenAPI schema, two example replies) and
the pages on errors, billing and transactions; read 2026-11-20.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from types import MappingProxyType

from batchgen.providers.kit import (
    BASE64_KEYS,
    Balance,
    Call,
    Capabilities,
    Defaults,
    Delivered,
    Endpoint,
    ImageRequest,
    Json,
    OptionRule,
    Payload,
    Price,
    PriceList,
    RateList,
    ReferenceRules,
    Reply,
    as_urls,
    balance_in,
    by_resolution,
    fields,
    images_in,
    join_documents,
    number,
    purchase_error,
    states_no_image,
    text_of,
)

NAME = "aimlapi"
READ_ON = date(2026, 11, 20)
# Charges differ between requests (the two documented ones by 3 %), so a reservation
# has this margin above the expected price [assumed].
CEILING_FACTOR = Decimal("1.5")
MODEL = "google/nano-banana-2"


def _price(expected: str, page: str) -> Price:
    usd = Decimal(expected)
    return Price(
        expected=usd,
        ceiling=usd * CEILING_FACTOR,
        page=page,
        read_on=READ_ON,
        models=frozenset({MODEL}),
    )


# No price list is published for this model. 1K: the higher of the two examples, 185,093
# credits (the other: 178,975). 2K and 4K: 1.33 times Google's list price, as 1K is
# [assumed].
PRICES = by_resolution(
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
        model=MODEL,
        rpm=None,
        concurrency=16,
        reply_timeout_s=300.0,
        source="docs.aimlapi.com, read 2026-11-20; concurrency and timeout assumed",
        failures_are_free=True,  # docs.aimlapi.com, billing, read 2026-11-20
    )
    capabilities = Capabilities(
        aspect_ratios=("1:1", "9:16", "16:9", "3:4", "4:3"),
        resolutions=("1K", "2K", "4K"),
        default_resolution="1K",
        images_per_request=1,  # [assumed]: the schema has no number of images
        # The page allows "URLs or local Base64 encoded images" in fields of format uri:
        # a data URI is both. Base64 without one is not used [assumed].
        references=ReferenceRules(max_count=5, carriers=("link", "inline")),
        options=MappingProxyType({"web_search": OptionRule()}),
    )
    prices: PriceList = PRICES
    # $1 is 2,000,000 credits.
    rates: RateList = MappingProxyType(
        {
            "credit": (
                Price(
                    expected=Decimal("0.0000005"),
                    ceiling=Decimal("0.0000005"),
                    page="docs.aimlapi.com, how-can-i-track-my-funds",
                    read_on=READ_ON,
                ),
            )
        }
    )

    def encode(
        self,
        request: ImageRequest,
        model: str,
        endpoint: Endpoint,
        references: Sequence[Payload] = (),
    ) -> Call:
        """Return the request that buys one image; it does not repeat the defaults."""
        body: dict[str, object] = {"model": model, "prompt": request.prompt}
        if references:
            body["image_urls"] = as_urls(references)
        # With a reference it is always sent: Google's default is then the ratio of the
        # reference.
        if request.aspect_ratio not in ({None} if references else {None, "1:1"}):
            body["aspect_ratio"] = request.aspect_ratio
        if request.resolution not in (None, "1K"):
            body["resolution"] = request.resolution
        if request.options.get("web_search"):
            body["enable_web_search"] = True
        return Call(
            method="POST",
            url=endpoint.at(endpoint.path("/v1/images/generations")),
            headers=self.defaults.headers(endpoint),
            json=body,
            blob_keys=BASE64_KEYS,
        )

    def decode(self, reply: Reply) -> Delivered:
        """Read the answer; any 2xx can be a success (200 and 201 are documented).

        A failed request is never charged. No code is documented for a refusal: its text
        decides [assumed]. `data` may be null; the meaning of that is not documented.
        """
        reply = join_documents(reply)
        body = fields(reply.body)
        is_success = 200 <= reply.status < 300
        delivered = Delivered(
            images=images_in(reply.body, body.get("data")) if is_success else (),
            usage=_usage(body),
            request_id=_request_id(reply),
        )
        if delivered.images:
            return delivered
        raise purchase_error(
            NAME,
            reply,
            delivered,
            is_documented=states_no_image(body),
            failures_are_free=self.defaults.failures_are_free,
        )

    def encode_balance(self, endpoint: Endpoint) -> Call:
        return Call(
            method="GET",
            url=endpoint.at("/v2/billing"),
            headers=self.defaults.headers(endpoint),
        )

    def decode_balance(self, reply: Reply) -> Balance:
        """Read the balance; another field states its currency."""
        body = fields(reply.body)
        currency = text_of(body.get("currency")).lower() or "usd"
        return balance_in(NAME, reply, body.get("current_balance"), currency)


def _usage(body: Json) -> Mapping[str, Decimal]:
    usage = fields(fields(fields(body).get("meta")).get("usage"))
    credits_used = number(usage.get("credits_used"))
    return {} if credits_used is None else {"credit": credits_used}


def _request_id(reply: Reply) -> str | None:
    """Return the id of the call in the provider's list of transactions."""
    inference_id = reply.headers.get("x-inference-id")
    return text_of(inference_id or fields(reply.body).get("requestId")) or None
