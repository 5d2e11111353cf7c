"""Run a job from Python code, and observe the run."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Unpack

import anyio
import anyio.to_thread

from batchgen.api.folders import Folder
from batchgen.api.jobs import Job, frame_in_folder, spec_to_run
from batchgen.api.run_keywords import RunKeywords, options_of
from batchgen.api.run_reports import Result, RunProgress, progress_of, result_of
from batchgen.drives import storage_errors
from batchgen.errors import UsageError
from batchgen.ledger.estimate import Estimate
from batchgen.model import Job as JobSpec
from batchgen.model import dollars
from batchgen.runner.config import RunOptions, RunResult
from batchgen.runner.handle import RunHandle
from batchgen.runner.loop import (
    entered_in_threads,
    in_thread,
    is_in_asyncio,
    is_in_loop,
    run_loop,
)
from batchgen.runner.progress import Progress
from batchgen.runner.session import (
    Caller,
    Session,
    open_session,
    plain_errors,
)

Observe = Callable[[Session], AbstractAsyncContextManager[None]]
"""Entered in the run's event loop before the run starts, and left when it has ended."""

EVERY_S = 1.0
"""Seconds between two calls of `on_progress`."""


def run(job: Job, **keywords: Unpack[RunKeywords]) -> Result:
    """Run a job, or carry on with it where it stopped, and wait for its end.

    If an event loop runs in this thread, the run gets a thread of its own.

    Args:
        job: The job.
        keywords: See `RunKeywords`.

    Raises:
        UsageError: consent to spend is missing: neither `max_cost` nor `yes`.
        SpecError: the job cannot be run as it is.
        StorageError: nothing more can be stored; correct that and run it again.
    """
    options, observer = options_of(keywords), _Observer.of(keywords)
    work = partial(_run, job, observer, options)
    return in_thread(work, observer.handle.stop_now) if is_in_loop() else work()


async def arun(job: Job, **keywords: Unpack[RunKeywords]) -> Result:
    """Run a job as `run` does, in the running asyncio loop.

    In an event loop other than asyncio's, the run gets a thread of its own. When it is
    cancelled, it ends at once, and purchases under way are at risk; `RunHandle.stop`
    waits for their replies.

    Args:
        job: The job.
        keywords: See `RunKeywords`.

    Raises:
        BatchgenError: as `run` does.
    """
    options, observer = options_of(keywords), _Observer.of(keywords)
    if not is_in_asyncio():
        return await _in_thread(partial(_run, job, observer, options), observer.handle)
    # What opens a folder waits for disks and processes, which a loop must not.
    async with entered_in_threads(_open_session(job, observer, options)) as opened:
        spec, session = opened
        with observer.own_faults(), plain_errors(session.config.log):
            result = await _run_observed(session, observer.watching)
    return observer.end(result, spec.out)


async def _in_thread(work: Callable[[], Result], handle: RunHandle) -> Result:
    has_ended = threading.Event()

    def call() -> Result:
        try:
            return work()
        finally:
            has_ended.set()

    try:
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True)
    except anyio.get_cancelled_exc_class():
        handle.stop_now()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(has_ended.wait)
        raise


def _run(job: Job, observer: _Observer, options: RunOptions) -> Result:
    with (
        _open_session(job, observer, options) as (spec, session),
        observer.own_faults(),
    ):
        result = run_to_end(session, observer.watching)
    return observer.end(result, spec.out)


def run_to_end(session: Session, observe: Observe) -> RunResult:
    """Run what a session has opened, in this thread, to its end or an orderly stop.

    Raises:
        BatchgenError: it could not run, or must stop at once.
    """
    with plain_errors(session.config.log):
        return run_loop(partial(_run_observed, session, observe))


async def _run_observed(session: Session, observe: Observe) -> RunResult:
    async with observe(session):
        return await session.run()


