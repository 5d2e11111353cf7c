"""Run a job, and yield its rows as they end."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import AsyncGenerator
from contextlib import ExitStack, closing
from typing import Unpack

import anyio
import anyio.to_thread

from batchgen.api.jobs import Job, spec_to_run
from batchgen.api.run_keywords import RunKeywords, options_of
from batchgen.api.run_reports import RunProgress
from batchgen.api.runs import run
from batchgen.ledger.lookup import EndedRows
from batchgen.manifest.manifest import Manifest
from batchgen.model import ResultRow
from batchgen.model.row_scope import RowScope
from batchgen.output import ARCHIVE
from batchgen.runner.folder import read_ledger
from batchgen.runner.handle import RunHandle
from batchgen.runner.loop import wait_for_thread

MIN_WAIT_S = 0.25
"""Seconds between two reads of the ledger, at least."""

WAIT_FACTOR = 5
"""After a read the stream waits this many times as long as the read took."""

MAX_ROWS = 1000
"""Rows in memory at a time."""


def stream(
    job: Job, **keywords: Unpack[RunKeywords]
) -> AsyncGenerator[ResultRow, None]:
    """Run a job, or carry on with it, and yield each row when it ends.

    Rows that ended in an earlier run come first; rows that are still pending at the end
    of the run do not come. The run has a thread of its own, so any event loop can be
    used. Leaving the iteration early stops the run in order.

    Args:
        job: The job.
        keywords: See `RunKeywords`.

    Raises:
        BatchgenError: as `run` does, and `Result.error`; after all ended rows.
    """
    thread = _RunThread(job, keywords)
    rows = _rows_of(thread)
    # asyncio.run may end without a word to an iterator that an error has left.
    weakref.finalize(rows, thread.handle.stop).atexit = False
    return rows


async def _rows_of(thread: _RunThread) -> AsyncGenerator[ResultRow, None]:
    thread.start()
    try:
        with ExitStack() as stack:
            rows: EndedRows | None = None
            while True:
                is_last = not thread.is_alive()
                began = anyio.current_time()
                if rows is None and thread.has_plan:
                    rows = await anyio.to_thread.run_sync(thread.open_rows, stack)
                part = (
                    await anyio.to_thread.run_sync(rows.read, MAX_ROWS) if rows else []
                )
                took_s = anyio.current_time() - began
                for row in part:
                    yield row
                if is_last and not part:
                    break
                if not part:
                    await anyio.sleep(max(MIN_WAIT_S, WAIT_FACTOR * took_s))
        thread.raise_error()
    finally:
        if thread.is_alive():
            thread.handle.stop()
            # Also where asyncio.run cancels what is left of the stream: a thread that
            # nobody waits for dies with the process, and replies with it.
            _, cancelled = await wait_for_thread(thread.join)
            if cancelled is not None:
                raise cancelled


class _RunThread(threading.Thread):
    """Runs a job in a thread of its own."""

    def __init__(self, job: Job, keywords: RunKeywords) -> None:
        super().__init__(name="batchgen", daemon=True)
        options = options_of(keywords)
        self.handle = keywords.get("handle") or RunHandle()
        self.has_plan = False
        self._job = job
        self._callback = keywords.get("on_progress")
        self._keywords: RunKeywords = {
            **keywords,
            "handle": self.handle,
            "on_progress": self._observe,
        }
        self._spec = spec_to_run(job, rehearse=options.rehearse)
        self._error: BaseException | None = None

    def run(self) -> None:
        # A process that ends meanwhile waits for what was sent.
        atexit.register(self._end)
        try:
            result = run(self._job, **self._keywords)
            self.has_plan = True
            result.raise_for_error()
        except BaseException as error:  # noqa: BLE001 - raised in the iteration
            self._error = error
        finally:
            atexit.unregister(self._end)

    def open_rows(self, stack: ExitStack) -> EndedRows:
        """Return the rows of the run; the stack closes its ledger."""
        ledger = stack.enter_context(closing(read_ledger(self._spec.out)))
        return EndedRows(ledger, ARCHIVE, self._scope())

    def _scope(self) -> RowScope:
        spec = self._spec
        return Manifest.open(spec).in_scope() if spec.has_choice else spec.rows_in_scope

    def raise_error(self) -> None:
        """Raise the error of the run, if it has one."""
        if self._error is not None:
            raise self._error

    def _end(self) -> None:
        self.handle.stop()
        self.join()

    def _observe(self, progress: RunProgress) -> None:
        # Until then, rows may be those of an older version of the manifest.
        self.has_plan |= progress.phase not in ("starting", "planning")
        if self._callback is not None:
            self._callback(progress)
