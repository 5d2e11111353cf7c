"""Run a job from Python code, and watch it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Literal, TypedDict, Unpack

import anyio
import anyio.to_thread

from batchgen.api.folders import Folder
from batchgen.api.jobs import Job, kept_frame, spec_to_run
from batchgen.engines.config import RunOptions, RunResult
from batchgen.engines.estimate import Estimate
from batchgen.engines.handle import RunHandle
from batchgen.engines.loop import in_thread, is_in_asyncio, is_in_loop, run_loop
from batchgen.engines.session import (
    Caller,
    Session,
    open_session,
    our_errors,
    plain_errors,
)
from batchgen.errors import BatchgenError, SpecError, StorageError, UsageError
from batchgen.model import Job as JobSpec
from batchgen.model import Status, dollars, to_usd
from batchgen.runner.progress import Progress

EVERY_S = 1.0
"""How often a callback is told how a run goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """One moment of a run.

    Attributes:
        phase: `starting`, `planning`, `running`, `stopping` or `writing`.
        total: Rows in scope; grows while the manifest is read.
        rows: Rows in scope by status, those of earlier runs included.
        in_flight: Purchases under way.
        images: Stored by this run.
        spent_usd: In the whole run folder, and so is `at_risk_usd`.
    """

    phase: str
    total: int
    rows: Mapping[Status, int]
    in_flight: int
    images: int
    spent_usd: Decimal
    at_risk_usd: Decimal
    is_rehearsal: bool

    @property
    def ended(self) -> int:
        """Rows that stand at their end, whichever it is."""
        return sum(
            count for status, count in self.rows.items() if status != Status.PENDING
        )

    def __str__(self) -> str:
        spent = dollars(self.spent_usd, pretend=self.is_rehearsal)
        return (
            f"{self.phase}: {self.ended} of {self.total} rows, {self.in_flight} in "
            f"flight, {spent}"
        )


