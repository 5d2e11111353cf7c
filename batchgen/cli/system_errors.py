"""What the system refuses, in words for people: a dead mount, links in a ring."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from types import MappingProxyType

_RING = "is a link that leads back to itself: mend the link"
_DISK = "look at the disk, or at the network folder, and run the same command again"
_WAYS: Mapping[int, str] = MappingProxyType(
    {
        errno.ELOOP: "mend the links, which lead round in a ring",
        errno.EACCES: "check who may read and write there",
        errno.EPERM: "check who may read and write there",
        errno.EROFS: "name a place that can be written to",
        errno.EEXIST: "name another one",
        errno.ENOSPC: "make room on the disk, and run the same command again",
        errno.EDQUOT: "make room on the disk, and run the same command again",
        errno.ENAMETOOLONG: "name a shorter one",
        errno.EIO: _DISK,
        errno.ESTALE: _DISK,
        errno.ENOTCONN: _DISK,
        errno.EHOSTDOWN: _DISK,
        errno.ENODEV: _DISK,
        errno.ENXIO: _DISK,
        errno.ETIMEDOUT: _DISK,
    }
)


def words_of_system_error(error: OSError | RuntimeError) -> str | None:
    """Return what went wrong and what to do; None for a fault of batchgen itself."""
    if isinstance(error, OSError):
        if error.errno is None:
            return None
        reason = error.strerror or str(error)
        name = error.filename
        place = f"{name}: {reason}" if isinstance(name, str) else reason
        way = _WAYS.get(error.errno)
        return f"{place}: {way}" if way else place
    # As Python says it before 3.13; later it is an OSError.
    ring = re.fullmatch(r"Symlink loop from '(.*)'", str(error), re.DOTALL)
    return f"{ring[1]} {_RING}" if ring else None
