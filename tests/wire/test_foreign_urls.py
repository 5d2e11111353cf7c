"""Whatever stands where a URL belongs, one row ends by it, in words of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given, settings

from batchgen.addresses.url import problem_of_url
from batchgen.errors import (
    AttemptError,
    Incomplete,
    LinkLost,
    NotConnected,
    RequestInvalid,
    SpecError,
)
from batchgen.model import Call
from batchgen.wire import LinkSource, check_base_url
from batchgen.wire.proxies import read_proxies
from batchgen.wire.sender import Wire
from batchgen.wire.transport import AiohttpTransport
from tests.addresses.test_url import ODD
from tests.wire.conftest import SMALL
from tests.wire.server import ScriptedServer, reply, serve

URLS = [
    pytest.param("https://a.example/x\ny", id="line-break"),
    pytest.param("https://\u200ba.example/x", id="zero-width"),
    pytest.param("https://a.example:abc/x", id="port-in-letters"),
    pytest.param("https://a.example:99999/x", id="port-too-high"),
    pytest.param("https://xn--a/x", id="idna-that-fails"),
    pytest.param("https:////]", id="bracket"),
    pytest.param("https://[zz]/x", id="no-ipv6"),
    pytest.param(r"https://a.example\x", id="backslash"),
    pytest.param("https://a..example/x", id="empty-label"),
    pytest.param(f"https://{'a' * 64}.example/x", id="long-label"),
    pytest.param("https://a.example/\ud800", id="half-a-character"),
    pytest.param(f"https://a.example/{'x' * 70_000}", id="long"),
]


class Nowhere(AbstractResolver):
    """Knows no name: what gets as far as this was a URL."""

    async def resolve(self, *_: object, **__: object) -> list[ResolveResult]:
        raise OSError("no such name")

    async def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def may_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BATCHGEN_LOOPBACK_ONLY", raising=False)


@pytest.fixture
async def secluded() -> AsyncIterator[Wire]:
    """A wire that may talk to anybody, and finds nobody."""
    transport = AiohttpTransport(use_proxy=False, resolver=Nowhere())
    async with Wire(transport, paid_hosts=True, limits=SMALL) as wire:
        yield wire


@pytest.mark.anyio
@pytest.mark.parametrize("source", [None, LinkSource("https://b.example/v1")])
@pytest.mark.parametrize("url", URLS)
async def test_a_link_that_is_no_url_is_lost_at_once(
    secluded: Wire, url: str, source: LinkSource | None
) -> None:
    with pytest.raises(LinkLost, match="cannot be followed"):
        await secluded.download("acme", url, source=source)


@pytest.mark.anyio
@pytest.mark.parametrize("url", URLS)
async def test_a_call_to_what_is_no_url_is_never_sent(secluded: Wire, url: str) -> None:
    with pytest.raises(RequestInvalid, match="cannot be used"):
        await secluded.send("acme", Call(method="GET", url=url), reply_timeout_s=1)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "location",
    [
        pytest.param("https:////]", id="bracket"),
        pytest.param("https://xn--a/x", id="idna-that-fails"),
        pytest.param("https://a.example:abc/x", id="port-in-letters"),
        pytest.param("//[zz]/x", id="no-ipv6"),
        pytest.param("http://a..example/\x7f", id="delete"),
        pytest.param("https://a.example:0/x", id="port-0"),
    ],
)
async def test_a_redirect_to_what_is_no_url_loses_the_link(
    wire: Wire, location: str
) -> None:
    redirect = reply(status="302 Found", headers=(f"location: {location}",))
    with (
        ScriptedServer(serve(redirect)) as server,
        pytest.raises(LinkLost, match="cannot be followed"),
    ):
        await wire.download("acme", server.url, allow_loopback=True)


@pytest.mark.slow
@given(url=ODD)
@settings(max_examples=500, deadline=None)
def test_whatever_the_judge_of_tables_lets_pass_can_be_asked_for(url: str) -> None:
    async def fetch() -> AttemptError | None:
        transport = AiohttpTransport(use_proxy=False, resolver=Nowhere())
        async with Wire(transport, paid_hosts=True, limits=SMALL) as wire:
            try:
                await wire.download("reference", url)
            except AttemptError as error:
                return error
        return None

    error = anyio.run(fetch)

    if problem_of_url(url) is None and isinstance(error, LinkLost):
        # Only for where it leads, never for how it is written.
        assert "address" in error.message
    else:
        assert isinstance(error, Incomplete | LinkLost)


@given(url=ODD)
@settings(max_examples=300, deadline=None)
def test_a_base_url_is_taken_or_refused_and_never_a_fault(url: str) -> None:
    async def ask() -> AttemptError | SpecError | None:
        transport = AiohttpTransport(use_proxy=False, resolver=Nowhere())
        async with Wire(transport, paid_hosts=True, limits=SMALL) as wire:
            try:
                await wire.send("a", Call(method="GET", url=url), reply_timeout_s=1)
            except (AttemptError, SpecError) as error:
                return error
        return None

    try:
        check_base_url(url, allow_http=False)
    except SpecError:
        return
    # An older aiohttp takes a host of digits alone for an address, which is refused.
    assert isinstance(anyio.run(ask), NotConnected | SpecError)


@pytest.mark.parametrize(
    "proxy",
    [
        pytest.param("http://[bad", id="bracket"),
        pytest.param("http://proxy:abc", id="port"),
        pytest.param("http://", id="no-host"),
        pytest.param("http://me:hunter2@a b", id="blank"),
        pytest.param("proxy:8080:1", id="two-ports"),
    ],
)
def test_a_proxy_that_is_no_address_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)

    with pytest.raises(SpecError, match="set HTTPS_PROXY to one like") as caught:
        read_proxies()

    assert "hunter2" not in str(caught.value)
