"""Some rows meet a peer that does harm; each ends by itself, and the others go on."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest
from tenacity import wait_exponential

from batchgen.admission import next_step as decide
from batchgen.attempts import fetch as fetching
from batchgen.model import Status
from batchgen.providers.aimlapi import AimlApi
from batchgen.runner.capacity import Capacity
from batchgen.runner.engine import Engine
from batchgen.wire import WireLimits, transport
from batchgen.wire.sender import Wire
from tests.runs.desk import Desk
from tests.runs.shop import CREDITS_PER_USD, PNG, Shop
from tests.wire.bad_peers import BAD
from tests.wire.server import Peer, ScriptedServer, answer, reply

CLOSE = ("connection: close",)
"""Said by good peers, which close: a request that meets that is an unknown outcome."""

LIMITS = WireLimits(
    connect_s=1.0,
    silence_s=1.0,
    transfer_s=1.0,
    reply_bytes=1_000_000,
    image_bytes=1_000_000,
    redirects=3,
)
CREDITS = 100_000


def chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


HUGE = b"".join(
    (
        PNG[:8],
        chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)),
        chunk(b"IDAT", zlib.compress(b"")),
        chunk(b"IEND", b""),
    )
)
"""A hundred bytes that would be 2.7 GB of pixels."""


@dataclass(frozen=True)
class End:
    """How a row ends, and in which words.

    Attributes:
        is_charged: Whether its image was charged.
    """

    status: str
    error: str
    message: str
    is_charged: bool = True


REJECTED = End("failed", "image_rejected", "more than 1000000 bytes")
UNKNOWN = End("held", "outcome_unknown", "more than 1000000 bytes", is_charged=False)
LATER = End("pending", "incomplete", "")
ENDS = {
    "buy endless-undelimited": UNKNOWN,
    "buy gzip-bomb": UNKNOWN,
    "buy drops-in-body": replace(UNKNOWN, message="not finished"),
    "buy drops-in-head": replace(UNKNOWN, message="did not begin in time"),
    "buy many-values": replace(UNKNOWN, message="more than 100,000 values"),
    "get endless-chunks": REJECTED,
    "get gzip-bomb": REJECTED,
    "get drops-in-body": replace(LATER, message="took longer than 1 s"),
    "get redirect": End("failed", "link_lost", "more than 3 hops"),
    "get huge": replace(REJECTED, message="30000 x 30000"),
    "inline huge": replace(REJECTED, message="30000 x 30000"),
}


@dataclass
class Town:
    """A provider and its image host: a prompt says which of them does harm, and how."""

    shop: Shop
    prompts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = ScriptedServer(self.serve)

    def serve(self, peer: Peer) -> None:
        request = peer.receive()
        method, path, _ = request.line.split(" ")
        if method == "POST":
            self.sell(peer, json.loads(request.body)["prompt"])
        elif path.startswith("/get/"):
            self.do_harm(peer, path.removeprefix("/get/"), path)
        else:
            peer.say(reply(PNG, content_type="image/png", headers=CLOSE))

    def sell(self, peer: Peer, prompt: str) -> None:
        self.prompts.append(prompt)
        verb, _, kind = prompt.partition(" ")
        if verb == "buy":
            self.do_harm(peer, kind, "/buy")
            return
        self.shop.billed_nano += CREDITS * 1_000_000_000 // CREDITS_PER_USD
        image = {
            "inline": {"b64_json": base64.b64encode(HUGE).decode()},
            "get": {"url": f"{self.server.url}/get/{kind}"},
        }.get(verb, {"url": f"{self.server.url}/1.png"})
        usage = {"usage": {"credits_used": CREDITS}}
        document = json.dumps({"data": [image], "meta": usage})
        peer.say(reply(document.encode(), headers=CLOSE))

    def do_harm(self, peer: Peer, kind: str, path: str) -> None:
        if kind == "redirect":
            headers = (f"location: {path}", *CLOSE)
            peer.say(reply(status="302 Found", headers=headers))
        elif kind == "huge":
            peer.say(reply(HUGE, content_type="image/png", headers=CLOSE))
        else:
            BAD[kind].says(peer)


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let limits be such that a test can live to see them."""
    terms = replace(AimlApi.defaults, reply_timeout_s=2.0)
    monkeypatch.setattr(AimlApi, "defaults", terms)
    monkeypatch.setattr(fetching, "MAX_ROUNDS", 2)
    # Peers close without a word: a request that met that would be an unknown outcome.
    monkeypatch.setattr(transport, "KEEPALIVE_S", 0.0)
    backoff = wait_exponential(multiplier=0.005, exp_base=2, max=0.02)
    monkeypatch.setattr(decide, "_backoff", backoff)

    def wire(_: Engine, capacity: Capacity) -> Wire:
        return Wire(paid_hosts=False, limits=LIMITS, sockets=capacity.sockets)

    monkeypatch.setattr(Engine, "_wire", wire)


