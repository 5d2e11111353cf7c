"""What a run needs beyond its job, and how it ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from batchgen.errors import BatchgenError, ProviderStopped, UsageError
from batchgen.ledger import Totals
from batchgen.ledger.estimate import Estimate
from batchgen.model import PriceList, now_micros
from batchgen.providers.base import Provider
from batchgen.runner.handle import RunHandle
from batchgen.runner.needed import Needed
from batchgen.runner.progress import Progress
from batchgen.storage.writer import to_thread

if TYPE_CHECKING:
    import httpx

    from batchgen.wire.offload import Offload


LOGGER = "batchgen.run"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a job is run, beyond what the job says: as the options of `run`.

    Attributes:
        rehearse: Whether it runs against the sandbox: free, and without a key.
        faults: What goes wrong in a rehearsal.
        seed: Which of its requests go wrong.
        latency: Seconds that an image takes in a rehearsal.
        yes: Whether money may be spent without a budget.
        rebuy: Whether rows are bought again that were changed after they were bought.
        keep: Whether such rows keep the image that they have.
    """

    rehearse: bool = False
    faults: Literal["calm", "storm", "outage"] | None = None
    seed: int | None = None
    latency: float | Literal["real"] | None = None
    yes: bool = False
    rebuy: bool = False
    keep: bool = False

    def check(self, spelled: Callable[[str], str]) -> None:
        """Refuse options that contradict each other.

        Args:
            spelled: How the user writes an option's name.

        Raises:
            UsageError: they do.
        """
        if self.rebuy and self.keep:
            raise UsageError(
                f"{spelled('rebuy')} buys changed rows again, {spelled('keep')} leaves "
                "what they have: say one of them"
            )
        for name in ("faults", "seed", "latency"):
            if getattr(self, name) is not None and not self.rehearse:
                raise UsageError(
                    f"{spelled(name)} is for rehearsals: add {spelled('rehearse')}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
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
        handle: Stops the run from outside.
        log: Where the run's events are written.
        seed: Of all that is left to chance; None for a new one.
        offload: Runs what would hold up the event loop; a simulation, whose clock
            does not wait for threads, runs it inline.
        transport: What carries requests; None for our own.
        now: Microseconds UTC since 1970.
    """

    providers: Mapping[str, Provider]
    keys: Mapping[str, str] = field(repr=False)
    prices: Mapping[str, PriceList]
    ask: Callable[[Estimate], None]
    paid_hosts: bool = False
    consented: bool = False
    rebuy: bool = False
    keep: bool = False
    progress: Progress = field(default_factory=Progress)
    handle: RunHandle = field(default_factory=RunHandle)
    log: logging.Logger = field(default_factory=lambda: logging.getLogger(LOGGER))
    seed: int | None = None
    offload: Offload = to_thread
    stand_in: bytes | None = None
    transport: httpx.AsyncBaseTransport | None = None
    now: Callable[[], int] = now_micros


@dataclass(frozen=True, slots=True)
class CutReading:
    """A reading of the manifest that a stop ended; the next run carries it on.

    Attributes:
        rows: How many are in the plan.
        counts: Whether rows may be bought from it, so that the table has them, too;
            if not, the plan that was made before the manifest changed still stands.
    """

    rows: int
    counts: bool


@dataclass(slots=True, kw_only=True)
class RunResult:
    """How a run ended.

    Attributes:
        totals: The folder's money, and its rows in scope.
        stop_reason: Why it was asked to stop from outside; None if it was not.
        error: What stopped it otherwise.
        stopped: Providers that refused key, credit or model.
        chosen: How many providers the job chose.
        cut: The reading of the manifest, if a stop ended it before the last row.
        rows_in_table: How many rows the table has, where it is only begun.
        left: Variables whose keys would let tasks of other providers be fetched.
        unnamed: Provider and base URL of tasks that are at addresses which only the run
            folder names.
        needed: What the budgets that are too small need for all that is left.
    """

    totals: Totals | None = None
    stop_reason: str | None = None
    error: BatchgenError | None = None
    stopped: list[ProviderStopped] = field(default_factory=list)
    chosen: int = 0
    cut: CutReading | None = None
    rows_in_table: int | None = None
    left: list[str] = field(default_factory=list)
    unnamed: list[tuple[str, str]] = field(default_factory=list)
    needed: Needed = field(default_factory=Needed)
