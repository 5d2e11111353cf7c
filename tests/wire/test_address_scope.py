from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import islice

import httpx
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from batchgen.errors import Incomplete, LinkLost, SpecError, UsageError
from batchgen.model import Call
from batchgen.wire import AddressScope, address_scope, check_base_url
from batchgen.wire.proxies import find_proxy, read_proxies
from batchgen.wire.sender import Wire
from batchgen.wire.transport import AiohttpTransport, ScopedResolver
from tests.wire.server import ScriptedServer, reply, serve


class Answers(AbstractResolver):
    """Give each answer once, in turn, to whatever name is asked for."""

    def __init__(self, *addresses: str, at_once: int = 1) -> None:
        self._addresses: Iterator[str] = iter(addresses)
        self._at_once = at_once

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in islice(self._addresses, self._at_once)
        ]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "url",
    [
        "https://api.acme.example/v1",
        "https://10.0.0.7",
        "http://127.0.0.1:8000/acme",
        "http://localhost:8000",
        "http://[::1]:8000",
    ],
)
def test_https_anywhere_and_http_on_loopback_are_taken(url: str) -> None:
    check_base_url(url, allow_http=False)


@pytest.mark.parametrize(
    "url", ["http://10.0.0.7", "http://gpu-box:9000", "http://[fd00::1]:80"]
)
def test_http_on_a_private_network_needs_the_jobs_word(url: str) -> None:
    check_base_url(url, allow_http=True)

    with pytest.raises(SpecError, match="allow_http"):
        check_base_url(url, allow_http=False)


@pytest.mark.parametrize(
    "url",
    [
        "http://8.8.8.8",
        "http://0.0.0.0",
        "ftp://acme.example",
        "acme.example",
        "https://",
        "https://user:secret@acme.example",
        "https://acme.example/?key=1",
        "https://acme.example/\n",
    ],
)
def test_a_base_url_that_leaks_or_is_none_is_refused_whatever_the_job_says(
    url: str,
) -> None:
    with pytest.raises(SpecError) as caught:
        check_base_url(url, allow_http=True)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "public", "private"),
    [
        ("8.8.8.8", True, False),
        ("2606:4700::1111", True, False),
        ("64:ff9b::808:808", True, False),
        ("10.1.2.3", False, True),
        ("192.168.0.1", False, True),
        ("127.0.0.1", False, True),
        ("169.254.169.254", False, True),
        ("100.64.0.1", False, True),
        ("::1", False, True),
        ("fd00::1", False, True),
        ("fe80::1%eth0", False, True),
        ("fec0::1", False, True),
        ("::ffff:127.0.0.1", False, True),
        ("::ffff:10.0.0.1", False, True),
        ("64:ff9b::7f00:1", False, True),
        ("2002:7f00:1::", False, True),
        ("0.0.0.0", False, False),
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("ff02::1", False, False),
        ("240.0.0.1", False, False),
        ("no address", False, False),
    ],
)
def test_addresses_are_judged_by_what_they_lead_to(
    address: str, *, public: bool, private: bool
) -> None:
    assert address_scope.allows(AddressScope.PUBLIC, address) is public
    assert address_scope.allows(AddressScope.PRIVATE, address) is private


@pytest.mark.anyio
async def test_a_name_that_answers_differently_next_time_is_judged_again() -> None:
    resolver = ScopedResolver(Answers("8.8.8.8", "127.0.0.1"), AddressScope.PUBLIC)

    first = await resolver.resolve("cdn.example", 443)

    assert [answer["host"] for answer in first] == ["8.8.8.8"]
    with pytest.raises(address_scope.AddressForbidden, match=r"cdn\.example"):
        await resolver.resolve("cdn.example", 443)


