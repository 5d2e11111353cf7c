from __future__ import annotations

import httpx
import pytest

from batchgen.errors import Incomplete, NotConnected, OutcomeUnknown, SpecError
from batchgen.wire import exchange_errors
from batchgen.wire.address_scope import AddressForbidden

HTTPX_ERRORS: set[type[Exception]] = {
    each
    for each in vars(httpx).values()
    if isinstance(each, type) and issubclass(each, Exception)
}
BY_NAME = sorted(HTTPX_ERRORS, key=lambda each: each.__name__)
NEVER_SENT = {
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.InvalidURL,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
}


def test_every_error_of_httpx_has_its_place() -> None:
    assert set(exchange_errors.MAY_HAVE_BEEN_SENT) == HTTPX_ERRORS
    assert all(issubclass(kind, exchange_errors.HTTPX_ERRORS) for kind in HTTPX_ERRORS)


@pytest.mark.parametrize("kind", BY_NAME)
def test_only_errors_from_before_the_first_byte_say_that_nothing_was_sent(
    kind: type[Exception],
) -> None:
    ours = exchange_errors.purchase_error("acme", "host", kind.__new__(kind))

    assert type(ours) is (NotConnected if kind in NEVER_SENT else OutcomeUnknown)


def test_an_error_that_nobody_knows_yet_may_have_bought_something() -> None:
    class NewTransportError(httpx.TransportError):
        pass

    ours = exchange_errors.purchase_error("acme", "host", NewTransportError("new"))

    assert isinstance(ours, OutcomeUnknown)


def test_a_forbidden_base_url_is_the_users_to_fix() -> None:
    ours = exchange_errors.purchase_error("acme", "host", AddressForbidden("no"))

    assert isinstance(ours, SpecError)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "Cannot connect to host api.acme.example:443 ssl:default [Name not known]",
            "Name not known",
        ),
        ("Server disconnected", "Server disconnected"),
        ("", "ConnectError"),
    ],
    ids=["host-and-tls-named-again", "plain", "without-words"],
)
def test_what_failed_is_said_without_what_only_a_programmer_knows(
    text: str, words: str
) -> None:
    ours = exchange_errors.purchase_error(
        "acme", "api.acme.example", httpx.ConnectError(text)
    )

    assert ours.message == f"no connection to api.acme.example: {words}"  # type: ignore[union-attr]


def test_a_download_that_broke_off_buys_nothing_when_asked_again() -> None:
    ours = exchange_errors.download_error("acme", "host", httpx.ReadError("cut"))

    assert isinstance(ours, Incomplete)
