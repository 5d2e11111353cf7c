from __future__ import annotations

import base64
from dataclasses import replace

import httpx
import pytest

from batchgen.errors import ImageRejected, Incomplete, LinkLost
from batchgen.model import Blob, Call
from batchgen.wire import LinkSource
from batchgen.wire.sender import Wire
from tests.wire.conftest import SMALL
from tests.wire.server import Peer, Script, ScriptedServer, answer, reply, serve

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8

pytestmark = pytest.mark.anyio


def image(body: bytes = PNG, *, length: int | None = None) -> bytes:
    return reply(body, content_type="image/png", length=length)


def moved(location: str) -> bytes:
    return reply(status="302 Found", headers=(f"location: {location}",))


async def test_an_image_comes_whole_without_key_cookie_or_provider_header(
    wire: Wire,
) -> None:
    cookie = reply(headers=("set-cookie: session=1; path=/",))
    with ScriptedServer(serve(cookie, image())) as server:
        key = {"authorization": "Bearer sk-test", "x-goog-api-key": "sk-test"}
        call = Call(method="POST", url=server.url, headers=key, json={})
        await wire.send("acme", call, reply_timeout_s=2)
        blob = await wire.download(
            "acme", f"{server.url}/1.png?sig=a%2Fb%20c", allow_loopback=True
        )

    assert blob == Blob(PNG)
    assert server.requests[1].line == "GET /1.png?sig=a%2Fb%20c HTTP/1.1"
    assert set(server.requests[1].headers) == {
        "host",
        "accept",
        "accept-encoding",
        "user-agent",
    }


async def test_redirects_are_followed_to_the_image(wire: Wire) -> None:
    replies = (moved("/two"), moved("three"), image())
    with ScriptedServer(serve(*replies)) as server:
        blob = await wire.download("acme", f"{server.url}/one", allow_loopback=True)

    assert blob == Blob(PNG)
    assert [request.line.split()[1] for request in server.requests] == [
        "/one",
        "/two",
        "/three",
    ]


async def test_a_redirect_loop_ends(wire: Wire) -> None:
    with (
        ScriptedServer(serve(moved("/again"))) as server,
        pytest.raises(LinkLost, match="more than 5 hops"),
    ):
        await wire.download("acme", server.url, allow_loopback=True)

    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "target",
    [
        "http://10.0.0.7/1.png",
        "https://10.0.0.7/1.png",
        "https://[::ffff:169.254.169.254]/latest/meta-data",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/1.png",
        "http://[2002:7f00:1::]/1.png",
        "http://[64:ff9b::7f00:1]/1.png",
        "https://0.0.0.0/1.png",
        "file:///etc/passwd",
        "ftp://cdn.example/1.png",
    ],
)
async def test_a_redirect_to_where_no_image_is_public_is_refused(
    wire: Wire, target: str
) -> None:
    with ScriptedServer(serve(moved(target))) as server, pytest.raises(LinkLost):
        await wire.download("acme", server.url, allow_loopback=True)

    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "a.localhost"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_loopback_link_of_a_public_provider_is_refused(
    wire: Wire, scheme: str, host: str
) -> None:
    with ScriptedServer(serve(image())) as server, pytest.raises(LinkLost):
        await wire.download(
            "acme", f"{scheme}://{host}:{server.port}/", allow_loopback=False
        )

    assert server.connections == 0


