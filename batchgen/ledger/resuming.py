"""Carry on a reading of the manifest that was interrupted.

Each slice is committed together with a bookmark, so plan and bookmark agree even after
a kill. A reading in use is always carried on: purchases made from it in the meantime
do not matter. A reading that is not in use yet depends on earlier purchases, which a
`retry` or a bill could change. So it is carried on only if no other command has opened
the folder since.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TypeVar

from batchgen.ledger.ledger import Ledger
from batchgen.ledger.plan_index import PlanIndex
from batchgen.ledger.reader import Reader

T = TypeVar("T")

KeyOf = Callable[[str | None, bytes, int], int]
"""Id, fingerprint and occurrence to the row's key."""

_ROWS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """How far a reading came.

    Attributes:
        digest: Of everything that the reading depends on but local reference images.
        generation: Of the plan that it writes.
        rows: Manifest rows that are in the plan.
        openings: How often the folder had been opened.
        dealt: Rows assigned to each provider, if several providers share the work.
    """

    digest: str
    generation: int
    rows: int
    openings: int
    dealt: Mapping[str, int] = field(default_factory=dict)


def bookmark_of(ledger: Reader) -> Bookmark | None:
    """Return the bookmark of an unfinished reading; None without one."""
    text = ledger.meta.reading
    return None if text is None else Bookmark(**json.loads(text))


def put_bookmark(
    ledger: Ledger, digest: str, generation: int, rows: int, dealt: Mapping[str, int]
) -> None:
    """Remember how far a reading came."""
    bookmark = Bookmark(
        digest=digest,
        generation=generation,
        rows=rows,
        openings=ledger.meta.openings,
        dealt=dict(dealt),
    )
    ledger.meta.reading = json.dumps(asdict(bookmark))


def drop_bookmark(ledger: Ledger) -> None:
    """Forget how far a reading came: it has ended or is abandoned."""
    if ledger.meta.reading is not None:
        ledger.meta.reading = None


def count_opening(ledger: Ledger) -> None:
    """Count that the folder may be changed now, if there is an unfinished reading."""
    if bookmark_of(ledger) is not None:
        with ledger.transaction():
            ledger.meta.openings += 1


def bookmark_to_carry_on(ledger: Reader, digest: str) -> Bookmark | None:
    """Return the bookmark of the same reading, if the plan can be carried on there.

    The caller must still check that local reference images are unchanged.
    """
    bookmark = bookmark_of(ledger)
    if bookmark is None or bookmark.digest != digest:
        return None
    is_counting = bookmark.generation == ledger.generation
    is_next = ledger.meta.openings == bookmark.openings + 1
    return bookmark if is_counting or is_next else None


def remember_rows(
    reader: Reader,
    index: PlanIndex,
    key_of: KeyOf,
    generation: int,
    unplaced: Iterable[bytes],
) -> None:
    """Add the rows above the bookmark to a reading's index.

    Args:
        reader: Has the plan.
        index: Of the reading.
        key_of: Returns a row's key.
        generation: Of the plan that is carried on.
        unplaced: Fingerprints of rows without id and without an entry in `rows`.
    """
    for rows in _in_parts(reader.stream("plan_identities", (generation,))):
        index.add_keys([key_of(id, b"", 0) for id, _ in rows if id is not None])
        index.count_occurrences(
            [
                key_of(None, fingerprint, 0)
                for _, fingerprint in rows
                if fingerprint is not None
            ]
        )
    for fingerprints in _in_parts(unplaced):
        index.count_occurrences(
            [key_of(None, fingerprint, 0) for fingerprint in fingerprints]
        )


def unplaced_positions(reader: Reader, generation: int) -> Iterator[int]:
    """Yield, in order, positions of rows without id and without an entry in `rows`."""
    return (position for (position,) in reader.stream("plan_unplaced", (generation,)))


def _in_parts(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while part := list(islice(iterator, _ROWS_AT_ONCE)):
        yield part
