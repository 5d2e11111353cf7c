"""How far one row travels through the package before its request is sent.

`python -m tests.trace_row` rehearses one row and follows every call from the moment
when its part leaves the queue until the transport is asked for the first byte. Whoever
debugs a purchase reads these files, in this order. The row is the only one that is
left in a folder with a finished plan, so that nothing else is counted.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import CO_COROUTINE
from pathlib import Path
from types import FrameType
from typing import Any

import anyio

import batchgen

PACKAGE = str(Path(batchgen.__file__).parent)

CHOSEN = ("Feed.next", "QueuedPart")
"""The function that hands out a part, and the class of what it returns."""

FIRST_BYTE = "AiohttpTransport.handle_async_request"


_FIRST_ROW = """
import batchgen, sys
table, out = sys.argv[1:]
job = batchgen.Job(table, provider="aimlapi", out=out, limit=1)
batchgen.run(job, rehearse=True)
"""


@dataclass
class Trace:
    """The calls from one moment to another.

    Attributes:
        calls: Of functions of the package: the file of each, and its name.
        moves: How many of them came from another file of the package.
    """

    calls: list[tuple[str, str]] = field(default_factory=list)
    moves: int = 0
    _is_on: bool = False
    _is_over: bool = False
    _queue_task: int = 0
    _looks_for_the_next: bool = False
    # Frames are kept, so that a coroutine which goes on is not taken for another one.
    _frames: set[FrameType] = field(default_factory=set)

    @property
    def files(self) -> list[str]:
        """The files in the order in which they are first entered."""
        return list(dict.fromkeys(file for file, _ in self.calls))

    def __call__(self, frame: FrameType, event: str, value: Any) -> None:
        """Take note of one event of the interpreter."""
        if self._is_over:
            return
        name = frame.f_code.co_qualname
        if not self._is_on and frame.f_code.co_flags & CO_COROUTINE:
            self._frames.add(frame)  # it began before, and only goes on
        if event == "return" and name == CHOSEN[0] and not self._is_on:
            self._is_on = type(value).__name__ == CHOSEN[1]
            self._queue_task = _task()
        elif event == "call" and self._is_on and frame not in self._frames:
            if name == CHOSEN[0]:
                self._looks_for_the_next = True
            if not self._looks_for_the_next or _task() != self._queue_task:
                self._enter(frame, name)

    def _enter(self, frame: FrameType, name: str) -> None:
        file = frame.f_code.co_filename
        if not file.startswith(PACKAGE):
            return
        self._is_over = name == FIRST_BYTE
        self._frames.add(frame)
        self.calls.append((file.removeprefix(PACKAGE + "/"), name))
        self.moves += _caller_of(frame) not in (None, file)


def _task() -> int:
    try:
        return anyio.get_current_task().id
    except (RuntimeError, LookupError):  # in a callback of the event loop
        return 0


def _caller_of(frame: FrameType) -> str | None:
    """Return the file of the package from which a function was called."""
    caller = frame.f_back
    while caller is not None:
        if caller.f_code.co_filename.startswith(PACKAGE):
            return caller.f_code.co_filename
        caller = caller.f_back
    return None


@contextmanager
def _following(trace: Trace) -> Iterator[None]:
    before = sys.getprofile()
    sys.setprofile(trace)
    try:
        yield
    finally:
        sys.setprofile(before)


def trace_row(folder: Path) -> Trace:
    """Rehearse one row in a run folder, and return how its request came about."""
    table = folder / "rows.csv"
    table.write_text("id,prompt\na,a cup\nb,a mug\n")
    job = batchgen.Job(table, provider="aimlapi", out=folder / "out")
    # In a process of its own, so that nothing which is kept in memory shortens the way.
    first = [sys.executable, "-c", _FIRST_ROW, str(table), str(job.out)]
    subprocess.run(first, check=True)
    trace = Trace()
    with _following(trace):
        batchgen.run(job, rehearse=True)
    return trace


def show() -> None:
    """Print the way of one row, and its length."""
    with tempfile.TemporaryDirectory() as folder:
        trace = trace_row(Path(folder))
    file = ""
    for called, name in trace.calls:
        print(f"{'' if called == file else called:32} {name}")  # noqa: T201
        file = called
    print(f"{len(trace.files)} files, {trace.moves} moves between files")  # noqa: T201


if __name__ == "__main__":
    show()
