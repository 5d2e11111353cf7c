"""In which file of the table a row stands, for messages."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Sequence

from batchgen.manifest.wording import files_shown, shown
from batchgen.model import Job

FileOf = Callable[[int], str]
"""Returns the file of a row, as a message shows it."""


def file_of_row(job: Job, starts: Sequence[int]) -> FileOf:
    """Return what names the file of a row.

    Args:
        job: Names the files.
        starts: Position of the first row of each file, if the table was read to its
            end; else the message names all of them.
    """
    files = job.tables
    if len(files) > 1 and len(starts) == len(files):
        return lambda row: shown(files[max(0, bisect_right(starts, row) - 1)])
    return lambda _: files_shown(files)


def read_starts(stored: str | None) -> Sequence[int]:
    """Return the positions as a folder stores them; none if it has none."""
    return [] if stored is None else [*json.loads(stored).values()]
