"""Run a job from Python code, and observer it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
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
    storage_errors,
)

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
        with plain_errors(session.config.log):
            result = await _run_and_report(session, observer)
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
        plain_errors(session.config.log),
    ):
        result = run_loop(partial(_run_and_report, session, observer))
    return observer.end(result, spec.out)


@contextmanager
def _open_session(
    job: Job, observer: _Observer, options: RunOptions
) -> Iterator[tuple[JobSpec, Session]]:
    caller = Caller(
        notice=observer.notice, ask=_refuse, handle=observer.handle, keys=observer.keys
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


def _refuse(estimate: Estimate) -> None:
    unpriced = f", {estimate.unpriced} of them without a known price"
    raise UsageError(
        f"{estimate.rows} rows to be bought, {estimate.images} images, for about "
        f"{dollars(estimate.usd)}{unpriced if estimate.unpriced else ''}. Give "
        "`max_cost` for a budget, or `yes=True`. Nothing was sent"
    )


@dataclass(slots=True, kw_only=True)
class _Observer:
    """The callbacks of a run, and the notices that it gave."""

    on_progress: Callable[[RunProgress], object] | None = None
    on_notice: Callable[[str], object] | None = None
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

    def notice(self, text: str) -> None:
        self.notices.append(text)
        if self.on_notice is not None:
            self._call(partial(self.on_notice, text))

    def progress(self, progress: Progress) -> None:
        if self.on_progress is not None:
            self._call(partial(self.on_progress, progress_of(progress)))

    def _call(self, callback: Callable[[], object]) -> None:
        """Call a callback; an exception in it stops the run in order."""
        if self.fault is not None:
            return
        try:
            callback()
        except (Exception, SystemExit) as fault:  # noqa: BLE001 - it is raised later
            self.fault = fault
            self.handle.stop()


async def _run_and_report(session: Session, observer: _Observer) -> RunResult:
    """Run the engine, and report its progress."""
    if observer.on_progress is None:
        return await session.run()

    async def report() -> None:
        while True:
            observer.progress(session.progress)
            await anyio.sleep(EVERY_S)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(report)
        result = await session.run()
        tasks.cancel_scope.cancel()
    observer.progress(session.progress)
    return result
