"""Rows on whose images other rows build: `row:<id>` among the references.

A request holds such a reference with the fingerprint of the other row, which decides
the fingerprint of its own. So all rows that are named are read before the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batchgen.addresses import (
    parent_of,
    parent_reference,
    row_id_of,
    row_reference,
)
from batchgen.addresses.characters import visible_line
from batchgen.manifest.wording import nearest
from batchgen.model import ImageRequest


@dataclass(frozen=True, slots=True)
class Parent:
    """A row on whose image another one builds.

    Attributes:
        position: From 0.
        fingerprint: None if no image can be made of it.
        problem: Why not, as the end of a sentence.
    """

    position: int
    fingerprint: bytes | None
    problem: str = ""


class Parents:
    """All rows of a table on which others build, by their ids."""

    def __init__(
        self,
        parents: Mapping[str, Parent],
        expanded: Mapping[str, Sequence[str]] | None = None,
        *,
        has_ids: bool = True,
    ) -> None:
        """Look up rows in mappings that may still grow.

        Args:
            parents: The rows, by their ids.
            expanded: Ids of the rows that `[expand]` made of a row, by its own id.
            has_ids: Whether the table has a column of ids.
        """
        self._parents = parents
        self._expanded = {} if expanded is None else expanded
        self._has_ids = has_ids

    def __bool__(self) -> bool:
        return bool(self._parents)

    def resolved(self, references: Sequence[str], suffix: str) -> tuple[str, ...]:
        """Return references with the ids of expanded rows.

        `row:hero` of a row that `[expand]` made is the row of the same values, or the
        only one that was made of `hero`.

        Args:
            references: Of one row.
            suffix: What `[expand]` added to its id.
        """
        return tuple(self._resolved(reference, suffix) for reference in references)

    def _resolved(self, reference: str, suffix: str) -> str:
        row_id = row_id_of(reference)
        if row_id is None or row_id in self._parents:
            return reference
        if row_id + suffix in self._parents:
            return row_reference(row_id + suffix)
        ids = self._expanded.get(row_id, ())
        return row_reference(ids[0]) if len(ids) == 1 else reference

    def problem(self, reference: str) -> str | None:
        """Return what is wrong with a reference to a row, None if nothing is."""
        row_id = row_id_of(reference) or ""
        name = visible_line(f"row:{row_id}")[:80]
        if not self._has_ids:
            return (
                f"{name}: no column is the id of the rows; say which one by --id, or "
                "under [columns] in a job file"
            )
        parent = self._parents.get(row_id)
        if parent is None:
            if ids := self._expanded.get(row_id):
                return (
                    f"{name}: [expand] makes {len(ids)} rows of {row_id!r}, none of "
                    f"them with the values of this one: name one, as in row:{ids[0]}"
                )
            similar = nearest(row_id, self._parents)
            hint = f": did you mean row:{similar}?" if similar else ""
            return f"{name}: no row has the id {row_id!r}{hint}"
        if parent.fingerprint is None:
            return f"{name}: {parent.problem}"
        return None

    def as_stored(self, references: Sequence[str]) -> tuple[str, ...]:
        """Return references without a problem as a request holds them."""
        return tuple(map(self._stored, references))

    def _stored(self, reference: str) -> str:
        row_id = row_id_of(reference)
        parent = None if row_id is None else self._parents.get(row_id)
        if row_id is None or parent is None or parent.fingerprint is None:
            return reference
        return parent_reference(parent.fingerprint, row_id)

    def positions(self, request: ImageRequest) -> tuple[int, ...]:
        """Return the positions of the rows on whose images a request builds."""
        named = (parent_of(reference) for reference in request.references)
        ids = dict.fromkeys(name[1] for name in named if name is not None)
        return tuple(self._parents[row_id].position for row_id in ids)


NO_PARENTS = Parents({})
