"""A file system of a few megabytes, so that a disk really fills."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(path: Path, size_bytes: int) -> Iterator[Path]:
    """Mount one, or skip the test where that is not allowed."""
    path.mkdir()
    options = f"size={size_bytes}"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"cannot mount a small file system: {error}")
    if done.returncode:
        pytest.skip(f"cannot mount a small file system: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def eat(disk: Path, room: int) -> Path:
    """Let another file take all that is free, but so many bytes."""
    path = disk / "eaten"
    with path.open("wb") as eater:
        while (free := shutil.disk_usage(disk).free - room) > 0:
            try:
                size = path.stat().st_size
                os.posix_fallocate(eater.fileno(), size, free)
            except OSError as error:
                # Others write meanwhile: what was free a moment ago is not any more.
                if error.errno != errno.ENOSPC:
                    raise
    return path
