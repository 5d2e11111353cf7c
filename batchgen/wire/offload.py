"""How long decoding is kept off the event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Offload(Protocol):
    """Run work elsewhere that would block the event loop."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...
