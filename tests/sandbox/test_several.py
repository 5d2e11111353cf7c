"""Faults that show in the images themselves: fewer, smaller, or none that arrive."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from batchgen.errors import NoImage
from batchgen.model import (
    Accepted,
    Blob,
    Delivered,
    ImageRequest,
    Next,
    Reply,
    Running,
)
from batchgen.providers import PROVIDERS
from batchgen.providers.base import Endpoint, Provider, TaskProvider
from batchgen.sandbox import KEY, start_sandbox
from batchgen.wire.body_decoding import decode_body
from tests.sandbox.buyer import Buyer, buyer_at, urls_of


def first_image(buyer: Buyer, reply: httpx.Response) -> bytes:
    """Return an image as the provider's own reader finds it."""
    provider = PROVIDERS[buyer.provider]
    endpoint = Endpoint(buyer.url, KEY)
    outcome: object = provider.decode(read(reply, provider))
    call = None
    while not isinstance(outcome, Delivered):
        assert isinstance(provider, TaskProvider)
        if isinstance(outcome, Accepted):
            call = provider.encode_poll(outcome.handle, endpoint)
        elif isinstance(outcome, Next):
            call = outcome.call
        assert call is not None
        answer = buyer.client.get(call.url, headers=dict(call.headers))
        with suppress(NoImage):  # completed a moment before its result is there
            outcome = provider.decode_poll(read(answer, provider), endpoint)
            if isinstance(outcome, Running):
                outcome = Next(call)
    image = outcome.images[0]
    return image.data if isinstance(image, Blob) else buyer.download(image.url).content


def read(reply: httpx.Response, provider: Provider) -> Reply:
    headers = dict(reply.headers)
    body = decode_body(reply.content, headers, keys_of(provider))
    return Reply(reply.status_code, headers, body)


def keys_of(provider: Provider) -> frozenset[str]:
    request = ImageRequest(prompt="a lamp")
    return provider.encode(request, "m", Endpoint("https://a.example", "k")).blob_keys


@pytest.mark.parametrize(
    ("count", "image_count"), [(3, 2), (1, 1)], ids=["one-is-missing", "never-none"]
)
def test_fewer_images_are_charged_for_what_came(
    nanobananaapi: Buyer, count: int, image_count: int
) -> None:
    nanobananaapi.sandbox.queue_fault("nanobananaapi", "fewer_images")

    links = urls_of(nanobananaapi.buy(f"{count} plates", num=count).json())

    fare = nanobananaapi.sandbox.tariff()["nanobananaapi"]["1K"]
    sale = nanobananaapi.billed()[-1]
    assert len(links) == image_count
    assert Decimal(sale["amount_usd"]) == image_count * Decimal(fare["expected_usd"])


def test_an_image_can_be_smaller_than_what_is_paid_for(anyone: Buyer) -> None:
    anyone.sandbox.queue_fault(anyone.provider, "smaller_image")

    reply = anyone.buy("a small plate")

    with Image.open(BytesIO(first_image(anyone, reply))) as image:
        assert image.size == (512, 512)
    sale = anyone.billed()[-1]
    assert (sale["resolution"], sale["status"]) == ("1K", "delivered")


def test_a_page_in_front_of_the_service_sells_nothing(anyone: Buyer) -> None:
    anyone.sandbox.queue_fault(anyone.provider, "html_page")
    before = len(anyone.billed())

    reply = anyone.buy(f"a page of {anyone.provider}")

    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/html")
    assert len(anyone.billed()) == before


def test_one_expired_link_of_several_is_one(nanobananaapi: Buyer) -> None:
    links = urls_of(nanobananaapi.buy("three plates", num=3).json())
    nanobananaapi.sandbox.queue_fault("nanobananaapi", "gone_link")

    statuses = [nanobananaapi.download(link).status_code for link in links]

    assert statuses[0] in (403, 404)
    assert statuses[1:] == [200, 200]


@pytest.mark.parametrize("provider", ["aimlapi", "apiai", "foxapi"])
def test_who_sells_one_image_never_sends_fewer(
    provider: str, request: pytest.FixtureRequest
) -> None:
    buyer: Buyer = request.getfixturevalue(provider)

    with pytest.raises(OSError, match="400"):
        buyer.sandbox.queue_fault(provider, "fewer_images")


def test_the_links_of_one_purchase_go_wrong_one_by_one(tmp_path: Path) -> None:
    with (
        start_sandbox(tmp_path, faults="storm", latency=0) as sandbox,
        buyer_at(sandbox, "nanobananaapi") as buyer,
    ):
        bad_ones = [
            [is_bad(buyer, link) for link in links_bought(buyer, f"plates {number}")]
            for number in range(12)
        ]

    assert any(any(bad) and not all(bad) for bad in bad_ones)


def links_bought(buyer: Buyer, prompt: str) -> list[str]:
    """Return nine links, or none where the storm took the reply."""
    with suppress(httpx.RemoteProtocolError):
        reply = buyer.buy(prompt, num=9, model="gemini-3.1-flash-image-preview-512")
        if reply.headers["content-type"] == "application/json":
            return urls_of({"data": reply.json().get("data") or {"url": []}})
    return []


def is_bad(buyer: Buyer, link: str) -> bool:
    try:
        return buyer.download(link).status_code != 200
    except httpx.RemoteProtocolError:
        return True