class Web:
    """All the web, as a client sees it: answers by URL, and what was asked of it."""

    def __init__(self, patch: pytest.MonkeyPatch, **answers: httpx.Response) -> None:
        patch.delenv("BATCHGEN_LOOPBACK_ONLY", raising=False)
        self.requests: list[httpx.Request] = []
        self.answers: dict[str, httpx.Response] = {}
        self.answers.update(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answers.get(str(request.url)) or httpx.Response(404)

    @property
    def urls(self) -> list[str]:
        return [str(request.url) for request in self.requests]

    async def download(self, url: str, source: LinkSource | None) -> Blob:
        async with Wire(httpx.MockTransport(self), paid_hosts=True) as wire:
            return await wire.download("acme", url, source=source)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Web:
    return Web(monkeypatch)


def picture() -> httpx.Response:
    return httpx.Response(200, content=PNG)


@pytest.mark.parametrize(
    ("base_url", "link", "tried"),
    [
        pytest.param(
            "https://api.acme.example/v1",
            "http://cdn.example/1.png",
            "https://cdn.example/1.png",
            id="elsewhere",
        ),
        pytest.param(
            "https://api.acme.example/v1",
            "http://api.acme.example:80/1.png",
            "https://api.acme.example/1.png",
            id="own-host-that-speaks-https",
        ),
        pytest.param(
            "http://10.0.0.5:9000",
            "http://cdn.example/1.png",
            "https://cdn.example/1.png",
            id="elsewhere-from-a-private-network",
        ),
        pytest.param(
            "http://10.0.0.5:9000",
            "http://10.0.0.5:9001/1.png",
            "http://10.0.0.5:9001/1.png",
            id="own-host-that-the-job-allowed",
        ),
        pytest.param(
            "https://10.0.0.5/v1",
            "https://10.0.0.5:9001/1.png",
            "https://10.0.0.5:9001/1.png",
            id="own-private-host-over-https",
        ),
    ],
)
async def test_plain_http_is_followed_at_an_allowed_host_alone_and_else_tried_as_https(
    web: Web, base_url: str, link: str, tried: str
) -> None:
    web.answers[tried] = picture()

    assert await web.download(link, LinkSource(base_url)) == Blob(PNG)

    assert web.urls == [tried]


async def test_a_hop_to_plain_http_is_tried_as_https(web: Web) -> None:
    hop = {"location": "http://cdn.example/2.png"}
    web.answers["https://cdn.example/1.png"] = httpx.Response(302, headers=hop)
    web.answers["https://cdn.example/2.png"] = picture()

    assert await web.download("https://cdn.example/1.png", None) == Blob(PNG)


@pytest.mark.parametrize(
    ("base_url", "link"),
    [
        pytest.param("http://10.0.0.5", "http://10.0.0.6/1.png", id="other-private"),
        pytest.param("https://api.acme.example", "http://127.0.0.1/1.png", id="ours"),
        pytest.param("http://10.0.0.5", "http://169.254.169.254/x", id="metadata"),
        pytest.param("https://api.acme.example", "ftp://api.acme.example/1", id="ftp"),
    ],
)
async def test_another_host_of_a_private_network_stays_forbidden(
    web: Web, base_url: str, link: str
) -> None:
    with pytest.raises(LinkLost) as caught:
        await web.download(link, LinkSource(base_url))

    assert caught.value.is_final
    assert web.urls == []


async def test_the_internet_does_not_lead_back_to_the_providers_private_host(
    web: Web,
) -> None:
    hop = {"location": "http://10.0.0.5/2.png"}
    web.answers["https://cdn.example/1.png"] = httpx.Response(302, headers=hop)

    with pytest.raises(LinkLost, match=r"10\.0\.0\.5"):
        await web.download(
            "https://cdn.example/1.png", LinkSource("http://10.0.0.5:9000")
        )

    assert web.urls == ["https://cdn.example/1.png"]


# -- relative links


@pytest.mark.parametrize(
    ("link", "places"),
    [
        ("/files/x.png", ["/files/x.png", "/gate/v1/files/x.png"]),
        ("x.png?a=1", ["/gate/v1/x.png?a=1", "/x.png?a=1"]),
        ("//{host}/x.png", ["/x.png"]),
    ],
)
async def test_a_relative_link_joins_the_base_url(
    wire: Wire, link: str, places: list[str]
) -> None:
    replies = [reply(status="404 No") for _ in places[1:]]
    with ScriptedServer(serve(*replies, image())) as server:
        source = LinkSource(f"{server.url}/gate/v1")
        host = server.url.removeprefix("http://")
        blob = await wire.download("acme", link.format(host=host), source=source)

    assert blob == Blob(PNG)
    assert [request.line.split()[1] for request in server.requests] == places


async def test_a_relative_hop_joins_the_hop(wire: Wire) -> None:
    with ScriptedServer(serve(moved("two.png"), image())) as server:
        source = LinkSource(f"{server.url}/gate")
        await wire.download("acme", f"{server.url}/a/one.png", source=source)

    assert server.requests[1].line.split()[1] == "/a/two.png"


# -- the key

KEY = {"authorization": "Bearer sk-test", "x-goog-api-key": "sk-test"}


@pytest.mark.parametrize("status", ["401 Who", "403 No"])
async def test_the_providers_own_origin_gets_the_key_once_it_asks_for_it(
    wire: Wire, status: str
) -> None:
    with ScriptedServer(serve(reply(status=status), image())) as server:
        source = LinkSource(f"{server.url}/v1", KEY)
        blob = await wire.download("acme", "/files/1.png", source=source)

    assert blob == Blob(PNG)
    first, second = server.requests
    assert not KEY.keys() & first.headers.keys()
    assert KEY.items() <= second.headers.items()


async def test_a_redirect_is_not_followed_with_the_key(wire: Wire) -> None:
    replies = (reply(status="401 Who"), moved("/elsewhere"), image())
    with ScriptedServer(serve(*replies)) as server:
        source = LinkSource(server.url, KEY)
        with pytest.raises(LinkLost):
            await wire.download("acme", f"{server.url}/1.png", source=source)

    assert len(server.requests) == 2


async def test_no_redirect_leads_to_the_key(wire: Wire) -> None:
    replies = (moved("/two"), reply(status="401 Who"), image())
    with ScriptedServer(serve(*replies)) as server:
        source = LinkSource(server.url, KEY)
        with pytest.raises(LinkLost):
            await wire.download("acme", f"{server.url}/1.png", source=source)

    assert not [
        request for request in server.requests if KEY.keys() & request.headers.keys()
    ]


async def test_another_port_of_the_providers_host_does_not_get_the_key(
    wire: Wire,
) -> None:
    with ScriptedServer(answer(reply(status="401 Who"))) as server:
        source = LinkSource("http://127.0.0.1:9", KEY)
        with pytest.raises(LinkLost, match="401"):
            await wire.download("acme", f"{server.url}/1.png", source=source)

    assert not [
        request for request in server.requests if KEY.keys() & request.headers.keys()
    ]


@pytest.mark.parametrize("anyio_backend", ["trio", "asyncio"])
async def test_every_hop_is_judged_with_any_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("BATCHGEN_LOOPBACK_ONLY", raising=False)
    urls: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        urls.append(str(request.url))
        return httpx.Response(302, headers={"location": "https://192.168.0.1/"})

    async with Wire(httpx.MockTransport(respond), paid_hosts=True) as wire:
        with pytest.raises(LinkLost, match=r"192\.168\.0\.1"):
            await wire.download("acme", "https://cdn.example/1", allow_loopback=False)

    assert urls == ["https://cdn.example/1"]


async def test_the_internet_does_not_lead_back_to_our_own_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("BATCHGEN_LOOPBACK_ONLY", raising=False)
    hops = ["http://127.0.0.1:8/1", "https://cdn.example/1", "http://127.0.0.1:8/2"]
    urls: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        urls.append(str(request.url))
        return httpx.Response(302, headers={"location": hops[len(urls)]})

    async with Wire(httpx.MockTransport(respond), paid_hosts=True) as wire:
        with pytest.raises(LinkLost, match=r"127\.0\.0\.1 is no https link"):
            await wire.download("acme", hops[0], allow_loopback=True)

    assert urls == hops[:2]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_a_link_that_is_gone_is_lost(wire: Wire, status: int) -> None:
    with (
        ScriptedServer(answer(reply(status=f"{status} No"))) as server,
        pytest.raises(LinkLost, match=str(status)),
    ):
        await wire.download("acme", server.url, allow_loopback=True)


@pytest.mark.parametrize("status", [204, 408, 429, 500, 503])
async def test_what_may_pass_is_asked_again_when_the_host_says(
    wire: Wire, status: int
) -> None:
    data = reply(b"", status=f"{status} Later", headers=("retry-after: 7",))
    with (
        ScriptedServer(answer(data)) as server,
        pytest.raises(Incomplete, match=str(status)) as caught,
    ):
        await wire.download("acme", server.url, allow_loopback=True)

    assert caught.value.retry_after_s == 7.0


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(answer(image(PNG, length=len(PNG) + 1)), id="cut"),
        pytest.param(answer(b""), id="no-reply"),
        pytest.param(
            answer(reply(b"", headers=("content-encoding: gzip",))), id="gzip"
        ),
        pytest.param(lambda peer: peer.be_silent(), id="silence"),
        pytest.param(Peer.reset, id="reset"),
    ],
)
async def test_a_download_that_broke_off_is_incomplete(
    wire: Wire, script: Script
) -> None:
    with ScriptedServer(script) as server, pytest.raises(Incomplete):
        await wire.download("acme", server.url, allow_loopback=True)


