"""Kind d: what was paid for and cannot be used is kept as a file that the row names."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.cases import replies
from tests.cases.conftest import Market
from tests.cases.dialects import (
    CREDITS,
    WITH_TASKS,
    answer_of,
    encoded,
    finished,
    link_of,
    links,
    sold,
)
from tests.cases.judge import Outcome, among_others, row_of
from tests.cases.server import ANYWHERE, PRICE, Answer, Service, draw, picture

SVG = b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'></svg>"
CUT = draw("odd", 64)[:-30]


@dataclass(frozen=True, slots=True)
class Odd:
    """An answer that cannot be used, and the bytes of it that must be kept.

    Attributes:
        poll: The answer to the poll, where the purchase is a task.
        path: Where its link leads to, if it has one.
    """

    provider: str
    kept: bytes
    answer: Answer | None = None
    poll: Answer | None = None
    path: str | None = None


def by_link(provider: str, content: bytes) -> Odd:
    """Return a link that leads to the bytes."""
    path = f"/files/{hashlib.sha256(content).hexdigest()[:8]}.png"
    answer = links(provider, f"{ANYWHERE}{path}")
    if provider in WITH_TASKS:
        answer = Answer(200, answer.body)
        return Odd(provider, content, poll=answer, path=path)
    return Odd(provider, content, answer, path=path)


WITHOUT_IMAGE = {
    "d-no-image-in-it": Odd(
        "openai", b"f-0c1d2e", replies.load_sold("d-no-image-in-it")
    ),
    "aimlapi": Odd(
        "aimlapi",
        b"f-0c1d2e",
        sold(
            {
                "data": [{"file_ref": "f-0c1d2e"}],
                "meta": {"usage": {"credits_used": CREDITS}},
            }
        ),
    ),
    "nanobananaapi": Odd(
        "nanobananaapi",
        b"f-0c1d2e",
        sold({"code": 0, "message": "ok", "data": {"file_ref": "f-0c1d2e"}}),
    ),
    "gemini": Odd(
        "gemini", b"f-0c1d2e", answer_of([{"fileRef": "f-0c1d2e", "mimeType": "x"}])
    ),
    "apiai": Odd("apiai", b"f-0c1d2e", sold({"file_ref": "f-0c1d2e"}, X_Cost="0.05")),
    "foxapi": Odd(
        "foxapi",
        b"f-0c1d2e",
        poll=finished("foxapi", results=[{"file_ref": "f-0c1d2e"}]),
    ),
    "gccai": Odd(
        "gccai",
        b"f-0c1d2e",
        poll=finished("gccai", result={"images": [{"file_ref": "f-0c1d2e"}]}),
    ),
}

NO_IMAGES = {
    "d-svg": Odd("openai", b"<svg", replies.load_sold("d-svg")),
    "SVG in a data URI": Odd(
        "nanobananaapi",
        SVG,
        sold(
            {
                "code": 0,
                "message": "ok",
                "data": {"url": f"data:image/svg+xml;base64,{encoded(SVG)}"},
            }
        ),
    ),
    "SVG inline": Odd(
        "gemini",
        SVG,
        answer_of([{"inlineData": {"mimeType": "image/png", "data": encoded(SVG)}}]),
    ),
    "SVG as the body": Odd(
        "apiai", SVG, sold(SVG, Content_Type="image/png", X_Cost="0.05")
    ),
    "SVG by a link": by_link("aimlapi", SVG),
    "SVG by a task's link": by_link("foxapi", SVG),
    "cut in base64": Odd("openai", CUT, sold({"data": [{"b64_json": encoded(CUT)}]})),
    "cut inline": Odd(
        "gemini",
        CUT,
        answer_of([{"inlineData": {"mimeType": "image/png", "data": encoded(CUT)}}]),
    ),
    "cut body": Odd("apiai", CUT, sold(CUT, Content_Type="image/png", X_Cost="0.05")),
    "cut by a link": by_link("nanobananaapi", CUT),
    "cut by a task's link": by_link("gccai", CUT),
    "PDF by a link": by_link("openai", b"%PDF-1.4 not an image at all"),
}

INLINE = {name: odd for name, odd in NO_IMAGES.items() if not odd.path}
LINKED = {name: odd for name, odd in NO_IMAGES.items() if odd.path}


def prepare(service: Service, row: str, odd: Odd) -> None:
    if odd.answer:
        service.rows[row] = [odd.answer]
    if odd.poll:
        service.polls[row] = [odd.poll]
    if odd.path:
        service.paths[odd.path] = [picture(odd.kept)]


def assert_kept(outcome: Outcome, row: str, content: bytes) -> None:
    end = outcome.rows[row]
    assert end["status"] in {"failed", "held"}, outcome.explain()
    names = [name for name in outcome.kept if name in end["message"]]
    assert names, f"{row}: {end['message']}; kept are {[*outcome.kept]}"
    assert any(content in file for file in outcome.kept.values()), row


@pytest.mark.parametrize("odd", WITHOUT_IMAGE.values(), ids=WITHOUT_IMAGE)
def test_a_success_without_an_image_is_kept_and_not_bought_again(
    market: Market, odd: Odd
) -> None:
    customer, service = market.enter(odd.provider)
    prepare(service, "odd", odd)
    customer.write(["a", "odd", "z"])
    outcome = customer.run("--max-unknown", "0", within_s=40)
    assert outcome.code == 3, outcome.explain()
    assert outcome.count("succeeded") == 2, outcome.explain()
    assert_kept(outcome, "odd", odd.kept)
    assert service.purchases_of("odd") == 1, outcome.explain()
    assert outcome.spent + outcome.at_risk >= 3 * PRICE
    again = customer.run("--max-unknown", "0", within_s=40)
    assert again.code == 3, again.explain()
    assert service.purchases_of("odd") == 1, again.explain()


@pytest.mark.parametrize("provider", sorted({odd.provider for odd in INLINE.values()}))
def test_bytes_that_are_no_whole_image_are_kept(market: Market, provider: str) -> None:
    assert_all_kept(market, provider, INLINE)


@pytest.mark.parametrize("provider", sorted({odd.provider for odd in LINKED.values()}))
def test_a_file_that_is_no_whole_image_is_kept(market: Market, provider: str) -> None:
    assert_all_kept(market, provider, LINKED)


def assert_all_kept(market: Market, provider: str, cases: Mapping[str, Odd]) -> None:
    customer, service = market.enter(provider)
    odds = {name: odd for name, odd in cases.items() if odd.provider == provider}
    for name, odd in odds.items():
        prepare(service, row_of(name), odd)
    customer.write(among_others(odds))
    outcome = customer.run(within_s=60)
    assert outcome.code == 3, outcome.explain()
    assert outcome.count("succeeded") == len(odds) + 1, outcome.explain()
    for name, odd in odds.items():
        assert_kept(outcome, row_of(name), odd.kept)
        assert service.purchases_of(row_of(name)) <= 2, outcome.explain()


@pytest.mark.parametrize("provider", ["openai", "nanobananaapi", "foxapi"])
def test_retry_buys_what_was_kept_once_more(market: Market, provider: str) -> None:
    customer, service = market.enter(provider)
    odd = WITHOUT_IMAGE["d-no-image-in-it" if provider == "openai" else provider]
    prepare(service, "odd", odd)
    customer.write(["a", "odd", "z"])
    customer.run("--max-unknown", "0", within_s=40)
    service.rows.clear()
    service.polls.clear()
    customer.call("retry", "out")
    outcome = customer.run("--max-unknown", "0", within_s=40)
    outcome.ends(0, others="succeeded")
    assert service.purchases_of("odd") == 2, outcome.explain()


@pytest.mark.parametrize("key", ["openai", "apiai"])
def test_a_key_that_a_kept_reply_echoes_is_overwritten(
    market: Market, key: str
) -> None:
    customer, service = market.enter(key)
    echo = {"file_ref": "f-1", "asked_by": f"Bearer {customer.key}"}
    service.rows["odd"] = [sold({"data": [echo]}, X_Cost="0.05")]
    customer.write(["a", "odd", "z"])
    assert_kept(customer.run("--max-unknown", "0", within_s=40), "odd", b"f-1")


@pytest.mark.parametrize("provider", ["aimlapi", "nanobananaapi", "openai", "gccai"])
def test_more_links_than_asked_lose_no_image(market: Market, provider: str) -> None:
    customer, service = market.enter(provider)
    answer = links(provider, link_of("one"), link_of("more"))
    if provider == "gccai":
        service.polls["odd"] = [Answer(200, answer.body)]
    else:
        service.rows["odd"] = [answer]
    customer.write(["a", "odd"])
    outcome = customer.run(within_s=30)
    outcome.ends(0, others="succeeded")
    images = [*outcome.members.values(), *outcome.kept.values()]
    assert draw("one") in images, outcome.explain()
    assert draw("more") in images, outcome.explain()
    assert len(service.purchases) == 2


@pytest.mark.parametrize("charged", [2, 3])
@pytest.mark.parametrize("provider", ["nanobananaapi", "openai"])
def test_fewer_links_than_asked_are_stored_and_accounted_for(
    market: Market, provider: str, charged: int
) -> None:
    customer, service = market.enter(provider)
    answer = links(provider, link_of("one"), link_of("two"))
    first = Answer(200, answer.body, charge=charged * PRICE)
    service.rows["odd"] = [first, links(provider, link_of("three"))]
    customer.write(["odd"], n="3")
    outcome = customer.run(within_s=30)
    assert outcome.code in {0, 3}, outcome.explain()
    assert service.purchases_of("odd") <= 2, outcome.explain()
    images = [*outcome.members.values(), *outcome.kept.values()]
    assert draw("one") in images, outcome.explain()
    assert draw("two") in images, outcome.explain()


LONG = draw("odd") + random.Random(1).randbytes(150_000)
UNREADABLE = {
    "json-with-a-comma": f'{{"data": [{{"b64_json": "{encoded(LONG)}"}},]}}'.encode(),
    "parts": b"--b\r\nContent-Type: image/png\r\n\r\n" + LONG + b"\r\n--b--\r\n",
    "small": b"\0\xff " + LONG[:300],
}


@pytest.mark.parametrize("shape", UNREADABLE)
def test_a_reply_that_nobody_can_read_is_kept_whole(market: Market, shape: str) -> None:
    customer, service = market.enter("openai")
    body = UNREADABLE[shape]
    kind = "application/json" if body.startswith(b"{") else "multipart/mixed"
    service.rows["odd"] = [sold(body, Content_Type=kind)]
    customer.write(["usual", "odd"])

    outcome = customer.run()

    outcome.ends(3, usual="succeeded", odd="failed")
    assert service.purchases_of("odd") == 1
    assert body in outcome.kept.values()
    match = re.search(r"kept as (\S+)", outcome.rows["odd"]["message"])
    assert match is not None
    assert match[1] in outcome.kept
