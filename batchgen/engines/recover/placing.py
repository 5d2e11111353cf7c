"""Which row of the manifest a purchase or an image belongs to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cached_property

from batchgen.engines.recover.remains import Remains
from batchgen.ledger.rebuilding import Identity, Rebuilding
from batchgen.manifest import key_of
from batchgen.output.reading import TableRow

_UNNAMED = re.compile(r"row-(\d{1,12})-[0-9a-f]{8}")
"""How rows without an id are named: by where they stood."""


class Places:
    """Finds rows; what SOURCE does not hold gets an entry of its own."""

    def __init__(self, rebuilding: Rebuilding, remains: Remains) -> None:
        self._rebuilding = rebuilding
        self._results = remains.results

    @cached_property
    def _by_place(self) -> dict[int, int]:
        """Rows by where they stood: tables of an older batchgen name them so alone."""
        rows = self._results.rows() if self._results else ()
        found = ((row["row"], self.row_of_result(row)) for row in rows)
        return {place: row_id for place, row_id in found if row_id is not None}

    def row_of_result(self, row: TableRow) -> int | None:
        """Return the row of a line of the result table, if it asks for the same."""
        if row["row"] is None or row["id"] is None:
            return None
        return self._rebuilding.find_row_at(row["row"], row["id"], row["prompt"])

    def row_of_purchase(self, row: TableRow) -> int:
        """Return the row that a line of the table of purchases is about."""
        identity = _identity_in(row)
        if identity is not None:
            found = self._rebuilding.find_row(identity)
        else:
            found = self._by_place.get(row["row"]) if row["row"] is not None else None
        if found is not None:
            return found
        is_place = row["row"] is not None and row["id"] == str(row["row"])
        id = None if is_place else row["id"]
        if identity is None:
            identity = _made_up(id, f"{row['row']} {id} {row['attempt_id']}")
        row_id = self._rebuilding.add_foreign_row(identity, id, None, row["row"])
        self._rebuilding.enlarge(row_id, (row["first_image"] or 1) + row["images"] - 1)
        return row_id

    def row_of_image(self, name: str, image: int) -> int | None:
        """Return the row of the manifest that an image of this name was made for."""
        return self._rebuilding.find_row_of(name, image)

    def row_of_stem(self, stem: str) -> int:
        """Return the row whose images have names of this stem."""
        found = self._rebuilding.find_row_with(stem)
        return self._foreign(stem) if found is None else found

    def foreign_row_of_image(self, name: str, image: int) -> int:
        """Return an entry for an image whose row SOURCE does not hold."""
        stem = name.rpartition(".")[0]
        row_id = self._foreign(stem.removesuffix(f"-{image}") if image > 1 else stem)
        self._rebuilding.enlarge(row_id, image)
        return row_id

    def is_foreign(self, row_id: int) -> bool:
        """Say whether SOURCE does not hold a row."""
        return self._rebuilding.is_foreign(row_id)

    def _foreign(self, stem: str) -> int:
        match = _UNNAMED.fullmatch(stem)
        place = int(match[1]) if match else None
        id = None if match else stem
        return self._rebuilding.add_foreign_row(_made_up(id, stem), id, stem, place)


def _identity_in(row: Mapping[str, object]) -> Identity | None:
    key, text = row["row_key"], row["row_fingerprint"]
    if not isinstance(key, int) or not isinstance(text, str):
        return None
    try:
        return Identity(key, bytes.fromhex(text))
    except ValueError:
        return None


def _made_up(id: str | None, seed: str) -> Identity:
    """Return an identity that no reading of a manifest gives but by its id."""
    text = b"recovered:" + seed.encode("utf-8", "replace")
    digest = hashlib.sha256(text).digest()
    number = int.from_bytes(digest[16:24], "big") >> 1
    return Identity(number if id is None else key_of(id, b"", 0), digest[:16])
