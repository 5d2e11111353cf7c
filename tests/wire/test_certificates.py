"""Which certificates are trusted, and what is said of those that cannot be used."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from batchgen.errors import SpecError
from batchgen.wire.certificates import (
    FILE_VARIABLES,
    create_tls_context,
    describe_trusted,
)
from tests.wire.tls_shop import Authority, found_authority

VARIABLES = (*FILE_VARIABLES, "SSL_CERT_DIR")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return found_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def trusted_count(context: ssl.SSLContext) -> int:
    return context.cert_store_stats()["x509"]


def write(content: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


@pytest.mark.parametrize("variable", FILE_VARIABLES)
@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda path: None, "is not there", id="missing"),
        pytest.param(lambda path: path.touch(), "is empty", id="empty"),
        pytest.param(write(b" \n"), "is empty", id="blank"),
        pytest.param(write(b"<html>no"), "is no PEM file", id="page"),
        pytest.param(write(b"0\x82\x01\x0a"), "openssl x509 -inform der", id="der"),
        pytest.param(
            write(b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"),
            "holds no certificate",
            id="key-alone",
        ),
        pytest.param(
            write(b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"),
            "holds a certificate that cannot be read",
            id="damaged",
        ),
        pytest.param(lambda path: os.mkfifo(path), "is no file", id="pipe"),
        pytest.param(
            lambda path: path.symlink_to(path), "cannot be read", id="loop-of-links"
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variable: str,
    make: Callable[[Path], None],
    words: str,
) -> None:
    path = tmp_path / "ca.pem"
    make(path)
    monkeypatch.setenv(variable, str(path))

    with pytest.raises(SpecError) as caught:
        create_tls_context()

    message = str(caught.value)
    assert message.startswith(f"{variable} names {path}, which ")
    assert words in message
    assert "Nothing was sent" in message


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda path: None, "is not there", id="missing"),
        pytest.param(lambda path: path.touch(), "is no folder", id="file"),
    ],
)
def test_a_folder_that_cannot_be_used_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    make: Callable[[Path], None],
    words: str,
) -> None:
    path = tmp_path / "certificates"
    make(path)
    monkeypatch.setenv("SSL_CERT_DIR", str(path))

    with pytest.raises(SpecError, match=rf"SSL_CERT_DIR names {path}, which {words}"):
        create_tls_context()


def test_of_several_folders_one_is_enough(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", f"/nowhere:{tmp_path}")

    create_tls_context()


@pytest.mark.parametrize("variable", FILE_VARIABLES)
def test_what_a_variable_names_stands_in_the_place_of_the_computers_own_list(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, variable: str
) -> None:
    monkeypatch.setenv(variable, str(authority.file))

    context = create_tls_context()

    assert trusted_count(context) == 1
    assert describe_trusted() == f"those in {authority.file} ({variable})"


def test_several_variables_add_up(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, tmp_path: Path
) -> None:
    other = found_authority(tmp_path / "other")
    monkeypatch.setenv("SSL_CERT_FILE", str(other.file))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(authority.file))

    assert trusted_count(create_tls_context()) == 2
    assert describe_trusted() == (
        f"those in {other.file} (SSL_CERT_FILE) and those in {authority.file} "
        "(REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE)"
    )


def test_without_a_variable_the_computers_own_list_counts() -> None:
    own = ssl.create_default_context().cert_store_stats()["x509_ca"]
    if not own:
        pytest.skip("this computer has no list")

    context = create_tls_context()

    assert context.cert_store_stats()["x509_ca"] == own
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "")

    assert "this computer's own list" in describe_trusted()
