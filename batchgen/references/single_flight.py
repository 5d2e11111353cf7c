"""Work that runs once for all callers; its results are kept in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar, cast

import anyio

from batchgen.tracebacks import drop_tracebacks

T = TypeVar("T")


class SingleFlightCache:
    """Computes a result once for each key, and keeps the results used last.

    Callers that ask while the work runs wait for it. An error goes to all of them, and
    the next caller tries again. If the caller that does the work is cancelled, another
    one takes over.
    """

    def __init__(self, max_size: int, size_of: Callable[[Any], int]) -> None:
        """Begin with an empty cache.

        Args:
            max_size: Of all results; the least recently used are dropped first.
            size_of: Returns the size of one result, such as its bytes.
        """
        self._max_size = max_size
        self._size_of = size_of
        self._size = 0
        # The result of a key has the type that its `make` returns, which needs casts.
        self._results: OrderedDict[Hashable, object] = OrderedDict()
        self._running: dict[Hashable, _Work] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """Return the result of a key; `make` computes it if it is not in the cache."""
        while key not in self._results:
            work = self._running.get(key)
            if work is None:
                return await self._run(key, make)
            await work.ended.wait()
            if work.error is not None:
                raise work.error.with_traceback(None)
            if work.results:
                return cast(T, work.results[0])
        self._results.move_to_end(key)
        return cast(T, self._results[key])

    async def _run(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        work = self._running[key] = _Work()
        try:
            result = await make()
        except Exception as error:
            # The frames of the traceback would keep all data of the work in memory.
            drop_tracebacks(error)
            work.error = error
            raise
        else:
            work.results.append(result)
            self._keep(key, result)
            return result
        finally:
            del self._running[key]
            work.ended.set()

    def _keep(self, key: Hashable, result: object) -> None:
        self._results[key] = result
        self._size += self._size_of(result)
        while self._size > self._max_size:
            _, oldest = self._results.popitem(last=False)
            self._size -= self._size_of(oldest)


class _Work:
    """Work that runs; if it ended with neither result nor error, it was cancelled."""

    def __init__(self) -> None:
        self.ended = anyio.Event()
        self.results: list[object] = []
        self.error: Exception | None = None
