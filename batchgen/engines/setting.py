"""What a run needs beyond its job, and how it ended."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchgen.engines.estimate import Estimate
from batchgen.engines.needed import Needed
from batchgen.errors import BatchgenError, ProviderStopped
from batchgen.ledger import OpenAttempts, Totals
from batchgen.model import PriceList, State, now_micros
from batchgen.provider import Provider
from batchgen.runner.progress import Progress
from batchgen.storage.writer import to_thread

if TYPE_CHECKING:
    import httpx

    from batchgen.wire.line import Offload


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a run needs beyond its job.

    Attributes:
        providers: Every provider by name.
        keys: Keys by provider; those of providers that are not chosen, too, for
            tasks that an earlier run left there.
        prices: Price lists by provider, the job's own words included.
        paid_hosts: Whether hosts other than loopback may be talked to.
        consented: Whether money may be spent without asking.
        rebuy: Whether rows that were changed after they were bought are bought again.
        keep: Whether they keep what was bought for them.
        ask: Called with the estimate when consent is missing; raises to refuse.
        progress: Counters for whoever shows them.
        stand_in: An image to send in place of what reference URLs hold, in a run that
            may not fetch them; None to fetch.
        stop_at_once: Called on the second signal, just before the process ends, with
            the attempts that have not come to their end, None if they are not known.
        seed: Of all that is left to chance; None for a new one.
        offload: Runs what would hold up the event loop; a simulation, whose clock
            does not wait for threads, runs it inline.
        transport: What carries requests; None for our own.
        now: Microseconds UTC since 1970.
    """

    providers: Mapping[str, Provider]
    keys: Mapping[str, str]
    prices: Mapping[str, PriceList]
    paid_hosts: bool
    consented: bool
    rebuy: bool
    ask: Callable[[Estimate], None]
    progress: Progress
    keep: bool = False
    stop_at_once: Callable[[Mapping[State, OpenAttempts] | None], None] = lambda _: None
    seed: int | None = None
    offload: Offload = to_thread
    stand_in: bytes | None = None
    transport: httpx.AsyncBaseTransport | None = None
    now: Callable[[], int] = now_micros


@dataclass(frozen=True, slots=True)
class CutReading:
    """A reading of the manifest that a signal ended; the next run carries it on.

    Attributes:
        rows: How many are in the plan.
        counts: Whether rows may be bought from it, so that the table has them, too;
            if not, the plan that was made before the manifest changed still stands.
    """

    rows: int
    counts: bool


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How a run ended.

    Attributes:
        totals: The folder's money, and its rows in scope.
        signal: What stopped it, if a signal did.
        error: What stopped it otherwise.
        stopped: Providers that refused key, credit or model.
        chosen: How many providers the job chose.
        cut: The reading of the manifest, if a signal ended it before the last row.
        rows_in_table: How many rows the table has, where it is only begun.
        left: Variables whose keys would let tasks of other providers be fetched.
        unnamed: Provider and base URL of tasks that are at addresses which only the run
            folder names.
        needed: What the budgets that are too small need for all that is left.
    """

    totals: Totals | None = None
    signal: signal.Signals | None = None
    error: BatchgenError | None = None
    stopped: list[ProviderStopped] = field(default_factory=list)
    chosen: int = 0
    cut: CutReading | None = None
    rows_in_table: int | None = None
    left: list[str] = field(default_factory=list)
    unnamed: list[tuple[str, str]] = field(default_factory=list)
    needed: Needed = field(default_factory=Needed)
