"""One provider in this run: its limits, its health, and the parts that wait for it."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

import anyio

from batchgen.addresses.url import is_loopback_host, read_url
from batchgen.admission.link_hosts import LinkHost, LinkHosts
from batchgen.admission.next_step import Part
from batchgen.admission.proof import Proof
from batchgen.errors import ProviderStopped
from batchgen.limits import (
    CircuitBreaker,
    ConcurrencyLimiter,
    Outage,
    RateLimiter,
    ReplyTimes,
    Verdicts,
)
from batchgen.model import Link, PriceKey, Terms, rates_for
from batchgen.planning.own_address import is_own_address
from batchgen.providers.base import Endpoint, PollSchedule, Provider
from batchgen.wire import LinkSource

if TYPE_CHECKING:
    from batchgen.admission.permit import Permit

POLLS_AT_ONCE = 32


class ProviderQueue:
    """Everything that requests to one provider share.

    Attributes:
        moved_rows: Rows that come from another queue, or waited for another row.
        scanned_to: Position of the last row that was read in the plan's order.
    """

    scanned_to: int = -1

    def __init__(
        self,
        provider: Provider,
        endpoint: Endpoint,
        rate_limiter: RateLimiter,
        limiter: ConcurrencyLimiter,
        proof: Proof,
        terms: Terms | None = None,
    ) -> None:
        terms = terms or Terms()
        clock = self._clock = rate_limiter.clock
        self.proof = proof
        self.verdicts = Verdicts()
        self.provider, self.name = provider, provider.name
        self.capabilities = terms.adapt(provider.capabilities)
        self.is_own = is_own_address(endpoint.base_url, provider.defaults)
        self.failed_tasks = terms.failed_tasks or (
            provider.defaults.failed_tasks if self.is_own else "unknown"
        )
        self._stated_rates = terms.rates
        # A provider on this machine may also name links on this machine.
        self.is_loopback = is_loopback_host(read_url(endpoint.base_url).host)
        self.endpoint = endpoint
        self.rate_limiter, self.limiter = rate_limiter, limiter
        self.breaker = CircuitBreaker(clock)
        self.reply_times = ReplyTimes(clock)
        self.waived: set[int] = set()  # attempts that end without counting
        self.poll_outage = Outage(clock)  # of polls
        self.link_hosts = LinkHosts(clock)
        self.link_outage = Outage(clock)  # of links at their first try
        self.upload_outage = Outage(clock)
        self.waiting = 0  # attempts that wait for a link, and hold nothing
        self.in_flight = 0  # purchases between SENT and DELIVERED
        self.live = 0  # attempts under way, downloads included
        self.polls = anyio.CapacityLimiter(POLLS_AT_ONCE)
        self.pace = PollPace()
        # Purchases that have begun, and are not in the ledger yet.
        self.unrecorded: dict[Part, Permit] = {}
        self.retries = Retries(clock)
        self.moved_rows: deque[int] = deque()
        self.deferred: deque[Part] = deque()  # asked again when nothing else is left
        # Version of the run's notifier at which nothing was left to begin with.
        self.idle_at: float = -1
        self.stopped: ProviderStopped | None = None
        # Why a task could not be asked for, while nothing has worked since.
        self.task_error: ProviderStopped | None = None
        self.rate_wait: anyio.CancelScope | None = None  # around the wait for the rate
        self.was_reached = False
        self.is_answered = False  # whether some answer showed that images can be had
        self.alone_since = -float("inf")  # when a purchase left with none under way
        self.stuck_since: float | None = None  # when it last began to let nothing in
        self.waits_shown: set[str] = set()
        # Probes in a row without an answer; None once one was answered.
        self.unanswered_probes: int | None = 0
        self.purchase_url: str | None = None  # the URL that purchases were last sent to
        self._unreached_since: float | None = None

    @cached_property
    def source(self) -> LinkSource:
        """The provider as a source of links, with its key for hosts that ask for it."""
        headers = self.provider.defaults.headers(self.endpoint)
        return LinkSource(self.endpoint.base_url, headers)

    def host_of(self, link: Link) -> LinkHost:
        """Return where an image is downloaded from."""
        return self.link_hosts.of(link, self.source)

    @property
    def is_in_doubt(self) -> bool:
        """Whether a purchase had no answer, or one that is not understood yet."""
        return self.breaker.is_in_doubt or bool(self.reply_times.undecided)

    @property
    def may_have_lost_several(self) -> bool:
        """Whether the failures are, as far as is known, not about one row."""
        return self.breaker.has_lost_several or bool(self.reply_times.undecided)

    @property
    def elsewhere(self) -> str | None:
        """The base URL, where it is not the provider's own."""
        return None if self.is_own else self.endpoint.base_url

    def rates_of(self, model: str) -> Mapping[str, Decimal]:
        """Return what the units are worth in which replies count what a model cost.

        The provider's own rates hold at its own address alone; the user's everywhere.
        """
        rates = dict(self._stated_rates)
        if self.is_own:
            price_key = PriceKey(self.name, None, model)
            rates = rates_for(self.provider.rates, price_key) | rates
        if "input_token" in rates:  # it also holds for images without a rate
            rates.setdefault("image_input_token", rates["input_token"])
        return rates

    def stop(self, error: ProviderStopped) -> None:
        """Send nothing more in this run, and end the wait for the rate."""
        self.stopped = error
        self.end_rate_wait()

    def end_rate_wait(self) -> None:
        """End the wait for the rate: nothing more is to be sent."""
        if self.rate_wait is not None:
            self.rate_wait.cancel()

    def may_hand_over(self, version: int) -> bool:
        """Say whether parts wait here which another provider may have to make.

        They, or rows that build on them: so it must have looked for rows since the last
        change, which may be the image of another row.

        Args:
            version: Of the run's notifier.
        """
        waits = bool(self.moved_rows) or bool(self.deferred) or len(self.retries) > 0
        return (waits or self.idle_at < version) and self.stopped is None

    def stuck_s(self) -> float:
        """Return for how long it has refused all; call this at each refusal."""
        if self.stuck_since is None:
            self.stuck_since = self._clock()
        return self._clock() - self.stuck_since

    def unreached_s(self) -> float:
        """Return for how long no connection came about; call this at each failure."""
        if self._unreached_since is None:
            self._unreached_since = self._clock()
        return self._clock() - self._unreached_since