async def test_one_byte_at_a_time_ends_at_the_overall_deadline() -> None:
    def script(peer: Peer) -> None:
        peer.receive()
        peer.say(image(b"", length=90_000))
        while not peer.stopped.wait(0.02):
            peer.say(b".")

    with ScriptedServer(script) as server:
        limits = replace(SMALL, transfer_s=0.2)
        async with Wire(paid_hosts=False, limits=limits) as wire:
            with pytest.raises(Incomplete):
                await wire.download("acme", server.url, allow_loopback=True)


def endless(peer: Peer) -> None:
    peer.receive()
    peer.say(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n\r\n")
    while True:
        peer.say(PNG)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(endless, id="endless"),
        pytest.param(answer(image(b"", length=200_000)), id="declared"),
    ],
)
async def test_an_image_beyond_the_limit_is_rejected(
    wire: Wire, script: Script
) -> None:
    with ScriptedServer(script) as server, pytest.raises(ImageRejected):
        await wire.download("acme", server.url, allow_loopback=True)


async def test_a_data_uri_is_read_without_any_host(wire: Wire) -> None:
    encoded = base64.b64encode(PNG).decode()

    for uri in (f"data:image/png;base64,{encoded}", f"DATA:;BASE64,{encoded}"):
        assert await wire.download("acme", uri, allow_loopback=False) == Blob(PNG)
    plain = await wire.download(
        "acme", "data:image/svg+xml,%3Csvg/", allow_loopback=False
    )
    assert plain == Blob(b"<svg/")


@pytest.mark.parametrize(
    "uri",
    ["data:image/png;base64,*", "data:image/png;base64,", "data:", "data:,"],
)
async def test_a_data_uri_that_holds_nothing_is_rejected(wire: Wire, uri: str) -> None:
    with pytest.raises(ImageRejected):
        await wire.download("acme", uri, allow_loopback=False)


async def test_a_data_uri_beyond_the_limit_is_rejected(wire: Wire) -> None:
    with pytest.raises(ImageRejected, match="too large"):
        await wire.download(
            "acme", "data:image/png;base64," + "A" * 200_000, allow_loopback=False
        )
