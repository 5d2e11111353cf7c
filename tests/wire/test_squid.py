"""What Squid of Debian makes of requests, and what batchgen makes of its answers."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from batchgen.errors import (
    CertificateRejected,
    Incomplete,
    NotConnected,
    ProxyRejected,
)
from batchgen.model import Call
from batchgen.wire.sender import Wire
from tests.daemons import free_port
from tests.daemons.squid import Squid, squid
from tests.daemons.tls import tls_before
from tests.wire.tls_shop import NAME, Authority, TlsShop, found_authority, tls_shop

pytestmark = pytest.mark.anyio

USER, PASSWORD = "me", "p@ss/w0rd#1"
WRONG = "w0rd@pass/2#"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return found_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def shop(authority: Authority) -> Iterator[TlsShop]:
    with tls_shop(authority.certify(NAME)) as running:
        yield running


@pytest.fixture(scope="module")
def guarded() -> Iterator[Squid]:
    """A proxy that asks for a password."""
    with squid([NAME], login=(USER, quote(PASSWORD, safe="@/"))) as running:
        yield running


@pytest.fixture(scope="module")
def strict() -> Iterator[Squid]:
    """A proxy that forbids some hosts, and does not find others."""
    rules = "acl evil dstdomain forbidden.example\nhttp_access deny evil"
    with squid([NAME, "forbidden.example", "closed.example"], rules=rules) as running:
        yield running


@pytest.fixture(autouse=True)
def open_guard(monkeypatch: pytest.MonkeyPatch, authority: Authority) -> None:
    """Let requests for made-up names go to the proxy, which is on loopback."""
    monkeypatch.delenv("BATCHGEN_LOOPBACK_ONLY")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))


def with_login(url: str, password: str) -> str:
    scheme, _, address = url.partition("://")
    return f"{scheme}://{USER}:{quote(password, safe='')}@{address}"


async def buy(url: str) -> int:
    call = Call(method="POST", url=f"{url}/images/generations", json={"prompt": "a"})
    async with Wire(paid_hosts=True) as wire:
        return (await wire.send("acme", call, reply_timeout_s=10)).status


async def test_a_purchase_goes_through_with_the_right_password(
    monkeypatch: pytest.MonkeyPatch, shop: TlsShop, guarded: Squid
) -> None:
    monkeypatch.setenv("https_proxy", with_login(guarded.url, PASSWORD))
    sales = shop.bill.sold

    assert await buy(shop.at(NAME)) == 200
    assert shop.bill.sold == sales + 1


@pytest.mark.parametrize("is_tls", [True, False], ids=["https", "http"])
@pytest.mark.parametrize(
    ("password", "words"),
    [
        pytest.param(None, "wants a user name and a password", id="none"),
        pytest.param(
            WRONG, "does not accept the user name and the password", id="wrong"
        ),
    ],
)
async def test_a_password_that_is_refused_stops_all_and_stands_nowhere(
    monkeypatch: pytest.MonkeyPatch,
    guarded: Squid,
    shop: TlsShop,
    password: str | None,
    words: str,
    *,
    is_tls: bool,
) -> None:
    named = with_login(guarded.url, password) if password else guarded.url
    monkeypatch.setenv("ALL_PROXY", named)
    url = shop.at(NAME) if is_tls else f"http://{NAME}:{free_port()}"
    sales = shop.bill.sold

    with pytest.raises(ProxyRejected) as caught:
        await buy(url)

    place = f"127.0.0.1:{guarded.port} (ALL_PROXY)"
    assert f"the proxy {place} {words}" in str(caught.value)
    assert "set ALL_PROXY to http://user:password@host:port" in str(caught.value)
    text = "".join(traceback.format_exception(caught.value))
    assert WRONG not in text
    assert quote(WRONG, safe="") not in text
    assert shop.bill.sold == sales


@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_a_host_that_the_proxy_forbids_is_named_with_the_ways_out(
    monkeypatch: pytest.MonkeyPatch, strict: Squid, scheme: str
) -> None:
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", strict.url)

    with pytest.raises(ProxyRejected) as caught:
        await buy(f"{scheme}://forbidden.example")

    message = caught.value.message
    assert "does not allow connections to forbidden.example (HTTP 403)" in message
    assert f"name another proxy in {scheme.upper()}_PROXY" in message
    assert "NO_PROXY=forbidden.example" in message


@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_a_host_that_the_proxy_does_not_reach_got_nothing(
    monkeypatch: pytest.MonkeyPatch, strict: Squid, scheme: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", strict.url)

    with pytest.raises(NotConnected, match="opens no connection to it") as caught:
        await buy(f"{scheme}://closed.example:{free_port()}")

    assert f"127.0.0.1:{strict.port} (ALL_PROXY)" in caught.value.message


async def test_a_proxy_that_died_sent_nothing_and_is_named(
    monkeypatch: pytest.MonkeyPatch, shop: TlsShop
) -> None:
    sales = shop.bill.sold
    with squid([NAME]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert await buy(shop.at(NAME)) == 200

    with pytest.raises(NotConnected, match="cannot be reached") as caught:
        await buy(shop.at(NAME))

    assert f"127.0.0.1:{proxy.port} (HTTPS_PROXY)" in caught.value.message
    assert shop.bill.sold == sales + 1


async def test_a_proxy_over_tls_is_used_if_its_certificate_is_trusted(
    monkeypatch: pytest.MonkeyPatch,
    authority: Authority,
    shop: TlsShop,
    guarded: Squid,
    tmp_path: Path,
) -> None:
    pem = tmp_path / "proxy.pem"
    leaf = authority.certify("localhost")
    leaf.private_key_and_cert_chain_pem.write_to_path(str(pem))
    sales = shop.bill.sold
    with tls_before(tmp_path / "haproxy", guarded.port, pem) as port:
        url = with_login(f"https://localhost:{port}", PASSWORD)
        monkeypatch.setenv("HTTPS_PROXY", url)
        assert await buy(shop.at(NAME)) == 200
        other = found_authority(tmp_path / "other")
        monkeypatch.setenv("SSL_CERT_FILE", str(other.file))
        with pytest.raises(CertificateRejected) as caught:
            await buy(shop.at(NAME))

    place = f"the proxy localhost:{port} (HTTPS_PROXY)"
    assert f"no secure connection to {place}" in caught.value.message
    assert PASSWORD not in str(caught.value)
    assert shop.bill.sold == sales + 1


async def test_a_link_behind_a_proxy_that_refuses_is_that_links_trouble(
    monkeypatch: pytest.MonkeyPatch, strict: Squid
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", strict.url)
    async with Wire(paid_hosts=True) as wire:
        with pytest.raises(Incomplete, match="does not allow connections"):
            await wire.download("acme", "https://forbidden.example/1.png")


async def test_a_link_whose_host_is_not_trusted_is_that_links_trouble(
    monkeypatch: pytest.MonkeyPatch,
    authority: Authority,
    shop: TlsShop,
    strict: Squid,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", strict.url)
    other = found_authority(tmp_path / "other")
    monkeypatch.setenv("SSL_CERT_FILE", str(other.file))
    async with Wire(paid_hosts=True) as wire:
        with pytest.raises(Incomplete) as caught:
            await wire.download("acme", f"{shop.at(NAME)}/1.png")

    assert f"no secure connection to {NAME}" in caught.value.message
    assert "set SSL_CERT_FILE" in caught.value.message
