"""What is kept of an error when its work has ended: a sentence, and no memory.

An error holds the frames that it passed through, and these hold their variables, among
them bodies of many megabytes. Where a frame also has a name for the error, the two
hold each other, and only Python's collector of cycles ends that. It counts objects, not
bytes, so it comes after gigabytes.
"""

from __future__ import annotations

_MAX_CHARACTERS = 300


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


def fault_message(fault: Exception) -> str:
    """Describe an unexpected error in one line that a bug report can quote."""
    text = " ".join(f"{type(fault).__name__}: {fault}".split())
    return f"unexpected {text[:_MAX_CHARACTERS]}; run.log has the details"
