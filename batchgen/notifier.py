"""Wake whoever waits for something to change."""

from __future__ import annotations

import anyio


class Notifier:
    """Wakes all who wait; to notify costs next to nothing while nobody does.

    Whoever waits reads `version`, then looks whether there is anything to do, and only
    then waits for the next version. What changed since the first of these steps wakes
    them at once, also where there was an `await` in between.

    Attributes:
        version: How often something has changed.
    """

    def __init__(self) -> None:
        self.version = 0
        self._event: anyio.Event | None = None

    def notify_all(self) -> None:
        """Let everybody who waits look again."""
        self.version += 1
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self, version: int) -> None:
        """Wait until something changes after this version."""
        while self.version == version:
            if self._event is None:
                self._event = anyio.Event()
            await self._event.wait()
