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
from batchgen.model.row_scope import RowScope
from batchgen.model.spending_limits import Limits
from batchgen.providers.base import Provider
from batchgen.runner.handle import RunHandle
from batchgen.runner.progress import Progress
from batchgen.storage.writer import to_thread

if TYPE_CHECKING:
    import httpx

    from batchgen.wire.offload import Offload


LOGGER = "batchgen.run"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How to run a job: the options of `run` that are not part of the job.

    Attributes:
        rehearse: Whether it runs against the sandbox: free, and without a key.
        faults: What goes wrong in a rehearsal.
        seed: Which of its requests go wrong.
        latency: Seconds that an image takes in a rehearsal.
        yes: Whether money may be spent without a budget.
        rebuy: Whether to buy rows again that were changed after they were bought.
        keep: Whether such rows keep the image that they have.
    """

    rehearse: bool = False
    faults: Literal["calm", "storm", "outage"] | None = None
    seed: int | None = None
    latency: float | Literal["real"] | None = None
    yes: bool = False
    rebuy: bool = False
    keep: bool = False

    def check(self, option: Callable[[str], str]) -> None:
        """Refuse options that contradict each other.

        Args:
            option: Returns how the user writes an option.

        Raises:
            UsageError: they do.
        """
        if self.rebuy and self.keep:
            raise UsageError(
                f"{option('rebuy')} buys changed rows again, {option('keep')} leaves "
                "what they have: say one of them"
            )
        for name in ("faults", "seed", "latency"):
            if getattr(self, name) is not None and not self.rehearse:
                raise UsageError(
                    f"{option(name)} is for rehearsals: add {option('rehearse')}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """What a run needs beyond its job.

    Attributes:
        providers: Every provider by name.
        keys: Keys by provider, also of providers that the job does not use: an earlier
            run may have tasks there.
        prices: Price lists by provider, with the job's own prices.
        paid_hosts: Whether requests may go to hosts other than loopback.
        consented: Whether money may be spent without asking.
        rebuy: Whether to buy rows again that were changed after they were bought.
        keep: Whether such rows keep the image that they have.
        ask: Called with the estimate when consent is missing; raises to refuse.
        progress: Counters for the display.
        stand_in: An image that is sent in place of reference URLs, in a run that may
            not fetch them; None to fetch them.
        handle: Stops the run from outside.
        log: Where the run's events are written.
        seed: Of the random numbers; None for a new one.
        offload: Runs work that would block the event loop; a simulation, whose clock
            does not wait for threads, runs it inline.
        transport: Sends the requests; None for the real one.
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
    """A reading of the manifest that a stop ended; the next run resumes it.

    Attributes:
        rows: How many are in the plan.
        counts: Whether its rows may be bought, so that the table has them, too; if
            not, the plan from before the change of the manifest is still in use.
    """

    rows: int
    counts: bool


@dataclass(slots=True, kw_only=True)
class RunResult:
    """How a run ended.

    Attributes:
        totals: The folder's money, and its rows in scope.
        stop_reason: Why it was stopped from outside; None if it was not.
        error: What else stopped it.
        stopped: Providers that refused key, credit or model.
        provider_count: How many providers the job chose.
        cut: The reading of the manifest, if a stop ended it before the last row.
        rows_in_table: How many rows the table has, if it is not complete.
        missing_keys: Variables to set, so that tasks of other providers can be fetched.
        unnamed_places: Provider and base URL of tasks at addresses that only the run
            folder names.
        required: How large the budgets must be that are too small for the rest.
        scope: The rows that the run was about; None if it ended before that was known.
    """

    totals: Totals | None = None
    stop_reason: str | None = None
    error: BatchgenError | None = None
    stopped: list[ProviderStopped] = field(default_factory=list)
    provider_count: int = 0
    cut: CutReading | None = None
    rows_in_table: int | None = None
    missing_keys: set[str] = field(default_factory=set)
    unnamed_places: set[tuple[str, str]] = field(default_factory=set)
    required: Limits = field(default_factory=Limits)
    scope: RowScope | None = None