@contextmanager
def _open_session(
    job: Job, observer: _Observer, options: RunOptions
) -> Iterator[tuple[JobSpec, Session]]:
    caller = Caller(
        notice=observer.notice,
        ask=observer.ask,
        handle=observer.handle,
        keys=observer.keys,
    )
    with ExitStack() as stack:
        with storage_errors():
            spec = spec_to_run(job, rehearse=options.rehearse)
            stack.enter_context(frame_in_folder(job, spec))
            session = stack.enter_context(open_session(spec, options, caller))
        yield spec, session
        if session.sandbox is not None:
            # Imported here: only a rehearsal needs the sandbox.
            from batchgen.runner.rehearsal import keep_bills

            keep_bills(spec.out, session.sandbox)


def _consent_missing(estimate: Estimate) -> UsageError:
    unpriced = f", {estimate.unpriced} of them without a known price"
    return UsageError(
        f"{estimate.rows} rows to be bought, {estimate.images} images, for about "
        f"{dollars(estimate.usd)}{unpriced if estimate.unpriced else ''}. Give "
        "`max_cost` for a budget, or `yes=True`. Nothing was sent"
    )


@dataclass(slots=True, kw_only=True)
class _Observer:
    """The callbacks of a run, and the notices that it gave."""

    on_progress: Callable[[RunProgress], object] | None = None
    on_notice: Callable[[str], object] | None = None
    confirm: Callable[[Estimate], object] | None = None
    handle: RunHandle = field(default_factory=RunHandle)
    keys: Mapping[str, str] | None = field(default=None, repr=False)
    notices: list[str] = field(default_factory=list)
    fault: Exception | SystemExit | None = None
    """What a callback raised."""

    @classmethod
    def of(cls, keywords: RunKeywords) -> _Observer:
        return cls(
            on_progress=keywords.get("on_progress"),
            on_notice=keywords.get("on_notice"),
            confirm=keywords.get("confirm"),
            handle=keywords.get("handle") or RunHandle(),
            keys=keywords.get("keys"),
        )

    def end(self, result: RunResult, out: Path) -> Result:
        """Return how the run ended.

        Raises:
            Exception: raised by a callback.
        """
        if self.fault is not None:
            raise self.fault
        return result_of(result, Folder(out), self.notices)

    @contextmanager
    def own_faults(self) -> Iterator[None]:
        """Raise what `confirm` raised in place of the refusal that followed from it."""
        try:
            yield
        except UsageError:
            if self.fault is None:
                raise
            raise self.fault from None

    def notice(self, text: str) -> None:
        self.notices.append(text)
        if self.on_notice is not None:
            self._call(partial(self.on_notice, text))

    def progress(self, progress: Progress) -> None:
        if self.on_progress is not None:
            self._call(partial(self.on_progress, progress_of(progress)))

    def ask(self, estimate: Estimate) -> None:
        """Ask for consent to spend.

        Raises:
            UsageError: there is none.
        """
        if self.confirm is None:
            raise _consent_missing(estimate)
        answers: list[object] = []
        confirm = self.confirm
        self._call(lambda: answers.append(confirm(estimate)))
        if not any(answer is True for answer in answers):
            raise UsageError("`confirm` did not return True. Nothing was sent")

    @asynccontextmanager
    async def watching(self, session: Session) -> AsyncIterator[None]:
        """Report the progress of a run, while the block lasts and at its end."""
        if self.on_progress is None:
            yield
            return

        async def report() -> None:
            while True:
                self.progress(session.progress)
                await anyio.sleep(EVERY_S)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(report)
            yield
            tasks.cancel_scope.cancel()
        self.progress(session.progress)

    def _call(self, callback: Callable[[], object]) -> None:
        """Call a callback; an exception in it stops the run in order."""
        if self.fault is not None:
            return
        try:
            callback()
        except (Exception, SystemExit) as fault:  # noqa: BLE001 - it is raised later
            self.fault = fault
            self.handle.stop()
