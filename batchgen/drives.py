"""Messages for the system's errors about files and drives, with the way out."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batchgen.errors import StorageError
from batchgen.open_files import is_shortage, shortage_message

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

_DRIVE_FAILED = frozenset(
    getattr(errno, name)
    for name in (
        *("EIO", "ESTALE", "ENOTCONN", "ENODEV", "ENXIO", "ETIMEDOUT", "EHOSTDOWN"),
        *("EHOSTUNREACH", "ENETUNREACH", "ECONNABORTED", "ECONNRESET", "EREMOTEIO"),
    )
    if hasattr(errno, name)  # EREMOTEIO is Linux's own
)
_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_BUSY = frozenset({errno.EBUSY, errno.ETXTBSY})
_UNSUPPORTED = frozenset(
    {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV}
)
_TOO_MANY_OPEN = frozenset({errno.EMFILE, errno.ENFILE})


def reason_of(error: OSError) -> str:
    """Return what went wrong, and what the user can do where that is known."""
    reason = error.strerror or str(error)
    hint = _hint(error.errno)
    return f"{reason} ({hint})" if hint else reason


def ring_of_links(error: RuntimeError) -> str | None:
    """Return a line about links in a ring; None for another error.

    Python before 3.13 raises this RuntimeError, later versions an OSError.
    """
    ring = re.fullmatch(r"Symlink loop from '(.*)'", str(error), re.DOTALL)
    return f"cannot use {ring[1]}: {_LINK_LOOP}" if ring else None


def message_for(error: OSError) -> str:
    """Return one line about a file that could not be used, wherever that was."""
    name = f"cannot use {error.filename}: " if error.filename else ""
    return f"{name}{reason_of(error)}"


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raise `StorageError` in place of errors of the file system."""
    try:
        yield
    except OSError as error:
        message = shortage_message() if is_shortage(error) else message_for(error)
        raise StorageError(message) from error


_LINK_LOOP = "links lead round in a ring: mend the links"

_HINTS = (
    (frozenset({errno.ELOOP}), _LINK_LOOP),
    (frozenset({errno.ENAMETOOLONG}), "name a shorter one"),
    (FULL, "free some space, or ask for a larger quota"),
    (_DRIVE_FAILED, "the drive or its connection failed: see that it works"),
    (_NOT_ALLOWED, "check the permissions of the file and its folder"),
    (_BUSY, "another program holds it: close that"),
    (_UNSUPPORTED, "the file system cannot do that: use a folder on a local disk"),
    (_TOO_MANY_OPEN, "too many files are open: raise the limit with ulimit -n"),
)


def _hint(number: int | None) -> str | None:
    return next((hint for numbers, hint in _HINTS if number in numbers), None)


def refuse_failed_drive(error: OSError, path: Path) -> None:
    """Refuse to judge a file by a fault of its drive, which may be repaired later.

    Raises:
        StorageError: the drive, or the connection to it, failed.
    """
    if error.errno in _DRIVE_FAILED:
        raise StorageError(f"cannot read {path}: {reason_of(error)}") from error