@pytest.mark.anyio
@pytest.mark.usefixtures("limits")
async def test_whatever_some_peers_do_each_row_ends_in_its_own_words(
    desk: Desk, shop: Shop
) -> None:
    town = Town(shop)
    desk.provider = "aimlapi"
    good = [f"good {number}" for number in range(len(ENDS))]
    desk.write(*(value for both in zip(ENDS, good, strict=True) for value in both))

    with town.server as server:
        terms = desk.wide("aimlapi", 6, base_url=server.url)
        outcome = await desk.run(terms=terms, on_unknown="hold")
        posts = server.posts

    rows = {row["prompt"]: row for row in desk.table()}
    results = [(row, rows[row]["status"], rows[row]["message"]) for row in good]
    assert results == [(row, "succeeded", None) for row in good]
    for prompt, end in ENDS.items():
        row = rows[prompt]
        assert (row["status"], row["error"]) == (end.status, end.error), prompt
        assert end.message in row["message"], prompt
        assert (row["cost_usd"] == Decimal("0.05")) is end.is_charged, prompt
    assert outcome.totals is not None
    assert outcome.totals.rows[Status.SUCCEEDED] == len(ENDS)
    assert posts == len(town.prompts) == 2 * len(ENDS)
    desk.check_money()


@pytest.mark.anyio
@pytest.mark.usefixtures("limits")
async def test_a_provider_that_redirects_is_not_followed(
    desk: Desk, shop: Shop
) -> None:
    town = Town(shop)
    desk.provider = "aimlapi"
    desk.write("buy redirect", "buy redirect", "buy redirect")

    with town.server as server:
        outcome = await desk.run(terms=desk.wide("aimlapi", 1, base_url=server.url))

    (stopped,) = outcome.stopped
    assert stopped.kind == "wrong_address"
    assert stopped.message.startswith("redirected to /buy where the API should answer")
    assert town.prompts == ["buy redirect"] * 2
    assert [row["status"] for row in desk.table()] == ["pending"] * 3
    assert shop.billed_nano == 0


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("provider", "header"),
    [("aimlapi", "x-inference-id"), ("apiai", "x-request-id")],
)
async def test_a_cut_reply_keeps_the_id_that_its_head_names(
    desk: Desk, provider: str, header: str
) -> None:
    desk.provider = provider
    head = (f"{header}: call-7", "x-cost: 0.04")
    cut = reply(PNG, content_type="image/png", length=len(PNG) + 1, headers=head)

    with ScriptedServer(answer(cut)) as server:
        terms = desk.wide(provider, 1, base_url=server.url)
        await desk.run(terms=terms, on_unknown="hold")

    row = desk.row()
    assert (row["status"], row["error"]) == ("held", "outcome_unknown")
    assert row["request_id"] == "call-7"
    assert (row["cost_usd"], row["at_risk_attempts"]) == (None, 1)
