"""The memory limit of the container or service in which this process runs.

A process above the limit of its control group is killed, even in the middle of a
purchase, however much memory the machine has. Linux only; other systems have no such
limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from batchgen.wire.memory import DEFAULT_BYTES, MEGABYTE

SHARE = 4
"""Replies and downloads get one part in four. Python and its libraries take 100 MB,
references up to 200 MB, and the pages of the archive count, too."""

MIN_BYTES = 64 * MEGABYTE
"""Also the minimum in a job: a reply with one 4K image takes 50 MB."""

# Without a limit, version 1 of control groups gives a number near 2^63.
_UNLIMITED = 1 << 60


def default_memory_bytes(root: Path = Path("/")) -> int:
    """Return the memory for replies and downloads, unless the job sets it."""
    limit = limit_bytes(root)
    if limit is None:
        return DEFAULT_BYTES
    return max(MIN_BYTES, min(DEFAULT_BYTES, limit // SHARE))


def limit_bytes(root: Path = Path("/")) -> int | None:
    """Return the lowest limit of this process's control groups; None for no limit."""
    limits = (_read_limit(file) for file in _files(root))
    return min((limit for limit in limits if limit is not None), default=None)


def _files(root: Path) -> Iterator[Path]:
    mount = root / "sys/fs/cgroup"
    for controllers, group in _groups(root / "proc/self/cgroup"):
        if controllers == [""]:  # version 2 has one tree for all controllers
            folder, names = mount, ["memory.max", "memory.high"]
        elif "memory" in controllers:
            folder, names = mount / "memory", ["memory.limit_in_bytes"]
        else:
            continue
        # All parents, too: a container may see the path that its group has outside of
        # the container, while its own group is mounted at the top.
        for path in (group, *group.parents):
            yield from (folder / path.relative_to("/") / name for name in names)


def _groups(listing: Path) -> Iterator[tuple[list[str], PurePosixPath]]:
    """Yield controllers and path of each group of this process (cgroups(7))."""
    try:
        lines = listing.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        group = PurePosixPath(path)
        # A group outside our namespace begins with `/..`, and cannot be read.
        if number.isdecimal() and group.is_absolute() and ".." not in group.parts:
            yield controllers.split(","), group


def _read_limit(file: Path) -> int | None:
    try:
        text = file.read_text("ascii").strip()
    except (OSError, ValueError):
        return None
    limit = int(text) if text.isdecimal() and len(text) < 20 else _UNLIMITED
    return limit if 0 < limit < _UNLIMITED else None
