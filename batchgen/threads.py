"""Whether the system lets this process start the threads that a run works with."""

from __future__ import annotations

import os
from threading import Event, Thread

MIN_THREADS, THREADS_PER_CORE, MAX_THREADS = 6, 2, 64
"""Threads that wait for the disk and for names, those that are started for each core as
the tables are written, and how many are tried at most [assumed]."""


def threads_needed() -> int:
    """Return how many more threads a run starts, as far as they are tried."""
    return min(MIN_THREADS + THREADS_PER_CORE * (os.cpu_count() or 1), MAX_THREADS)


def may_start(threads: int) -> bool:
    """Say whether so many more threads can run at this moment."""
    over = Event()
    started: list[Thread] = []
    try:
        for _ in range(threads):
            thread = Thread(target=over.wait, daemon=True)
            thread.start()
            started.append(thread)
    except RuntimeError:
        return False
    finally:
        over.set()
        for thread in started:
            thread.join()
    return True


def few_threads_message() -> str:
    """Return what is wrong where no thread can be started, and what to do."""
    return (
        f"the system lets this process start too few threads, about {threads_needed()} "
        "more are needed: raise the limit (`ulimit -u`; in a container `docker run "
        "--pids-limit`), or end other programs"
    )
