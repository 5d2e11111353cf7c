"""A provider in memory: it sells, limits, fails by a schedule, and keeps its own books.

Everything that it does is drawn from the seed in the order in which requests arrive.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf

import httpx

from tests.simulation.answer import PAGE, SILENCE, Answer, draw_png, page, picture
from tests.simulation.schedule import Schedule
from tests.simulation.shapes import SHAPES, Purchase

HOST = "http://127.0.0.1:9"
FORBIDDEN = "forbidden"
WINDOW_S = 60.0
DOUBTS = 2
"""Passing troubles of one task, and broken downloads of one image, at most."""

LOSSES = (httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError)


@dataclass(slots=True)
class Books:
    """What the provider wrote down.

    Attributes:
        arrivals: When requests to buy arrived, whatever became of them.
        throttled: How many of them were answered by 429.
    """

    purchases: list[Purchase] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    requests: int = 0
    throttled: int = 0

    @property
    def billed(self) -> int:
        return sum(purchase.billed for purchase in self.purchases)


class Service:
    """One provider; `answer` is its whole interface.

    Args:
        schedule: How it fails.
        clock: Seconds of the night.
    """

    def __init__(self, schedule: Schedule, clock: Callable[[], float]) -> None:
        self.books = Books()
        self._schedule = schedule
        self._clock = clock
        self._rng = random.Random(f"service {schedule.seed}")
        self._shape = SHAPES[schedule.provider]
        self._log = hashlib.sha256()
        self._taken: deque[float] = deque()
        self._busy: list[float] = []
        self._sold: dict[int, int] = {}
        self._tasks: dict[str, Purchase] = {}
        self._links: dict[str, tuple[Purchase, float]] = {}

    @property
    def digest(self) -> str:
        """Of all requests and replies so far, with their times."""
        return self._log.hexdigest()[:16]

    def answer(self, method: str, path: str, prompt: str) -> Answer:
        """Answer one request that has arrived."""
        self.books.requests += 1
        name = path.rpartition("/")[2]
        if method == "POST":
            answer = self._buy(prompt)
        elif "/tasks/" in path:
            answer = self._poll(self._tasks.get(name))
        else:
            answer = self._image(name)
        line = f"{self._clock():.6f} {method} {path} {prompt} {answer}\n"
        self._log.update(line.encode())
        return answer

    def _happens(self, share: float) -> bool:
        return self._rng.random() < share

    # -- purchases

    def _buy(self, prompt: str) -> Answer:
        now, books = self._clock(), self.books
        books.arrivals.append(now)
        purchase = Purchase(number=len(books.purchases) + 1, at=now, prompt=prompt)
        books.purchases.append(purchase)
        answer = (
            self._by_outage(purchase) or self._by_limit() or self._by_odds(purchase)
        )
        if answer is None:
            return self._sell(purchase)
        if purchase.fate == "made":
            purchase.fate = "rejected"
        return answer

    def _by_outage(self, purchase: Purchase) -> Answer | None:
        outage = self._schedule.outage_at(self._clock())
        if outage is not None and outage.kind in ("html", "reset", "silent", "door"):
            self._perhaps_charge(purchase)
        if outage is not None and outage.kind == "door":
            return page(503)
        return self._down()

    def _down(self) -> Answer | None:
        """Return what everybody gets now; None if all is well."""
        outage = self._schedule.outage_at(self._clock())
        match outage.kind if outage else None:
            case "json":
                return self._shape.error(503, "we are down")
            case "html":
                return page()
            case "reset":
                return Answer(after_s=0.1, breaks=self._rng.choice(LOSSES))
            case "silent":
                return SILENCE
            case "refused" | "unreachable" | "door" | None:
                return None  # a connection that stood already lives on

    def _by_limit(self) -> Answer | None:
        schedule, now = self._schedule, self._clock()
        day = int(now // schedule.day_s)
        while self._taken and self._taken[0] <= now - WINDOW_S:
            self._taken.popleft()
        while self._busy and self._busy[0] <= now:
            heapq.heappop(self._busy)
        if schedule.quota is not None and self._sold.get(day, 0) >= schedule.quota:
            if schedule.out_of_quota == 402:
                return self._shape.error(402, "quota exceeded, insufficient credits")
            return self._throttle((day + 1) * schedule.day_s - now)
        if schedule.own_rpm is not None and len(self._taken) >= schedule.own_rpm:
            return self._throttle(self._taken[0] + WINDOW_S - now)
        if schedule.own_places is not None and len(self._busy) >= schedule.own_places:
            return self._throttle(2.0)
        return None

    def _throttle(self, wait_s: float) -> Answer:
        self.books.throttled += 1
        headers = {"retry_after": f"{wait_s:.1f}"} if self._schedule.says_wait else {}
        return self._shape.error(429, "slow down", **headers)

    def _by_odds(self, purchase: Purchase) -> Answer | None:
        odds = self._schedule.odds
        if FORBIDDEN in purchase.prompt and not self._shape.works_by_tasks:
            no = self._shape.error(400, "blocked by our content policy")
            return self._ends(purchase, "refused", no)
        chance = self._rng.random()
        for share, respond in (
            (odds.throttled, lambda _: self._throttle(3.0)),
            (odds.error, lambda _: self._shape.error(500, "it broke")),
            (odds.page, self._page),
            (odds.lost, self._lose),
            (odds.empty, self._empty),
        ):
            if chance < share:
                return respond(purchase)
            chance -= share
        return None

    def _ends(self, purchase: Purchase, fate: str, answer: Answer) -> Answer:
        purchase.fate = fate

        def heard() -> None:
            purchase.end_read_at = self._clock()

        return replace(answer, heard=heard)

    def _page(self, purchase: Purchase) -> Answer:
        self._perhaps_charge(purchase)
        return page()

    def _lose(self, purchase: Purchase) -> Answer:
        self._charge(purchase)
        purchase.fate = "lost"
        took_s = self._took()
        match self._rng.randrange(3):
            case 0:
                return SILENCE
            case 1:
                return Answer(after_s=took_s, breaks=self._rng.choice(LOSSES))
            case _:
                whole = self._shape.bought(purchase, [f"{HOST}/images/x"], inline=False)
                length = self._rng.randrange(len(whole.body))
                broken = self._rng.choice(LOSSES)
                return replace(whole, after_s=took_s, breaks=broken, kept=length)

    def _empty(self, purchase: Purchase) -> Answer | None:
        if self._shape.works_by_tasks:
            return None
        self._perhaps_charge(purchase)
        purchase.fate = "empty"
        return replace(self._shape.empty(purchase), after_s=self._took())

    def _sell(self, purchase: Purchase) -> Answer:
        self._taken.append(purchase.at)
        if self._shape.works_by_tasks:
            return self._accept(purchase)
        self._charge(purchase)
        self._make(purchase)
        took_s = self._took()
        heapq.heappush(self._busy, purchase.at + took_s)
        purchase.ready_at = purchase.at + took_s
        inline = self._happens(0.2)
        answer = self._shape.bought(purchase, self._fresh(purchase), inline=inline)
        return replace(answer, after_s=took_s, heard=self._told(purchase))

    def _accept(self, purchase: Purchase) -> Answer:
        odds = self._schedule.odds
        took_s = self._took()
        chance = self._rng.random()
        purchase.fate = "refused" if FORBIDDEN in purchase.prompt else "made"
        for share, fate in (
            (odds.failed, "failed"),
            (odds.hangs, "hangs"),
            (odds.forgotten, "forgotten"),
            (odds.empty, "empty"),
        ):
            if chance < share and purchase.fate == "made":
                purchase.fate = fate
            chance -= share
        if purchase.fate in ("made", "hangs"):
            self._charge(purchase)
            self._make(purchase)
        else:
            self._perhaps_charge(purchase)
        if purchase.fate == "hangs":
            took_s = self._rng.choice([4000.0, 7200.0, inf])
        purchase.ready_at = purchase.at + took_s
        heapq.heappush(self._busy, purchase.at + min(took_s, 3600.0))
        self._tasks[purchase.id] = purchase
        answer = self._shape.bought(purchase, [], inline=False)
        after_s = self._rng.uniform(0.05, 1.0)
        return replace(answer, after_s=after_s, heard=self._told(purchase))

    def _told(self, purchase: Purchase) -> Callable[[], None]:
        def heard() -> None:
            purchase.read_at = self._clock()

        return heard

    def _took(self) -> float:
        return self._schedule.latency_at(self._clock()) * self._rng.uniform(0.5, 1.8)

    def _perhaps_charge(self, purchase: Purchase) -> None:
        if self._happens(self._schedule.odds.charged):
            self._charge(purchase)

    def _charge(self, purchase: Purchase) -> None:
        if self._shape.works_by_tasks:
            purchase.billed = 50_000_000
        else:
            # Around the price as a rule, up to the ceiling now and then.
            max_credits = 277_500 if self._happens(0.1) else 190_000
            purchase.billed = 500 * self._rng.randint(170_000, max_credits)
        day = int(purchase.at // self._schedule.day_s)
        self._sold[day] = self._sold.get(day, 0) + 1

    def _make(self, purchase: Purchase) -> None:
        purchase.image = draw_png(f"{purchase.id}: {purchase.prompt}")

    def _fresh(self, purchase: Purchase) -> list[str]:
        """Return links that are new, the same one twice now and then."""
        name = f"{purchase.id}-{len(purchase.links)}.png"
        good_until = max(self._clock(), purchase.ready_at) + self._schedule.link_life_s
        if not purchase.links and self._happens(self._schedule.odds.gone):
            purchase.fate = "gone"
        self._links[name] = (purchase, good_until)
        purchase.links.append(name)
        return [f"{HOST}/images/{name}"] * (2 if self._happens(0.1) else 1)

    # -- tasks and images

    def _poll(self, purchase: Purchase | None) -> Answer:
        if (down := self._down()) is not None:
            return down
        if purchase is None or purchase.fate == "forgotten":
            return self._shape.error(404, "no such task")
        if self._happens(self._schedule.odds.throttled):
            return self._throttle(5.0)
        if self._happens(self._schedule.odds.unread):
            return self._unread(purchase)
        return self._standing(purchase)

    def _standing(self, purchase: Purchase) -> Answer:
        if self._clock() < purchase.ready_at:
            return self._shape.task(purchase, "processing", [])
        if purchase.fate in ("failed", "refused"):
            failed = self._shape.task(purchase, "failed", [])
            return self._ends(purchase, purchase.fate, failed)
        if purchase.fate == "empty":
            return self._ends(purchase, "empty", self._shape.empty(purchase))
        return self._shape.task(purchase, "completed", self._fresh(purchase))

    def _unread(self, purchase: Purchase) -> Answer:
        replies = [
            self._shape.error(503, "try again"),
            page(),
            SILENCE,
            Answer(breaks=httpx.ReadError),
        ]
        # A task that is not there yet, or has no result yet.
        if purchase.doubts < DOUBTS and self._clock() < purchase.at + 10:
            replies.append(self._shape.error(404, "no such task"))
        answer = self._rng.choice(replies)
        purchase.doubts += answer.status == 404
        return answer

    def _image(self, name: str) -> Answer:
        if (down := self._down()) is not None:
            return down
        purchase, good_until = self._links.get(name, (None, 0.0))
        if purchase is None or purchase.fate == "gone":
            return self._shape.error(404, "no such image")
        if self._clock() >= good_until:
            return self._shape.error(403, "the link has expired")
        whole = replace(picture(purchase.image), after_s=self._rng.uniform(0.05, 2.0))
        if purchase.broken >= DOUBTS or not self._happens(self._schedule.odds.cut):
            return whole
        purchase.broken += 1
        half = self._rng.randrange(len(whole.body))
        return self._rng.choice(
            [
                replace(whole, breaks=httpx.ReadError, kept=half),
                replace(whole, body=whole.body[:half]),
                replace(whole, body=PAGE),
                page(503),
                SILENCE,
            ]
        )
