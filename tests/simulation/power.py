"""A kill without a process: from one moment on nothing reaches disk or network."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.virtual import uncut_sleep

T = TypeVar("T")


class PowerCut(BaseException):
    """The process is dead; what unwinds now would not have run."""


class Power:
    """Runs the engine's work on the disk, until it is cut.

    A process that is killed leaves what it wrote and nothing else. So once the power
    is cut, whatever the engine still tries ends here, before it has any effect.

    Args:
        archive: The ZIP; a cut in the middle of a write to it tears it.
        rng: How long the disk takes, and where a write tears.
        stalls: Share of the writes for which it takes seconds.
    """

    def __init__(self, archive: Path, rng: random.Random, stalls: float = 0.0) -> None:
        self._archive = archive
        self._rng = rng
        self._stalls = stalls
        self._armed = ""
        self._torn: int | None = None
        self.is_cut = False

    def arm(self, where: str) -> None:
        """Cut it at the next such moment."""
        self._armed = where

    def check(self, where: str) -> None:
        """Be at a moment where it may be cut.

        Raises:
            PowerCut: it is.
        """
        if self._armed in (where, "any") and self._armed:
            self.is_cut = True
        if self.is_cut:
            raise PowerCut

    async def offload(self, work: Callable[[], T], /) -> T:
        """Do work that takes a moment, while others go on; nothing stops it halfway."""
        took_s = self._rng.uniform(0.001, 0.02)
        if self._stalls and self._rng.random() < self._stalls:
            took_s = self._rng.uniform(1.0, 8.0)
        is_late = self._rng.random() < 0.5
        if is_late:
            await self._pass(took_s)
        self.check("write")
        result = self._tear(work) if self._armed == "stored" else work()
        self.check("written")
        if not is_late:
            await self._pass(took_s)
            self.check("written")
        return result

    @staticmethod
    async def _pass(took_s: float) -> None:
        await uncut_sleep(took_s)

    def _tear(self, work: Callable[[], T]) -> T:
        before = self._size()
        result = work()
        grown = self._size() - before
        if grown > 0:
            is_whole = self._rng.random() < 0.5
            length = grown if is_whole else self._rng.randrange(grown)
            self._torn = before + length
            self.check("stored")
        return result

    def restore(self) -> None:
        """Let the next process begin, with what was left."""
        if self._torn is not None:
            with self._archive.open("r+b") as file:
                file.truncate(self._torn)
        self._armed, self._torn, self.is_cut = "", None, False

    def _size(self) -> int:
        return self._archive.stat().st_size if self._archive.exists() else 0
