"""How large one file of this process may grow, which free space does not show."""

from __future__ import annotations

import resource

WAY_OUT = (
    "raise the limit (`ulimit -f unlimited` before the command), or move the run "
    "folder to a file system that takes larger files, and run the same command again"
)


def max_file_bytes() -> int | None:
    """Return the largest size that the system allows; None where it sets no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if soft == resource.RLIM_INFINITY else soft


def file_size_message() -> str:
    """Return what is wrong where a file may not grow, and what to do."""
    max_bytes = max_file_bytes()
    limit = (
        ""
        if max_bytes is None
        else f" (one file of this process: {max_bytes / 1e6:,.1f} MB)"
    )
    return f"it may not grow beyond the system's limit{limit}: {WAY_OUT}"
