"""Two providers in memory that charge as much as they may and answer in a bad order.

One sells at once and charges in credits; the other sells up to four images by a task.
Both keep their own books, and answer in whatever order the case asks for.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx

from tests.simulation.answer import Answer, draw_png, json_answer, picture
from tests.simulation.power import Power

HOST = "http://127.0.0.1:9"
KEY = "key-of-the-till"
UNIT = 1000
"""Nano-dollars; what is charged is a multiple of it."""

Prices = Mapping[tuple[str, str], int]
"""By provider and resolution: what one image costs at most, in units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goods:
    """One row of the manifest, as it is to be sold."""

    prompt: str
    provider: str
    resolution: str
    n: int
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How the providers behave.

    Attributes:
        order: Which replies come first.
        charges: How much of the ceiling is charged.
        lost: Share of replies that are lost on the way, or of tasks that fail.
        empty: Share of answers without an image, which are charged.
        refused: Share of requests that are turned away before anything is sold.
    """

    order: str
    charges: str
    lost: float
    empty: float
    refused: float


@dataclass(slots=True, kw_only=True)
class Sale:
    """One purchase in the books; `at` is when its request left, in seconds."""

    number: int
    at: float
    goods: Goods
    images: int
    nano: int
    ready_at: float = 0.0
    fails: bool = False


@dataclass(slots=True)
class Till(httpx.AsyncBaseTransport):
    """The way to both providers, and their books."""

    goods: Mapping[str, Goods]
    ceilings: Prices
    habits: Habits
    power: Power
    rng: random.Random
    sales: list[Sale] = field(default_factory=list)
    underway: int = 0
    max_underway: int = 0

    @property
    def billed(self) -> int:
        return sum(sale.nano for sale in self.sales)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.power.check("send")
        request.extensions.get("on_sent", lambda: None)()
        at = anyio.current_time()
        body = b"".join([chunk async for chunk in request.stream])  # type: ignore[union-attr]
        with anyio.CancelScope(shield=True):  # what has left arrives
            await anyio.sleep(self.rng.uniform(0.005, 0.2))
        if request.method == "POST":
            self.underway += 1
            self.max_underway = max(self.max_underway, self.underway)
            try:
                answer = await self._after(self._sell(at, json.loads(body)))
            finally:
                self.underway -= 1
        else:
            answer = await self._after(self._shown(request.url.path))
        self.power.check("reply")
        return httpx.Response(
            answer.status, headers=answer.headers, content=answer.body, request=request
        )

    async def _after(self, answer: Answer) -> Answer:
        await anyio.sleep(answer.after_s)
        if answer.breaks is not None:
            self.power.check("reply")
            raise answer.breaks("broken")
        return answer

    # -- what is sold

    def _sell(self, at: float, body: Mapping[str, Any]) -> Answer:
        habits, goods = self.habits, self.goods[body["prompt"]]
        if self.rng.random() < habits.refused:
            return json_answer(self.rng.choice([429, 500]), {"message": "not now"})
        images = int(body.get("n", 1))
        ceiling = images * self.ceilings[goods.provider, goods.resolution]
        sale = Sale(
            number=len(self.sales) + 1,
            at=at,
            goods=goods,
            images=images,
            nano=UNIT * self._charge(ceiling),
        )
        self.sales.append(sale)
        if goods.provider == "gccai":
            return self._accept(sale, ceiling)
        after_s = self._lasts_s(sale, ceiling)
        if self.rng.random() < habits.lost:
            return Answer(after_s=after_s, breaks=httpx.ReadError)
        is_empty = self.rng.random() < habits.empty
        links = [] if is_empty else [{"url": f"{HOST}/images/{sale.number}-1.png"}]
        usage = {"usage": {"credits_used": sale.nano // 500}}
        words = {"message": "nothing came of it"} if is_empty else {}
        document = {"data": links, "meta": usage} | words
        return _late(json_answer(200, document), after_s)

    def _charge(self, ceiling: int) -> int:
        match self.habits.charges:
            case "ceiling":
                return ceiling
            case "low":
                return ceiling if self.rng.random() < 0.1 else ceiling // 3
            case _:
                return self.rng.randint(0, ceiling)

    def _lasts_s(self, sale: Sale, ceiling: int) -> float:
        """Return when a reply comes; the order is the adversary's weapon."""
        dearest = 4 * max(self.ceilings.values())
        now, noise = anyio.current_time(), self.rng.uniform(0.0, 1.0)
        match self.habits.order:
            case "dearest last":
                return 2.0 + 60.0 * ceiling / dearest + noise
            case "cheapest charge last":
                return 62.0 - 60.0 * sale.nano / (UNIT * dearest) + noise
            case "latest first":
                return 60.0 - now % 50.0 + noise
            case "all at once":
                return 30.0 - now % 30.0
            case _:
                return 2.0 + 58.0 * noise

    def _accept(self, sale: Sale, ceiling: int) -> Answer:
        if self.rng.random() < self.habits.lost:
            return Answer(after_s=1.0, breaks=httpx.ReadError)
        sale.ready_at = anyio.current_time() + self._lasts_s(sale, ceiling)
        sale.fails = self.rng.random() < self.habits.empty
        return _late(json_answer(200, {"code": 200, "data": self._task(sale)}), 0.5)

    def _task(self, sale: Sale) -> dict[str, object]:
        document: dict[str, object] = {"task_id": f"task-{sale.number}"}
        if anyio.current_time() < sale.ready_at:
            return document | {"status": "processing"}
        if sale.fails:
            # Of what a failure costs it says nothing, and takes the money.
            return document | {"status": "failed", "error": {"message": "it broke"}}
        names = [f"{sale.number}-{index + 1}.png" for index in range(sale.images)]
        links = [{"url": [f"{HOST}/images/{name}"]} for name in names]
        cost = {"credits_cost": sale.nano // UNIT} if sale.nano else {}
        return document | {"status": "completed", "result": {"images": links}} | cost

    def _shown(self, path: str) -> Answer:
        name = path.rpartition("/")[2]
        if "/images/" in path:
            return _late(picture(draw_png(name)), self.rng.uniform(0.01, 0.5))
        sale = self.sales[int(name.removeprefix("task-")) - 1]
        return json_answer(200, {"code": 200, "data": self._task(sale)})


def _late(answer: Answer, after_s: float) -> Answer:
    return Answer(
        status=answer.status, body=answer.body, headers=answer.headers, after_s=after_s
    )
