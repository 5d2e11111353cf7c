"""Which proxy is taken for which host, and what of it is said and what never is."""

from __future__ import annotations

import httpx
import pytest

from batchgen.errors import SpecError
from batchgen.wire.proxies import find_proxy, proxy_logins, read_proxies

PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def https_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)


@pytest.mark.parametrize(
    ("no_proxy", "url", "is_direct"),
    [
        pytest.param("acme.example", "https://acme.example/", True, id="host"),
        pytest.param("acme.example", "https://ACME.example./", True, id="spelling"),
        pytest.param("acme.example", "https://api.acme.example/", True, id="below"),
        pytest.param("acme.example", "https://notacme.example/", False, id="other"),
        pytest.param(".acme.example", "https://api.acme.example/", True, id="dot"),
        pytest.param(".acme.example", "https://acme.example/", True, id="dot-itself"),
        pytest.param("*.acme.example", "https://api.acme.example/", True, id="star"),
        pytest.param("a.test, acme.example", "https://acme.example", True, id="list"),
        pytest.param("a.test acme.example", "https://acme.example", True, id="blank"),
        pytest.param("*", "https://acme.example/", True, id="all"),
        pytest.param("", "https://acme.example/", False, id="empty"),
        pytest.param(",", "https://acme.example/", False, id="comma-alone"),
        pytest.param("acme.example:443", "https://acme.example/", True, id="port"),
        pytest.param("acme.example:8443", "https://acme.example/", False, id="no-port"),
        pytest.param("acme.example:8443", "https://acme.example:8443", True, id="8443"),
        pytest.param("10.0.0.0/8", "https://10.9.8.7/", True, id="cidr"),
        pytest.param("10.0.0.0/8", "https://11.9.8.7/", False, id="outside-cidr"),
        pytest.param("10.9.8.7", "https://10.9.8.7/", True, id="address"),
        pytest.param("10.9.8.7:1", "https://10.9.8.7/", False, id="address-and-port"),
        pytest.param("fd00::/8", "https://[fd00::1]/", True, id="cidr-of-ipv6"),
        pytest.param("[fd00::1]:443", "https://[fd00::1]/", True, id="ipv6-and-port"),
        pytest.param("10.0.0.0/8", "https://acme.example/", False, id="cidr-no-name"),
        pytest.param("10.0.0.0/99", "https://10.9.8.7/", False, id="no-network"),
        pytest.param("", "https://localhost/", True, id="this-machine"),
    ],
)
def test_no_proxy_is_read_as_curl_and_others_read_it(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str, *, is_direct: bool
) -> None:
    monkeypatch.setenv("NO_PROXY", no_proxy)

    proxy = find_proxy(httpx.URL(url), read_proxies())

    assert (proxy is None) is is_direct


@pytest.mark.parametrize(
    ("set_to", "variable"),
    [
        pytest.param({"https_proxy": PROXY}, "https_proxy", id="lower-case"),
        pytest.param({"HTTPS_PROXY": PROXY}, "HTTPS_PROXY", id="upper-case"),
        pytest.param({"ALL_PROXY": PROXY}, "ALL_PROXY", id="for-all"),
        pytest.param(
            {"ALL_PROXY": "http://other.example", "https_proxy": PROXY},
            "https_proxy",
            id="both",
        ),
        pytest.param(
            {"HTTPS_PROXY": "http://other.example", "https_proxy": PROXY},
            "https_proxy",
            id="lower-case-first",
        ),
    ],
)
def test_the_variable_that_counts_is_the_one_that_is_named(
    monkeypatch: pytest.MonkeyPatch, set_to: dict[str, str], variable: str
) -> None:
    monkeypatch.delenv("HTTPS_PROXY")
    for name, value in set_to.items():
        monkeypatch.setenv(name, value)

    proxy = read_proxies()["https"]

    assert proxy.place == f"proxy.example:3128 ({variable})"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("http://me:hunter2#x@proxy.example:3128", id="hash"),
        pytest.param("http://me:hunter2/x@proxy.example:3128", id="slash"),
        pytest.param("http://me:hunter2?x@proxy.example:3128", id="question-mark"),
        pytest.param("http://me:hunter2@", id="no-host"),
        pytest.param("http://me:hunter2@proxy.example:port", id="port"),
        pytest.param("http://me:hunter2@proxy.example:3128/path", id="path"),
        pytest.param("me:hunter2@[proxy]:3128", id="no-scheme"),
        pytest.param("http://m%3Ae:hunter2@proxy.example", id="colon-in-user"),
        pytest.param("socks5://me:hunter2@proxy.example:1080", id="socks"),
        pytest.param("me:hunter2@proxy.example://x", id="no-scheme-at-all"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable_alone(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", text)

    with pytest.raises(
        SpecError, match=r"set HTTPS_PROXY to .*Nothing was sent"
    ) as caught:
        read_proxies()

    assert "hunter2" not in str(caught.value)


def test_a_password_is_decoded_and_kept_apart_from_the_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://m%C3%BCller:p%40ss:w%2Frd@proxy.example")

    proxy = read_proxies()["https"]

    assert proxy.url == "http://proxy.example"
    assert proxy.login is not None
    assert (proxy.login.user, proxy.login.password) == ("müller", "p@ss:w/rd")
    assert "ss:w" not in repr(proxy)
    assert proxy.login.as_basic == "Basic bcO8bGxlcjpwQHNzOncvcmQ="


@pytest.mark.parametrize(
    "variable",
    [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ],
)
@pytest.mark.parametrize(
    "text",
    ["http://me:p%40ss@proxy.example:3128", "me:p%40ss@proxy.example", "//me:p%40ss@"],
    ids=["whole", "no-scheme", "broken"],
)
def test_each_password_in_the_environment_is_known_whether_or_not_it_is_used(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)

    passwords = {login.password for login in proxy_logins()}

    assert {"p@ss", "p%40ss"} <= passwords