class RunKeywords(TypedDict, total=False):
    """How a job is run, beyond what the job says.

    Attributes:
        rehearse: Run it against the built-in sandbox: free, and without a key.
        faults: What goes wrong in a rehearsal.
        seed: Which of its requests go wrong.
        latency: Seconds that an image takes there; `real` as long as the provider.
        yes: Consent to spend without a budget.
        rebuy: Buy rows again that were changed after they were bought.
        keep: Let rows that were changed keep the image that they have.
        keys: By provider; they stand above those of the environment.
        on_progress: Called once a second, and at the end, in the run's own thread.
        on_notice: Called with each sentence that the user should read now.
        handle: Stops the run, from any thread.
    """

    rehearse: bool
    faults: Literal["calm", "storm", "outage"] | None
    seed: int | None
    latency: float | Literal["real"] | None
    yes: bool
    rebuy: bool
    keep: bool
    keys: Mapping[str, str] | None
    on_progress: Callable[[RunProgress], object] | None
    on_notice: Callable[[str], object] | None
    handle: RunHandle | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a run ended; money is that of the whole run folder.

    Attributes:
        rows: Rows in scope by status.
        images: In the ZIP.
        spent_usd: Charged for certain, also for rows that were changed or removed.
        at_risk_usd: What may have been charged besides.
        error: What stopped it before all rows were at their end: a budget, a provider,
            or nearly all rows failing; None if nothing did.
        is_stopped: Whether it was stopped by its handle.
        notices: What the user should read.
        folder: The run folder.
    """

    rows: Mapping[Status, int]
    images: int
    spent_usd: Decimal
    at_risk_usd: Decimal
    error: BatchgenError | None
    is_stopped: bool
    is_rehearsal: bool
    notices: tuple[str, ...]
    folder: Folder

    @property
    def is_complete(self) -> bool:
        """Whether every row in scope succeeded."""
        return sum(self.rows.values()) == self.rows.get(Status.SUCCEEDED, 0)

    def raise_for_error(self) -> None:
        """Raise what stopped the run, if something did.

        Raises:
            BatchgenError: `error`.
        """
        if self.error is not None:
            raise self.error


def run(job: Job, **keywords: Unpack[RunKeywords]) -> Result:
    """Run a job, or carry on with it where it stopped, and wait for its end.

    Where an event loop runs in this thread, the run has another thread.

    Args:
        job: The job.
        keywords: See `RunKeywords`.

    Raises:
        UsageError: consent to spend is missing: neither `max_cost` nor `yes`.
        SpecError: the job cannot be run as it is.
        StorageError: nothing more can be stored; run it again when that is mended.
    """
    work = partial(_run, job, _Watch.of(keywords), _options_of(keywords))
    return in_thread(work) if is_in_loop() else work()


async def arun(job: Job, **keywords: Unpack[RunKeywords]) -> Result:
    """Run a job as `run` does, within the asyncio loop that runs already.

    Under another event loop than asyncio's the run has a thread of its own. Cancelled,
    it ends at once, and what was under way stands as at risk; `RunHandle.stop` waits
    for replies.

    Args:
        job: The job.
        keywords: See `RunKeywords`.

    Raises:
        BatchgenError: as `run` does.
    """
    watch, options = _Watch.of(keywords), _options_of(keywords)
    if not is_in_asyncio():
        return await _in_a_thread(partial(_run, job, watch, options), watch.handle)
    opened = _opened(job, watch, options)
    # What opens a folder waits for disks and processes, which a loop must not.
    with anyio.CancelScope(shield=True):
        spec, session = await anyio.to_thread.run_sync(opened.__enter__)
    try:
        with plain_errors(session.config.log):
            result = await _watched(session, watch)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(opened.__exit__, None, None, None)
    return _result_of(spec, result, watch)


async def _in_a_thread(work: Callable[[], Result], handle: RunHandle) -> Result:
    try:
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
    except anyio.get_cancelled_exc_class():
        handle.stop_now()
        raise


def _run(job: Job, watch: _Watch, options: RunOptions) -> Result:
    with (
        _opened(job, watch, options) as (spec, session),
        plain_errors(session.config.log),
    ):
        result = run_loop(partial(_watched, session, watch))
    return _result_of(spec, result, watch)


@contextmanager
def _opened(
    job: Job, watch: _Watch, options: RunOptions
) -> Iterator[tuple[JobSpec, Session]]:
    caller = Caller(
        notice=watch.notice, ask=_refuse, handle=watch.handle, keys=watch.keys
    )
    with ExitStack() as stack:
        with our_errors():
            spec = spec_to_run(job, rehearse=options.rehearse)
            stack.enter_context(kept_frame(job, spec))
            session = stack.enter_context(open_session(spec, options, caller))
        yield spec, session
        if session.sandbox is not None:
            # Only here: what is bought in earnest needs no sandbox.
            from batchgen.engines.rehearsal import keep_bills

            keep_bills(spec.out, session.sandbox)


def _options_of(keywords: RunKeywords) -> RunOptions:
    names = RunOptions.__dataclass_fields__
    stated = {name: value for name, value in keywords.items() if name in names}
    options = RunOptions(**stated)  # type: ignore[arg-type]  # checked by the caller's
    options.check(lambda name: f"`{name}`")
    return options


def _refuse(estimate: Estimate) -> None:
    unpriced = f", {estimate.unpriced} of them without a known price"
    raise UsageError(
        f"{estimate.rows} rows to be bought, {estimate.images} images, for about "
        f"{dollars(estimate.usd)}{unpriced if estimate.unpriced else ''}. Give "
        "`max_cost` for a budget, or `yes=True`. Nothing was sent"
    )


@dataclass(slots=True, kw_only=True)
class _Watch:
    """Who watches a run, and what they were told."""

    on_progress: Callable[[RunProgress], object] | None = None
    on_notice: Callable[[str], object] | None = None
    handle: RunHandle = field(default_factory=RunHandle)
    keys: Mapping[str, str] | None = None
    notices: list[str] = field(default_factory=list)
    fault: Exception | None = None
    """What a callback raised."""

    @classmethod
    def of(cls, keywords: RunKeywords) -> _Watch:
        return cls(
            on_progress=keywords.get("on_progress"),
            on_notice=keywords.get("on_notice"),
            handle=keywords.get("handle") or RunHandle(),
            keys=keywords.get("keys"),
        )

    def notice(self, text: str) -> None:
        self.notices.append(text)
        if self.on_notice is not None:
            self._call(partial(self.on_notice, text))

    def progress(self, progress: Progress) -> None:
        if self.on_progress is not None:
            self._call(partial(self.on_progress, moment_of(progress)))

    def _call(self, callback: Callable[[], object]) -> None:
        """Call back; what the caller's own code raises stops the run in order."""
        if self.fault is not None:
            return
        try:
            callback()
        except Exception as fault:  # noqa: BLE001 - it is raised when the run has ended
            self.fault = fault
            self.handle.stop()


def moment_of(progress: Progress) -> RunProgress:
    """Return the counters of a run as they stand now."""
    return RunProgress(
        phase=progress.phase,
        total=progress.total,
        rows={status: count for status, count in progress.rows.items() if count},
        in_flight=progress.in_flight(),
        images=progress.bought,
        spent_usd=to_usd(progress.spent),
        at_risk_usd=to_usd(progress.at_risk),
        is_rehearsal=progress.rehearsed,
    )


async def _watched(session: Session, watch: _Watch) -> RunResult:
    """Run the engine, and tell meanwhile how it goes."""
    if watch.on_progress is None:
        return await session.run()

    async def tell() -> None:
        while True:
            watch.progress(session.progress)
            await anyio.sleep(EVERY_S)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell)
        result = await session.run()
        tasks.cancel_scope.cancel()
    watch.progress(session.progress)
    return result


def _result_of(spec: JobSpec, result: RunResult, watch: _Watch) -> Result:
    """Return how a run ended.

    Raises:
        SpecError: the job was wrong, as was found while it ran.
        StorageError: nothing more could be stored.
        Exception: what a callback raised.
    """
    if watch.fault is not None:
        raise watch.fault
    error = result.error or (result.stopped[0] if result.stopped else None)
    if isinstance(error, SpecError | StorageError):
        raise error
    totals = result.totals
    if totals is None:  # it was stopped before anything was counted
        raise UsageError("the run was stopped before it began")
    return Result(
        rows=dict(totals.rows),
        images=totals.images,
        spent_usd=to_usd(totals.spent + totals.retired),
        at_risk_usd=to_usd(totals.at_risk),
        error=error,
        is_stopped=result.stop_reason is not None,
        is_rehearsal=totals.rehearsed,
        notices=tuple(watch.notices),
        folder=Folder(spec.out),
    )
