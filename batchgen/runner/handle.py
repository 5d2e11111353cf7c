"""Stop a run from outside: from code, from another thread, or by a signal."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from anyio.from_thread import BlockingPortal

FROM_CODE = "stop()"
"""The reason of a stop if the caller names none."""


class RunHandle:
    """Stops one run. Every method may be called from any thread, at any time.

    A stop before the run has started takes effect when it starts. A stop after its end
    does nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may interrupt its owner
        self._reason: str | None = None
        self._is_now = False
        self._thread: int | None = None
        self._portal: BlockingPortal | None = None
        self._carry_out: Callable[[], None] = lambda: None

    @property
    def reason(self) -> str | None:
        """Why the run was asked to stop; None if it was not."""
        return self._reason

    @property
    def is_now(self) -> bool:
        """Whether it was asked to stop without waiting for replies."""
        return self._is_now

    def stop(self, reason: str = FROM_CODE) -> None:
        """Send nothing more, and wait for replies as long as the job's `grace` says.

        The next run fetches the tasks that providers have accepted. The tables are
        written.
        """
        self._request(reason, is_now=False)

    def stop_now(self) -> None:
        """Stop without waiting for replies: what those may cost is then at risk."""
        self._request(self._reason or FROM_CODE, is_now=True)

    def _request(self, reason: str, *, is_now: bool) -> None:
        with self._lock:
            self._reason = self._reason or reason
            self._is_now |= is_now
            portal, thread = self._portal, self._thread
        if portal is None:
            return
        if thread == threading.get_ident():
            self._carry_out()
        else:
            with suppress(RuntimeError):  # the run has ended meanwhile
                portal.start_task_soon(self._carry_out)

    @asynccontextmanager
    async def attached(self, carry_out: Callable[[], None]) -> AsyncIterator[None]:
        """Call `carry_out` in this thread for each stop, while the block lasts.

        It reads `reason` and `is_now`, and may be called more than once.
        """
        async with BlockingPortal() as portal:
            with self._lock:
                self._carry_out = carry_out
                self._thread, self._portal = threading.get_ident(), portal
            if self._reason is not None:
                carry_out()
            try:
                yield
            finally:
                with self._lock:
                    self._portal = None
