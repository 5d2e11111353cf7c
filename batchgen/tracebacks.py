"""Let errors that outlive their work hold nothing of it.

An error holds the frames that it passed through, and these hold their variables, among
them bodies of many megabytes. Where a frame also has a name for the error, the two
hold each other, and only Python's collector of cycles ends that. It counts objects, not
bytes, so it comes after gigabytes.
"""

from __future__ import annotations


def drop_tracebacks(error: BaseException) -> None:
    """Drop the tracebacks of an error and of all errors that led to it."""
    pending, dropped = [error], set[int]()
    while pending:
        each = pending.pop()
        if id(each) not in dropped:
            dropped.add(id(each))
            each.__traceback__ = None
            causes = (each.__cause__, each.__context__)
            pending += [cause for cause in causes if cause is not None]
