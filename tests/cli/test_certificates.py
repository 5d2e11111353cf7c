"""A server that does not prove who it is gets nothing, and ends the run at once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
import trustme

from tests.cli.command import KEY, Ended, batchgen, money, table
from tests.wire.tls_shop import Authority, found_authority, sign_itself, tls_shop

HOST = "localhost"
PRICE = Decimal("0.05")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return found_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def manifest(tmp_path: Path) -> None:
    rows = [f"r{number},lamp {number}" for number in range(4)]
    (tmp_path / "m.csv").write_text("\n".join(["id,prompt", *rows, ""]))


def run(folder: Path, url: str, *options: str) -> Ended:
    words = ["run", "m.csv", "--provider", "openai", "--base-url", url]
    words += ["--price", f"{PRICE}", "--yes", "--quiet", *options]
    return batchgen(*words, at=folder, key=KEY)


def of_a_stranger(authority: Authority) -> trustme.LeafCert:
    return trustme.CA().issue_cert(HOST)


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        pytest.param(
            of_a_stranger, "comes from an unknown authority", id="unknown-authority"
        ),
        pytest.param(lambda entry: entry.expired(HOST), "has expired", id="expired"),
        pytest.param(
            lambda entry: entry.not_yet_valid(HOST),
            "is not valid yet",
            id="not-yet-valid",
        ),
        pytest.param(
            lambda entry: entry.certify("other.example"),
            "is for another name, not for this host",
            id="wrong-host",
        ),
    ],
)
def test_an_untrusted_certificate_ends_the_run_at_once_and_nothing_was_sent(
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    certificate: Callable[[Authority], trustme.LeafCert],
    words: str,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with tls_shop(certificate(authority)) as shop:
        ended = run(tmp_path, shop.at(HOST))

    assert ended.code == 1, ended
    assert shop.bill.requests == []
    assert f"no secure connection to {HOST}: its certificate {words}" in ended.stderr
    assert f"{authority.file} (SSL_CERT_FILE)" in ended.stderr
    rows = table(tmp_path / "out/m")
    assert set(rows["status"]) == {"pending"}
    assert money(rows, "at_risk_usd") == 0
    assert set(rows["attempts"]) == {0}
    assert "certificate_rejected" in set(rows["error"])


def test_a_certificate_that_signs_itself_is_told_apart_and_trusted_once_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = tmp_path / "server.pem"
    with tls_shop(sign_itself(certificate, tmp_path / "key.pem")) as shop:
        refused = run(tmp_path, shop.at(HOST))
        monkeypatch.setenv("CURL_CA_BUNDLE", str(certificate))
        ended = run(tmp_path, shop.at(HOST))

    assert (refused.code, ended.code) == (1, 0), (refused, ended)
    assert "is self-signed: no authority vouches for it" in refused.stderr
    assert "set SSL_CERT_FILE to the path" in refused.stderr
    assert shop.bill.sold == 4


def test_the_same_command_carries_on_once_the_authority_is_named(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tls_shop(authority.certify(HOST)) as shop:
        refused = run(tmp_path, shop.at(HOST))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
        ended = run(tmp_path, shop.at(HOST))

    assert (refused.code, ended.code) == (1, 0), (refused, ended)
    assert shop.bill.sold == 4
    assert money(table(tmp_path / "out/m"), "cost_usd") == 4 * PRICE


def test_a_certificate_that_changes_in_mid_run_ends_the_run_and_keeps_what_was_bought(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with tls_shop(authority.certify(HOST), changes_to=of_a_stranger(authority)) as shop:
        ended = run(tmp_path, shop.at(HOST), "--concurrency", "1")

    assert ended.code == 1, ended
    assert shop.bill.sold == 1
    assert "no secure connection to localhost" in ended.stderr
    rows = table(tmp_path / "out/m")
    assert sorted(rows["status"]) == ["pending"] * 3 + ["succeeded"]
    # One row met it, and no other was tried.
    assert rows["error"].to_list().count("certificate_rejected") == 1
    assert money(rows, "cost_usd") == PRICE
    assert money(rows, "at_risk_usd") == 0


@pytest.mark.parametrize(
    "variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]
)
def test_certificates_that_are_not_there_are_named_before_anything_is_sent(
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    monkeypatch.setenv(variable, "/nowhere/ca.pem")
    with tls_shop(authority.certify(HOST)) as shop:
        ended = run(tmp_path, shop.at(HOST))

        checked = batchgen("check", "m.csv", "--provider", "openai", at=tmp_path)

    assert ended.code == 1
    assert shop.bill.requests == []
    words = f"{variable} names /nowhere/ca.pem, which is not there"
    assert words in ended.message
    assert f"`run` would stop before anything is sent: {words}" in checked.stdout


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem", "names /nowhere/ca.pem, which is"),
        ("HTTPS_PROXY", "socks5://proxy.example:1080", "names a socks5 proxy, which"),
    ],
)
def test_a_rehearsal_goes_on_and_says_what_would_stop_the_real_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    words: str,
) -> None:
    monkeypatch.setenv(variable, value)

    ended = batchgen(
        "run",
        "m.csv",
        "--provider",
        "openai",
        "--rehearse",
        "--limit",
        "1",
        at=tmp_path,
    )

    assert ended.code == 0, ended
    assert f"the real run would stop: {variable} {words}" in ended.stderr
