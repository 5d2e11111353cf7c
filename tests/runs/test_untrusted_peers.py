"""A certificate that stops being trusted in mid-run: for polls and questions, too."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from batchgen.limits import CircuitBreaker
from batchgen.model import State, Status
from batchgen.wire.connect_errors import CertificateUntrusted
from batchgen.wire.transport import AiohttpTransport
from tests.runs.desk import Desk, rows, statuses
from tests.runs.shop import refused

pytestmark = pytest.mark.anyio

Distrust = Callable[[str], None]


@pytest.fixture
def distrust(monkeypatch: pytest.MonkeyPatch) -> Distrust:
    """Return what lets no request with a path that holds a word get a connection."""
    send = AiohttpTransport.handle_async_request

    def choose(word: str) -> None:
        async def judged(
            transport: AiohttpTransport, request: httpx.Request
        ) -> httpx.Response:
            if word and word in f"{request.method} {request.url.path}":
                raise CertificateUntrusted("no secure connection to the shop: expired")
            return await send(transport, request)

        monkeypatch.setattr(AiohttpTransport, "handle_async_request", judged)

    return choose


async def test_a_task_waits_in_the_ledger_until_its_server_is_trusted_again(
    desk: Desk, distrust: Distrust
) -> None:
    distrust("/tasks/")

    stopped = await desk.run()

    assert [error.kind for error in stopped.stopped] == ["certificate_rejected"]
    assert statuses(stopped) == {Status.PENDING: 1}
    assert [attempt.state for attempt in desk.attempts()] == [State.ACCEPTED]
    desk.check_money()

    distrust("")
    carried_on = await desk.run()

    assert statuses(carried_on) == {Status.SUCCEEDED: 1}
    assert len(desk.shop.buys) == 1
    desk.check_money()


async def test_a_question_that_meets_an_untrusted_server_ends_no_row(
    desk: Desk, distrust: Distrust, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CircuitBreaker, "FIRST_S", 0.01)
    monkeypatch.setattr(CircuitBreaker, "LONGEST_S", 0.02)
    monkeypatch.setattr(CircuitBreaker, "RISK_S", 0.05)
    desk.shop.buy = lambda _: refused(503)
    distrust("GET ")

    # Its last try waits until the server answers something that buys nothing.
    outcome = await desk.run(max_attempts=2)

    assert [error.kind for error in outcome.stopped] == ["certificate_rejected"]
    assert statuses(outcome) == {Status.PENDING: 1}
    assert len(desk.shop.buys) == 1


async def test_a_purchase_that_meets_an_untrusted_server_ends_no_row(
    desk: Desk, distrust: Distrust
) -> None:
    desk.write(*rows(2))
    distrust("POST ")

    outcome = await desk.run()

    assert [error.kind for error in outcome.stopped] == ["certificate_rejected"]
    assert statuses(outcome) == {Status.PENDING: 2}
    assert {attempt.state for attempt in desk.attempts()} == {State.REJECTED}
    assert desk.shop.requests == []
    desk.check_money()
