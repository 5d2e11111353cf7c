"""Work that is done once for all who ask for it, its results kept in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar, cast

import anyio

from batchgen.tracebacks import drop_tracebacks

T = TypeVar("T")


class Once:
    """Does work once for each key, for as long as the result is kept.

    Who asks while it is under way waits for it; a failure goes to all who wait, and
    the next one tries again. If whoever does it is cancelled, another one takes over.
    """

    def __init__(self, most_bytes: int, weigh: Callable[[Any], int]) -> None:
        """Prepare to keep results.

        Args:
            most_bytes: Of all results kept; the ones not used for longest go first.
            weigh: Says how many bytes one takes.
        """
        self._most = most_bytes
        self._weigh = weigh
        self._bytes = 0
        # What a key has is what the maker of that key returns: hence the casts.
        self._kept: OrderedDict[Hashable, object] = OrderedDict()
        self._under_way: dict[Hashable, _Work] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """Return the result for a key, made by `make` if it is not kept."""
        while key not in self._kept:
            work = self._under_way.get(key)
            if work is None:
                return await self._do(key, make)
            await work.ended.wait()
            if work.error is not None:
                raise work.error.with_traceback(None)
            if work.results:
                return cast(T, work.results[0])
        self._kept.move_to_end(key)
        return cast(T, self._kept[key])

    async def _do(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        work = self._under_way[key] = _Work()
        try:
            result = await make()
        except Exception as error:
            # It holds what was made by then, and the work below holds it.
            drop_tracebacks(error)
            work.error = error
            raise
        else:
            work.results.append(result)
            self._keep(key, result)
            return result
        finally:
            del self._under_way[key]
            work.ended.set()

    def _keep(self, key: Hashable, result: object) -> None:
        self._kept[key] = result
        self._bytes += self._weigh(result)
        while self._bytes > self._most:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= self._weigh(oldest)


class _Work:
    """Work under way; without result or error at its end, it was cancelled."""

    def __init__(self) -> None:
        self.ended = anyio.Event()
        self.results: list[object] = []
        self.error: Exception | None = None
