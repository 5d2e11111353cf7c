"""Find the row of the manifest that a purchase or an image belongs to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cached_property

from batchgen.ledger.rebuilding import Identity, Rebuilding
from batchgen.manifest import key_of
from batchgen.output.reading import TableRow
from batchgen.runner.recover.remains import Remains

_UNNAMED = re.compile(r"row-(\d{1,12})-[0-9a-f]{8}")
"""Base name of the images of rows without an id: it has the row's position."""


class RowFinder:
    """Finds rows; for a row that is not in SOURCE it adds one to the ledger."""

    def __init__(self, rebuilding: Rebuilding, remains: Remains) -> None:
        self._rebuilding = rebuilding
        self._results = remains.results

    @cached_property
    def _by_place(self) -> dict[int, int]:
        """Rows by position: tables of an older batchgen have nothing else."""
        rows = self._results.rows() if self._results else ()
        placed = ((row["row"], self.row_of_result(row)) for row in rows)
        return {place: row_id for place, row_id in placed if row_id is not None}

    def row_of_result(self, row: TableRow) -> int | None:
        """Return the row of a line of the result table, if its request is the same."""
        if row["row"] is None or row["id"] is None:
            return None
        return self._rebuilding.find_row_at(row["row"], row["id"], row["prompt"])

    def row_of_purchase(self, row: TableRow) -> int:
        """Return the row of a line of the table of purchases."""
        identity = _identity_in(row)
        if identity is not None:
            row_id = self._rebuilding.find_row(identity)
        else:
            row_id = self._by_place.get(row["row"]) if row["row"] is not None else None
        if row_id is not None:
            return row_id
        is_place = row["row"] is not None and row["id"] == str(row["row"])
        id = None if is_place else row["id"]
        if identity is None:
            identity = _made_up_identity(id, f"{row['row']} {id} {row['attempt_id']}")
        row_id = self._rebuilding.add_foreign_row(identity, id, None, row["row"])
        self._rebuilding.enlarge(row_id, (row["first_image"] or 1) + row["images"] - 1)
        return row_id

    def row_with_base_name(self, base_name: str) -> int:
        """Return the row whose images have names with this base name."""
        row_id = self._rebuilding.find_row_with(base_name)
        return self._foreign(base_name) if row_id is None else row_id

    def foreign_row_of_image(self, name: str, image: int) -> int:
        """Return a new row for an image whose row is not in SOURCE."""
        base_name = name.rpartition(".")[0]
        row_id = self._foreign(
            base_name.removesuffix(f"-{image}") if image > 1 else base_name
        )
        self._rebuilding.enlarge(row_id, image)
        return row_id

    def _foreign(self, base_name: str) -> int:
        match = _UNNAMED.fullmatch(base_name)
        place = int(match[1]) if match else None
        id = None if match else base_name
        return self._rebuilding.add_foreign_row(
            _made_up_identity(id, base_name), id, base_name, place
        )


def _identity_in(row: Mapping[str, object]) -> Identity | None:
    key, text = row["row_key"], row["row_fingerprint"]
    if not isinstance(key, int) or not isinstance(text, str):
        return None
    try:
        return Identity(key, bytes.fromhex(text))
    except ValueError:
        return None


def _made_up_identity(id: str | None, seed: str) -> Identity:
    """Return an identity that no manifest row has, except by its id."""
    text = b"recovered:" + seed.encode("utf-8", "replace")
    digest = hashlib.sha256(text).digest()
    number = int.from_bytes(digest[16:24], "big") >> 1
    return Identity(number if id is None else key_of(id, b"", 0), digest[:16])