class Retries:
    """Parts that wait for their next try; only numbers are kept, rows stay on disk."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, int, int]] = []

    def add(self, part: Part, wait_s: float) -> None:
        """Let a part wait."""
        due = self._clock() + wait_s
        heapq.heappush(self._heap, (due, part.row_id, part.first_image, part.images))

    def take_due(self) -> Part | None:
        """Return a part whose wait is over."""
        if self._heap and self._heap[0][0] <= self._clock():
            return Part(*heapq.heappop(self._heap)[1:])
        return None

    def next_in_s(self) -> float | None:
        """Return seconds until the next is due; None when none waits."""
        return self._heap[0][0] - self._clock() if self._heap else None

    def __len__(self) -> int:
        return len(self._heap)


class PollPace:
    """When to poll: learned from how long this run's tasks took."""

    def __init__(self) -> None:
        self._typical_s: float | None = None

    def learn(self, took_s: float) -> None:
        """Record how long a task took from its acceptance to its end."""
        typical_s = self._typical_s
        self._typical_s = (
            took_s if typical_s is None else typical_s + 0.2 * (took_s - typical_s)
        )

    def first_s(self, schedule: PollSchedule, estimate_s: float | None) -> float:
        """Return seconds from acceptance to the first poll."""
        if self._typical_s is not None:
            return min(max(0.6 * self._typical_s, 0.5), 60.0)
        if estimate_s is None:
            return schedule.first_s
        # An estimate is the provider's guess for the slow case: believed up to a point.
        return min(estimate_s / 3, schedule.first_s)

    def every_s(self, schedule: PollSchedule, polls: int) -> float:
        """Return seconds between one poll and the next."""
        start = schedule.every_s
        if self._typical_s is not None:
            start = min(max(0.15 * self._typical_s, 0.5), start)
        # The exponent is bounded: a float power of a long wait would overflow.
        return float(min(start * schedule.factor ** min(polls, 50), schedule.longest_s))
