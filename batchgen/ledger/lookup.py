"""Look up single rows and images, and the rows that have ended."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from batchgen.ledger.reader import Reader
from batchgen.ledger.results import result_rows
from batchgen.model import ResultRow


class EndedRows:
    """Reads each row of a run once, when it has ended."""

    def __init__(self, ledger: Reader, archive: str, end: int) -> None:
        """Begin before the first row.

        Args:
            ledger: The ledger; it may be written meanwhile.
            archive: File name of the archive, as the table's `files` name it.
            end: Position behind the last row in scope.
        """
        self._ledger = ledger
        self._archive = archive
        self._end = end
        self._first = 0  # the first row that was not read yet
        self._beyond: set[int] = set()  # rows behind that one that were

    def read(self, max_rows: int) -> list[ResultRow]:
        """Return rows that have ended since the last call, in manifest order."""
        with self._ledger.snapshot():
            values = (self._ledger.generation, self._first)
            positions: list[int] = []
            for (position,) in self._ledger.stream("rows_ended", values):
                if position >= self._end or len(positions) == max_rows:
                    break
                if position not in self._beyond:
                    positions.append(position)
            rows = [
                row
                for start, end in _spans(positions)
                for row in result_rows(self._ledger, self._archive, start, end)
            ]
        self._remember(positions)
        return rows

    def _remember(self, positions: list[int]) -> None:
        self._beyond.update(positions)
        while self._first in self._beyond:
            self._beyond.remove(self._first)
            self._first += 1


def _spans(positions: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the gapless spans of ascending numbers: the first, and behind the last."""
    # In a gapless span all numbers have the same distance from their index.
    for _, span in groupby(enumerate(positions), lambda pair: pair[1] - pair[0]):
        numbers = [position for _, position in span]
        yield numbers[0], numbers[-1] + 1


def find_row(ledger: Reader, archive: str, row_id: str) -> ResultRow | None:
    """Return the row of an id as the result table has it; None if there is none."""
    line = ledger.execute("row_position", (ledger.generation, row_id)).fetchone()
    if line is None:
        return None
    return result_rows(ledger, archive, line[0], line[0] + 1)[0]


def place_of(ledger: Reader, name: str) -> int | None:
    """Return where a stored image begins in the archive; None if it is not there."""
    line = ledger.execute("image_place", (name,)).fetchone()
    return None if line is None else int(line[0])
