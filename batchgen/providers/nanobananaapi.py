"""nanobananaapi.dev, Nano Banana 2: one synchronous call, reply holds links.

Source: the model's page (nanobananaapi.dev) for generate, its models, their prices
and parameters; five public clients for the edit endpoint, the reply's `code` and the
shapes of `url`; read 2026-11-20. Not nanobananaapi.ai, which is another company.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from types import MappingProxyType

from batchgen.providers._reasons import error_type_in
from batchgen.providers._stated_errors import stated_status
from batchgen.providers.kit import (
    BASE64_KEYS,
    PIXELS_AT_1K,
    RESOLUTIONS,
    AttemptError,
    Call,
    Capabilities,
    Charge,
    Defaults,
    Delivered,
    Endpoint,
    ImageRequest,
    Json,
    NoImage,
    OptionRule,
    Payload,
    Price,
    PriceList,
    RateList,
    ReferenceRules,
    Refused,
    Reply,
    ReplyMalformed,
    RequestInvalid,
    as_urls,
    by_resolution,
    describe,
    fields,
    images_in,
    join_documents,
    number,
    purchase_error,
    stated_message,
    text_of,
)

NAME = "nanobananaapi"
GENERATE, EDIT = "/v1/images/generate", "/v1/images/edit"
NO_EDIT = "this server has no edit endpoint: rows with references cannot run there"
MODEL = "gemini-3.1-flash-image-preview"
MODELS = MappingProxyType(
    {"512": f"{MODEL}-512", "1K": MODEL, "2K": f"{MODEL}-2k", "4K": f"{MODEL}-4k"}
)
# These words mean a refusal if nothing else explains the error [assumed].
POLICY = re.compile(r"\b(?:policy|safety)\b", re.IGNORECASE)


def _price(usd: str) -> Price:
    # "~$0.04": $0.01 for a credit; a credit costs less in larger bundles.
    return Price(
        expected=Decimal(usd),
        ceiling=Decimal(usd),
        page="nanobananaapi.dev, page of the model",
        read_on=date(2026, 11, 20),
        models=frozenset(MODELS.values()),
        # The price of service_tier "priority" is not documented.
        tiers=frozenset({None}),
    )


class NanoBananaApi:
    """Encode a request for nanobananaapi.dev and decode its reply."""

    name = NAME
    defaults = Defaults(
        base_url="https://api.nanobananaapi.dev",
        model=MODEL,
        rpm=None,
        concurrency=16,
        # The page's example waits 60 s, clients in production 300 to 600.
        reply_timeout_s=600.0,
        source="its clients' timeout, read 2026-11-20; concurrency assumed",
    )
    capabilities = Capabilities(
        aspect_ratios=tuple(PIXELS_AT_1K),
        resolutions=RESOLUTIONS,
        default_resolution="1K",
        images_per_request=9,
        # Clients pass URLs and data URIs; sizes and formats are not documented.
        references=ReferenceRules(max_count=10, carriers=("link", "inline")),
        options=MappingProxyType(
            {"service_tier": OptionRule(choices=("default", "priority"))}
        ),
        models=MODELS,
    )
    prices: PriceList = by_resolution(
        {
            "512": _price("0.04"),
            "1K": _price("0.04"),
            "2K": _price("0.06"),
            "4K": _price("0.08"),
        }
    )
    rates: RateList = MappingProxyType({})

    def encode(
        self,
        request: ImageRequest,
        model: str,
        endpoint: Endpoint,
        references: Sequence[Payload] = (),
    ) -> Call:
        """Return the request that buys up to nine images of one prompt.

        `image_size` is the aspect ratio here; the model's id is the resolution.
        """
        path = _path(endpoint, references)
        body: dict[str, object] = {"model": model, "prompt": request.prompt}
        if request.n > 1:
            body["num"] = request.n
        # With a reference it is always sent: Google's default is then the ratio of the
        # reference.
        if request.aspect_ratio not in ({None} if references else {None, "1:1"}):
            body["image_size"] = request.aspect_ratio
        if request.options.get("service_tier", "default") != "default":
            body["service_tier"] = request.options["service_tier"]
        images = as_urls(references)
        if images and path.endswith("/edit"):
            body["image"] = images[0] if len(images) == 1 else images
        elif images:
            body["ref_images"] = images
        return Call(
            method="POST",
            url=endpoint.at(path),
            headers=self.defaults.headers(endpoint),
            json=body,
            not_found=NO_EDIT if path.endswith("/edit") else None,
            blob_keys=BASE64_KEYS,
        )

    def decode(self, reply: Reply) -> Delivered:
        """Read the answer: `code` 0 means success.

        A link with another code, or without a code, is accepted, unless the code states
        an error. If there are fewer links than were requested, they are the first
        images, in order [assumed].
        """
        reply = join_documents(reply)
        body = fields(reply.body)
        is_success = 200 <= reply.status < 300 and stated_status(reply.body) is None
        delivered = Delivered(
            images=images_in(reply.body, body.get("data")) if is_success else ()
        )
        if delivered.images:
            return delivered
        error = _error(reply, delivered)
        if error.message.lower() == "ok":
            error.message = f"code 0 without a link; {describe(reply.body)}"
        raise error


def _path(endpoint: Endpoint, references: Sequence[Payload]) -> str:
    """Return the path of a request: with references `edit`, if the job says so."""
    match endpoint.choice:
        case None | "generate":
            return GENERATE
        case "edit":
            return EDIT if references else GENERATE
        case _:
            return endpoint.path(GENERATE)


def _error(reply: Reply, delivered: Delivered) -> AttemptError:
    """Return the error of a status, or of a `code`, that is no success.

    There is no list of codes, so the text decides [assumed]. Refunds are not
    documented: a `code` with a status of success is free only if its text says that no
    work was begun.
    """
    body = fields(reply.body)
    data = body.get("data")
    is_success = number(body.get("code")) == 0 or text_of(body.get("code")) == "0"
    is_documented = (
        not _names_something(data)
        if is_success
        else bool(stated_message(body) or "code" in body)
    )
    error = purchase_error(NAME, reply, delivered, is_documented=is_documented)
    may_refuse = reply.status in (200, 201, 400, 422) and isinstance(reply.body, dict)
    is_vague = isinstance(error, NoImage | ReplyMalformed | RequestInvalid)
    is_vague = is_vague and error_type_in(error.message) is None
    if may_refuse and is_vague and POLICY.search(error.message):
        return Refused(NAME, error.message, Charge.UNKNOWN)
    return error


def _names_something(data: Json) -> bool:
    """Return whether the place of links has a value that is no link."""
    value = fields(data).get("url") if isinstance(data, dict) else data
    return any(value) if isinstance(value, list) else bool(value)
