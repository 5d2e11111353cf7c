"""How long a reply asks us to wait, in every form that services write."""

from __future__ import annotations

import pytest

from batchgen.errors import AttemptError
from batchgen.model import Json, Reply
from batchgen.providers import PROVIDERS
from batchgen.providers._reply_waits import MAX_WAIT_S, requested_wait_s, retry_after_s

DATE = "Sat, 21 Nov 2026 08:00:00 GMT"  # 1795248000


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 2.5 ", 2.5),
        ("-7", 0.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Sat, 21 Nov 2026 08:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 07:00:30 GMT", 0.0),
        ("2026-11-21T08:00:05Z", 5.0),
        ("30s", 30.0),
        ("30 seconds", 30.0),
        ("2 min", 120.0),
        ("1500ms", 1.5),
        ("250 milliseconds", 0.25),
        ("1m30s", 90.0),
        ("1 h", MAX_WAIT_S),
        ("1795248002", 2.0),
        ("1795248002.5", 2.5),
        ("1795248002000", 2.0),
        ("1795247000", 0.0),
        ("86400", MAX_WAIT_S),
        ("99999999", MAX_WAIT_S),
        ("4102444800", MAX_WAIT_S),
        ("9" * 40, MAX_WAIT_S),
        ("1e300", MAX_WAIT_S),
        ("Fri, 01 Jan 2999 00:00:00 GMT", MAX_WAIT_S),
        ("30 parsecs", None),
    ],
)
def test_a_wait_is_a_short_finite_time_or_none(
    value: str, seconds: float | None
) -> None:
    assert retry_after_s({"retry-after": value, "date": DATE}) == seconds


def test_milliseconds_in_a_header_of_their_own_are_the_more_exact() -> None:
    headers = {"retry-after": "2", "retry-after-ms": "1250"}

    assert retry_after_s(headers) == 1.25
    assert retry_after_s({"retry-after-ms": "soon", "retry-after": "2"}) == 2.0


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"error": {"message": "Please try again in 20s."}}, 20.0),
        ({"error": {"message": "Please retry in 1m2.5s"}}, 62.5),
        ({"message": "Retry after 5 seconds"}, 5.0),
        ({"detail": "retry in 6ms"}, 0.006),
        ("Try again in 2 minutes", 120.0),
        ({"error": {"details": [{"retryDelay": "22s"}]}}, 22.0),
        ({"error": {"details": [{"retryDelay": "1e9s"}]}}, None),
        ({"error": {"retry_after": 3}}, 3.0),
        ({"retry_after_ms": 1500}, 1.5),
        ({"message": "Try again in 9000 hours"}, MAX_WAIT_S),
        ({"message": "Try again later"}, None),
        ({}, None),
    ],
)
def test_a_wait_may_stand_in_the_body(body: Json, seconds: float | None) -> None:
    assert requested_wait_s(Reply(429, {}, body)) == seconds


def test_the_longer_of_two_waits_is_kept() -> None:
    body: Json = {"error": {"message": "retry in 3s"}}

    assert requested_wait_s(Reply(429, {"retry-after": "9"}, body)) == 9.0
    assert requested_wait_s(Reply(429, {"retry-after": "1"}, body)) == 3.0


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("status", [429, 503])
def test_every_provider_reads_it_where_it_may_be_asked_again(
    name: str, status: int
) -> None:
    reply = Reply(status, {"retry-after": "4s"}, {"error": {"message": "slow down"}})

    with pytest.raises(AttemptError) as caught:
        PROVIDERS[name].decode(reply)

    assert caught.value.retry_after_s == 4.0
