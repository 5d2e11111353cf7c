"""How much memory the container or service that we run in may take.

A process over the limit of its control group is killed in mid-purchase, however much
the machine has. Linux only; elsewhere there is no such limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from batchgen.wire.memory import DEFAULT_BYTES, MEGABYTE

SHARE = 4
"""Replies and downloads get this part of the limit: Python and its libraries take
100 MB, references up to 200 MB, and the pages of the archive count, too."""

MIN_BYTES = 64 * MEGABYTE
"""The least that a job may say, too: a reply with one 4K image takes 50 MB."""

# Version 1 says a number near 2^63 where there is no limit.
_UNLIMITED = 1 << 60


def default_memory_bytes(root: Path = Path("/")) -> int:
    """Return what replies and downloads may take where the job says nothing."""
    limit = limit_bytes(root)
    if limit is None:
        return DEFAULT_BYTES
    return max(MIN_BYTES, min(DEFAULT_BYTES, limit // SHARE))


def limit_bytes(root: Path = Path("/")) -> int | None:
    """Return the lowest limit of all control groups that we are in; None for none.

    Args:
        root: Where `proc` and `sys` are.
    """
    limits = (_read_limit(file) for file in _files(root))
    return min((limit for limit in limits if limit is not None), default=None)


def _files(root: Path) -> Iterator[Path]:
    mounted = root / "sys/fs/cgroup"
    for controllers, group in _groups(root / "proc/self/cgroup"):
        if controllers == [""]:  # version 2 has one tree for all controllers
            folder, names = mounted, ["memory.max", "memory.high"]
        elif "memory" in controllers:
            folder, names = mounted / "memory", ["memory.limit_in_bytes"]
        else:
            continue
        # A container may see the path outside of it, and only its own group at the top.
        for each in (group, *group.parents):
            yield from (folder / each.relative_to("/") / name for name in names)


def _groups(listing: Path) -> Iterator[tuple[list[str], PurePosixPath]]:
    """Yield controllers and path of each group that we are in (cgroups(7))."""
    try:
        lines = listing.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        group = PurePosixPath(path)
        # What lies outside our namespace begins with `/..`, and cannot be read.
        if number.isdecimal() and group.is_absolute() and ".." not in group.parts:
            yield controllers.split(","), group


def _read_limit(file: Path) -> int | None:
    try:
        text = file.read_text("ascii").strip()
    except (OSError, ValueError):
        return None
    limit = int(text) if text.isdecimal() and len(text) < 20 else _UNLIMITED
    return limit if 0 < limit < _UNLIMITED else None
