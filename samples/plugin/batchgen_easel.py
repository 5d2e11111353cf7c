"""Easel, a made-up service: one JSON request, whose reply holds image and cost."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from batchgen.providers import kit


class Easel:
    name = "easel"
    defaults = kit.Defaults(
        base_url="https://api.easel.example",
        model="easel-1",
        rpm=60,
        concurrency=4,
        reply_timeout_s=120.0,
        source="docs.easel.example, read 2026-11-30; timeout assumed",
    )
    capabilities = kit.Capabilities(
        aspect_ratios=("1:1", "16:9"),
        resolutions=("1K",),
        default_resolution="1K",
        images_per_request=1,
        references=kit.ReferenceRules(max_count=0, carriers=()),
    )
    price = kit.Price(
        expected=Decimal("0.02"),
        ceiling=Decimal("0.02"),
        page="docs.easel.example, prices",
        read_on=date(2026, 11, 30),
    )
    prices: kit.PriceList = (price,)
    rates: kit.RateList = {}

    def encode(
        self,
        request: kit.ImageRequest,
        model: str,
        endpoint: kit.Endpoint,
        references: Sequence[kit.Payload] = (),
    ) -> kit.Call:
        body = {"model": model, "prompt": request.prompt}
        if request.aspect_ratio is not None:
            body["ratio"] = request.aspect_ratio
        return kit.Call(
            method="POST",
            url=endpoint.at("/draw"),
            headers=self.defaults.headers(endpoint),
            json=body,
            blob_keys=kit.BASE64_KEYS,
        )

    def decode(self, reply: kit.Reply) -> kit.Delivered:
        body, is_success = kit.fields(reply.body), 200 <= reply.status < 300
        delivered = kit.Delivered(
            images=kit.images_in(reply.body) if is_success else (),
            cost_usd=kit.number(body.get("cost_usd")),
            request_id=kit.text_of(body.get("id")) or None,
        )
        if delivered.images:
            return delivered
        is_known = is_success and "b64" in body  # a success that says: no image
        raise kit.purchase_error(self.name, reply, delivered, is_documented=is_known)
