"""What is judged is the address that is connected to, whatever was written."""

from __future__ import annotations

import shutil

import pytest

from batchgen.errors import CertificateRejected, LinkLost, SpecError
from batchgen.model import Call
from batchgen.wire import AddressScope
from batchgen.wire.sender import Wire
from batchgen.wire.transport import AiohttpTransport, ScopedResolver
from tests.wire.bad_peers import PATIENT
from tests.wire.conftest import SMALL
from tests.wire.server import ScriptedServer, answer, reply, serve
from tests.wire.test_address_scope import Answers
from tests.wire.tls import Certificate, certify

pytestmark = pytest.mark.anyio

DISGUISED = {
    "decimal": "2130706433",
    "octal": "0177.0.0.1",
    "octal-without-dots": "017700000001",
    "hexadecimal": "0x7f000001",
    "hexadecimal-part": "0x7f.1",
    "short": "127.1",
    "zero": "0",
    "trailing-dot": "127.0.0.1.",
    "other-dots": "127。0。0。1",
    "all-addresses": "0.0.0.0",
    "all-addresses-6": "[::]",
    "mapped": "[::ffff:7f00:1]",
    "compatible": "[::127.0.0.1]",
    "translated": "[64:ff9b::7f00:1]",
    "6to4": "[2002:7f00:1::]",
    "scoped": "[::1%25lo]",
    "behind-a-user": "cdn.example@127.0.0.1",
    "behind-a-user-and-password": "cdn.example:443@127.0.0.1",
    "behind-a-backslash": "cdn.example\\@127.0.0.1",
    "metadata": "169.254.169.254",
    "metadata-6": "[fd00:ec2::254]",
    "link-local": "[fe80::1]",
    "name-in-capitals": "LOCALHOST",
    "name-with-a-dot": "localhost.",
}


@pytest.fixture
def open_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BATCHGEN_LOOPBACK_ONLY", raising=False)


@pytest.fixture
def older_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let aiohttp take whatever the system would read as an address."""
    name = "aiohttp.connector.is_canonical_ipv4_address"
    monkeypatch.setattr(name, lambda _: True, raising=False)


@pytest.mark.usefixtures("older_library")
@pytest.mark.parametrize("host", DISGUISED.values(), ids=DISGUISED)
async def test_no_way_to_write_it_makes_an_address_public(
    wire: Wire, host: str
) -> None:
    with ScriptedServer(serve(reply())) as server:
        link = f"https://{host}:{server.port}/1.png"
        with pytest.raises(LinkLost, match="cannot be followed"):
            await wire.download("acme", link, allow_loopback=False)

    assert server.connections == 0


@pytest.mark.usefixtures("open_guard")
@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.7",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "::1",
        "::",
        "fd00::1",
        "fe80::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
    ],
)
async def test_a_redirect_to_a_name_of_such_an_address_is_never_connected_to(
    address: str,
) -> None:
    with ScriptedServer(serve(reply())) as behind:
        link = f"https://cdn.example:{behind.port}/1.png"
        redirect = reply(status="302 Found", headers=(f"location: {link}",))
        transport = AiohttpTransport(resolver=Answers(address))
        with ScriptedServer(answer(redirect)) as provider:
            async with Wire(transport, paid_hosts=True, limits=SMALL) as wire:
                with pytest.raises(LinkLost, match=r"cdn\.example does not lead to a"):
                    await wire.download("acme", provider.url, allow_loopback=True)

    assert behind.connections == 0


@pytest.mark.usefixtures("open_guard")
async def test_a_name_that_leads_elsewhere_the_second_time_gets_nothing() -> None:
    # On a private network, because a test can be at home there.
    transport = AiohttpTransport(resolver=Answers("127.0.0.1", "240.0.0.1"))
    closing = reply(headers=("connection: close",))
    with ScriptedServer(answer(closing)) as server:
        buy = Call(method="POST", url=f"http://gpu-box:{server.port}/", json={})
        async with Wire(transport, paid_hosts=True, limits=SMALL) as wire:
            await wire.send("acme", buy, reply_timeout_s=2)
            for session in transport._sessions.values():
                session.connector.clear_dns_cache()  # type: ignore[union-attr]
            with pytest.raises(SpecError, match="gpu-box does not lead to a private"):
                await wire.send("acme", buy, reply_timeout_s=2)

    assert server.posts == 1


async def test_of_several_addresses_only_those_within_reach_are_tried() -> None:
    several = Answers("127.0.0.1", "8.8.8.8", "::1", at_once=3)

    results = await ScopedResolver(several, AddressScope.PUBLIC).resolve("cdn.example")

    assert [address["host"] for address in results] == ["8.8.8.8"]


@pytest.mark.usefixtures("open_guard")
async def test_a_proxy_is_not_asked_for_an_address_that_is_not_public(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ScriptedServer(serve(reply())) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        async with Wire(paid_hosts=True, limits=SMALL) as wire:
            for host in ("169.254.169.254", "10.0.0.7", "[::ffff:10.0.0.7]"):
                with pytest.raises(LinkLost, match="cannot be followed"):
                    await wire.download(
                        "acme", f"https://{host}/", allow_loopback=False
                    )

    assert proxy.connections == 0


async def test_a_user_in_a_link_is_not_told_to_its_host(wire: Wire) -> None:
    with ScriptedServer(answer(reply())) as server:
        link = server.url.replace("//", "//user:secret@")
        await wire.download("acme", link, allow_loopback=True)

    (request,) = server.requests
    assert "authorization" not in request.headers
    assert request.headers["host"] == f"127.0.0.1:{server.port}"


# -- whose certificates are trusted


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    return certify(tmp_path_factory.mktemp("tls"))


async def buy_over_tls(certificate: Certificate, name: str) -> ScriptedServer:
    """Buy from a name that leads to a server with this certificate."""
    transport = AiohttpTransport(resolver=Answers("127.0.0.1"))
    with ScriptedServer(certificate.over_tls(answer(reply()))) as server:
        url = f"https://{name}:{server.port}/"
        key = {"authorization": "Bearer sk-test"}
        call = Call(method="POST", url=url, headers=key, json={})
        async with Wire(transport, paid_hosts=True, limits=PATIENT) as wire:
            await wire.send("acme", call, reply_timeout_s=5)
    return server


@pytest.mark.usefixtures("open_guard")
@pytest.mark.parametrize(
    "variable",
    ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"],
)
async def test_a_certificate_that_the_environment_names_is_trusted(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    is_folder = variable == "SSL_CERT_DIR"
    named = certificate.folder if is_folder else certificate.file
    monkeypatch.setenv(variable, str(named))

    server = await buy_over_tls(certificate, "api.acme.example")

    assert server.posts == 1


@pytest.mark.usefixtures("open_guard")
@pytest.mark.parametrize(
    ("trusted", "name", "words"),
    [
        pytest.param(
            False, "api.acme.example", "is self-signed", id="signed-by-nobody-known"
        ),
        pytest.param(
            True, "api.other.example", "is for another name", id="of-another-name"
        ),
    ],
)
async def test_nothing_is_said_to_a_server_that_cannot_prove_its_name(
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    words: str,
    *,
    trusted: bool,
) -> None:
    monkeypatch.delenv("SSL_CERT_DIR")
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))

    with pytest.raises(CertificateRejected, match=rf"{name}: its certificate {words}"):
        await buy_over_tls(certificate, name)
