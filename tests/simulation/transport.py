"""Requests that reach the simulated provider without a socket."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator

import anyio
import httpx

from tests.simulation.answer import Answer
from tests.simulation.power import Power
from tests.simulation.schedule import Schedule
from tests.simulation.service import Service
from tests.virtual import uncut_sleep

KEY = "key-of-the-night"


class SimulatedTransport(httpx.AsyncBaseTransport):
    """An httpx transport that honours the timeouts and `on_sent`, as our own does."""

    def __init__(self, schedule: Schedule, service: Service, power: Power) -> None:
        self._schedule = schedule
        self._service = service
        self._power = power
        self._rng = random.Random(f"network {schedule.seed}")
        self._refused: set[str] = set()  # links that did not download without the key
        self._underway = 0
        self.max_underway = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        limits = request.extensions["timeout"]
        await self._connect(limits["connect"])
        self._power.check("send")
        request.extensions.get("on_sent", lambda: None)()
        is_purchase = request.method == "POST"
        self._underway += is_purchase
        self.max_underway = max(self.max_underway, self._underway)
        try:
            answer = await self._exchange(request, limits["read"])
        finally:
            self._underway -= is_purchase
        self._power.check("reply")
        return httpx.Response(
            answer.status,
            headers={**answer.headers, "content-length": f"{len(answer.body)}"},
            stream=_Body(answer),
            request=request,
        )

    async def _connect(self, connect_s: float) -> None:
        if self._power.is_cut:
            self._power.check("send")
        outage = self._schedule.outage_at(anyio.current_time())
        if outage is not None and outage.kind == "refused":
            await anyio.sleep(0.01)
            raise httpx.ConnectError("connection refused")
        if outage is not None and outage.kind == "unreachable":
            await anyio.sleep(connect_s)
            raise httpx.ConnectTimeout("no answer")

    async def _exchange(self, request: httpx.Request, read_s: float) -> Answer:
        body = b"".join([chunk async for chunk in request.stream])  # type: ignore[union-attr]
        # What has left arrives, whatever becomes of who sent it.
        await uncut_sleep(self._rng.uniform(0.005, 0.2))
        path, has_key = request.url.path, "authorization" in request.headers
        may_have_key = path in self._refused
        prompt = _prompt_of(request, body, may_have_key=may_have_key)
        answer = self._service.answer(request.method, path, prompt)
        if not has_key and answer.status >= 400:
            self._refused.add(path)
        if answer.after_s > read_s:
            await anyio.sleep(read_s)
            self._power.check("reply")
            raise httpx.ReadTimeout("no answer")
        await anyio.sleep(answer.after_s)
        if answer.breaks is not None and answer.kept is None:
            self._power.check("reply")
            raise answer.breaks("broken")
        return answer


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        answer = self._answer
        if answer.breaks is None:
            yield answer.body
            answer.heard()
        else:
            yield answer.body[: answer.kept]
            raise answer.breaks("broken")


def _prompt_of(request: httpx.Request, body: bytes, *, may_have_key: bool) -> str:
    """Return what a purchase asks for; it must hold the key, and nothing else may.

    Only a link of the provider's own origin that was refused without the key is tried
    once more with it.
    """
    header = request.headers.get("authorization")
    is_image = "/images/" in request.url.path and request.method == "GET"
    with_key = f"Bearer {KEY}"
    is_right = header == (None if is_image else with_key)
    is_second_try = is_image and may_have_key and header == with_key
    assert is_right or is_second_try, "the key is not where it is"
    return str(json.loads(body)["prompt"]) if request.method == "POST" else ""