@pytest.mark.anyio
async def test_a_public_name_that_leads_to_loopback_is_never_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("BATCHGEN_LOOPBACK_ONLY", raising=False)
    with ScriptedServer(serve(reply())) as server:
        transport = AiohttpTransport(resolver=Answers("127.0.0.1"))
        async with Wire(transport, paid_hosts=True) as wire:
            with pytest.raises(LinkLost):
                await wire.download(
                    "acme",
                    f"https://cdn.example:{server.port}/1.png",
                    allow_loopback=False,
                )

    assert server.connections == 0


@pytest.mark.anyio
async def test_a_connection_of_a_provider_is_not_taken_up_by_a_link(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("BATCHGEN_LOOPBACK_ONLY", raising=False)
    with ScriptedServer(serve(reply())) as server:
        transport = AiohttpTransport(resolver=Answers("127.0.0.1", "127.0.0.1"))
        url = f"http://cdn.example:{server.port}/"
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            anywhere = httpx.Request(
                "GET", url, extensions={"address_scope": AddressScope.ANY}
            )
            await (await client.send(anywhere)).aread()
            public = httpx.Request(
                "GET", url, extensions={"address_scope": AddressScope.PUBLIC}
            )
            with pytest.raises(address_scope.AddressForbidden):
                await client.send(public)

    assert len(server.requests) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("paid_hosts", [True, False])
async def test_a_closed_spend_guard_lets_nothing_leave_loopback(
    monkeypatch: pytest.MonkeyPatch, *, paid_hosts: bool
) -> None:
    monkeypatch.setenv("BATCHGEN_LOOPBACK_ONLY", "1")
    call = Call(method="POST", url="https://api.acme.example/buy", json={})

    async with Wire(paid_hosts=paid_hosts) as wire:
        with pytest.raises(UsageError, match=r"api\.acme\.example"):
            await wire.send("acme", call, reply_timeout_s=1)
        with pytest.raises(LinkLost, match=r"cdn\.example"):
            await wire.download("acme", "https://cdn.example/1", allow_loopback=True)


@pytest.mark.anyio
async def test_plain_http_never_leaves_the_private_network(wire: Wire) -> None:
    call = Call(method="POST", url="http://8.8.8.8/buy", json={})

    with pytest.raises(SpecError, match="nothing was sent"):
        await wire.send("acme", call, reply_timeout_s=1)


@pytest.mark.anyio
async def test_what_the_proxy_variables_say_is_done_save_for_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("BATCHGEN_LOOPBACK_ONLY", raising=False)
    with (
        ScriptedServer(serve(reply(b"{}", status="503 Down"))) as proxy,
        ScriptedServer(serve(reply(b"{}"))) as server,
    ):
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        async with Wire(paid_hosts=True) as wire:
            here = Call(method="GET", url=f"{server.url}/direct")
            await wire.send("acme", here, reply_timeout_s=2)
            there = Call(method="GET", url="http://10.9.8.7/tunnelled")
            reply_ = await wire.send("acme", there, reply_timeout_s=2)
            with pytest.raises(Incomplete):
                await wire.download(
                    "acme", "https://cdn.example/", allow_loopback=False
                )

    assert [request.line.split()[1] for request in server.requests] == ["/direct"]
    assert [request.line.split()[1] for request in proxy.requests] == [
        "http://10.9.8.7/tunnelled",
        "cdn.example:443",
    ]
    assert reply_.status == 503


def test_no_proxy_and_schemes_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "internal.example")

    proxies = read_proxies()

    def proxy_of(url: str) -> str | None:
        proxy = find_proxy(httpx.URL(url), proxies)
        return None if proxy is None else proxy.url

    assert proxy_of("https://acme.example/") == "http://proxy.example:3128"
    assert proxy_of("http://acme.example/") is None
    assert proxy_of("https://internal.example/") is None


def test_a_proxy_that_we_cannot_speak_to_is_named_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("BATCHGEN_LOOPBACK_ONLY", raising=False)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")

    with pytest.raises(SpecError, match="socks5"):
        Wire(paid_hosts=True)


def test_certificates_that_cannot_be_read_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")

    with pytest.raises(SpecError, match="SSL_CERT_FILE"):
        Wire(paid_hosts=True)
