"""How many files and sockets this process may open, and what to do when none is left.

The system has one limit for both. When it is reached nothing is broken: another file
closes soon, so the next open waits for that.
"""

from __future__ import annotations

import errno
import os
import resource
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""The system's errors where this process, or the machine, can open no more files."""

UNLIMITED = 65_536
"""No higher limit is asked for or used."""

MIN_FILES = 16
"""Fewer are not enough for any command."""

PATIENCE_S = 10.0
"""How long an open waits before that counts as a failure [assumed]."""

PAUSES_S = (0.01, 0.05, 0.2, 0.5)

_LISTS = ("/proc/self/fd", "/dev/fd")
_ASSUMED_OPEN = 64


def raise_limit() -> None:
    """Raise the limit of this process as far as it may do so itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    end = UNLIMITED if hard == resource.RLIM_INFINITY else min(hard, UNLIMITED)
    if soft != resource.RLIM_INFINITY and soft < end:
        # macOS refuses numbers above one of its own; then the old limit stands.
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (end, hard))
        except (ValueError, OSError):
            return


def limit() -> int:
    """Return how many files this process may have open at a time."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return UNLIMITED if soft == resource.RLIM_INFINITY else min(soft, UNLIMITED)


def count_open() -> int:
    """Return how many are open now; a guess where the system has no list of them."""
    for name in _LISTS:
        try:
            return len([*Path(name).iterdir()]) - 1  # the list itself is open, too
        except OSError:
            continue
    return min(_ASSUMED_OPEN, limit())


def may_open(files: int = 1) -> bool:
    """Say whether so many more files can be opened now."""
    with ExitStack() as opened:
        try:
            for _ in range(files):
                descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
                opened.callback(os.close, descriptor)
        except OSError as error:
            return error.errno not in SHORTAGE
    return True


def is_shortage(error: OSError) -> bool:
    """Say whether an error means that no more files can be opened."""
    return error.errno in SHORTAGE


def open_patiently(opening: Callable[[], T]) -> T:
    """Open something, and wait while no more files can be opened; blocks its thread.

    Raises:
        OSError: as `opening` does, or the wait took too long.
    """
    ends_at = time.monotonic() + PATIENCE_S
    tries = 0
    while True:
        try:
            return opening()
        except OSError as error:
            if not is_shortage(error) or time.monotonic() > ends_at:
                raise
        time.sleep(PAUSES_S[min(tries, len(PAUSES_S) - 1)])
        tries += 1


def open_descriptor(path: str | Path, flags: int, mode: int = 0o644) -> int:
    """Do what `os.open` does, as patiently as `open_patiently`."""
    return open_patiently(lambda: os.open(path, flags | os.O_CLOEXEC, mode))


def shortage_message() -> str:
    """Return what is wrong where no more files can be opened, and what to do."""
    return (
        f"no more files can be opened (this process may open {limit():,} files and "
        "sockets): raise the limit before the command (`ulimit -n 4096`), or end "
        "other programs"
    )
