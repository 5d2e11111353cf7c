"""Easel, a made-up service: one JSON request, whose reply holds image and cost."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from batchgen.decoding import fields, number, text_of
from batchgen.model import (
    BASE64_KEYS,
    Call,
    Capabilities,
    Carried,
    Delivered,
    Endpoint,
    ImageRequest,
    Price,
    PriceList,
    RateList,
    ReferenceRules,
    Reply,
)
from batchgen.provider import Defaults
from batchgen.reply_errors import purchase_error
from batchgen.reply_images import images_in


class Easel:
    name = "easel"
    defaults = Defaults(
        base_url="https://api.easel.example",
        model="easel-1",
        rpm=60,
        concurrency=4,
        reply_timeout_s=120.0,
        source="docs.easel.example, read 2026-11-30; timeout assumed",
    )
    capabilities = Capabilities(
        aspect_ratios=("1:1", "16:9"),
        resolutions=("1K",),
        default_resolution="1K",
        images_per_request=1,
        references=ReferenceRules(most=0, carriers=()),
    )
    prices: PriceList = (
        Price(
            expected=Decimal("0.02"),
            ceiling=Decimal("0.02"),
            page="docs.easel.example, prices",
            read_on=date(2026, 11, 30),
        ),
    )
    rates: RateList = {}

    def encode(
        self,
        request: ImageRequest,
        model: str,
        endpoint: Endpoint,
        references: Sequence[Carried] = (),
    ) -> Call:
        body = {"model": model, "prompt": request.prompt}
        if request.aspect_ratio is not None:
            body["ratio"] = request.aspect_ratio
        return Call(
            method="POST",
            url=endpoint.at("/draw"),
            headers=self.defaults.headers(endpoint),
            json=body,
            blob_keys=BASE64_KEYS,
        )

    def decode(self, reply: Reply) -> Delivered:
        body, is_success = fields(reply.body), 200 <= reply.status < 300
        delivered = Delivered(
            images=images_in(reply.body) if is_success else (),
            cost_usd=number(body.get("cost_usd")),
            request_id=text_of(body.get("id")) or None,
        )
        if delivered.images:
            return delivered
        is_known = is_success and "b64" in body  # a success that says: no image
        raise purchase_error(self.name, reply, delivered, is_known=is_known)
