"""Fill a new ledger with purchases that other files of the run folder describe.

The plan exists already: it was made from SOURCE as `run` makes it. Each purchase gets
its row of that plan, or else a new row of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from typing import NamedTuple

from batchgen.ledger.from_rows import attempt_record
from batchgen.ledger.ledger import Ledger
from batchgen.ledger.records import AttemptRecord
from batchgen.ledger.request_json import dump_request, load_request, prompt_of
from batchgen.ledger.resuming import KeyOf
from batchgen.model import ImageRequest, Status

_INDEXES = ("base_names", "keys", "plan")


class Identity(NamedTuple):
    """What identifies a version of a row."""

    key: int
    fingerprint: bytes


class Rebuilding:
    """Steps that put purchases and images into a ledger that has only a plan."""

    def __init__(self, ledger: Ledger, key_of: KeyOf) -> None:
        self._ledger = ledger
        self._key_of = key_of
        self._foreign: dict[Identity, int] = {}
        self._foreign_ids: set[int] = set()
        for name in _INDEXES:
            ledger.execute(f"rebuild_index_{name}")

    def finish(self) -> None:
        """Mark rows that have all their images as succeeded, and tidy up."""
        self._ledger.execute("rebuild_settle_whole")
        for identity, row_id in self._foreign.items():
            values = (identity.fingerprint, row_id)
            self._ledger.execute("rebuild_restore_fingerprint", values)
        for name in _INDEXES:
            self._ledger.execute(f"rebuild_drop_{name}")

    # -- rows

    def find_row(self, identity: Identity) -> int | None:
        """Return the row of the manifest with this identity, even if it cannot run."""
        row = self._ledger.execute("rebuild_row_by_identity", identity).fetchone()
        if row is not None:
            return int(row[0])
        values = {"generation": self._ledger.generation, **identity._asdict()}
        row = self._ledger.execute("rebuild_invalid_row", values).fetchone()
        if row is None:
            return None
        request = load_request(row["request"])
        base_name = f"row-{row['position']}-{identity.fingerprint.hex()[:8]}"
        return self._add_row(identity, row["id"], row["id"] or base_name, request)

    def find_row_of(self, name: str, image: int) -> int | None:
        """Return the row that an image of this name was made for."""
        base_name = name.rpartition(".")[0]
        # Only the images of rows with several have their number in the name.
        with_one = [row_id for row_id, n in self._rows_named(base_name) if n == 1]
        numbered = base_name.removesuffix(f"-{image}")
        others = self._rows_named(numbered) if numbered != base_name else []
        row_ids = [*with_one, *(row_id for row_id, n in others if n > 1)]
        return row_ids[0] if row_ids else None

    def find_row_with(self, base_name: str) -> int | None:
        """Return the row whose images have this base name."""
        rows = self._rows_named(base_name)
        return rows[0][0] if rows else None

    def _rows_named(self, base_name: str) -> list[tuple[int, int]]:
        """Return the rows of a base name, and how many images each requests."""
        return list(self._ledger.stream("rebuild_rows_by_base_name", (base_name,)))

    def find_row_at(self, position: int, id: str, prompt: str | None) -> int | None:
        """Return the row at this position or with this id, if it has this prompt."""
        place = (self._ledger.generation, position)
        row = self._ledger.execute("rebuild_row_at", place).fetchone()
        if row is None or str(row["id"] or position) != id:
            key = (self._key_of(id, b"", 0), self._ledger.generation)
            row = self._ledger.execute("rebuild_row_by_key", key).fetchone()
        if row is None:
            return None
        is_same = prompt is None or prompt_of(row["request"]) == prompt
        return int(row["row_id"]) if is_same else None

    def add_foreign_row(
        self,
        identity: Identity,
        id: str | None,
        base_name: str | None,
        place: int | None,
    ) -> int:
        """Return an entry for a row, or a version of one, that SOURCE does not have.

        Its request is unknown, so nothing more can be bought for it.

        Args:
            identity: Of the row.
            id: Its id, if it had one.
            base_name: Of its images.
            place: Its position in the manifest; None if that is unknown.
        """
        if (existing := self._foreign.get(identity)) is not None:
            return existing
        # The entry gets another fingerprint until `finish`. With its own fingerprint, a
        # row that returns to the manifest would be bought by this entry, which has no
        # prompt.
        fingerprint = hashlib.sha256(b"recovered:" + identity.fingerprint).digest()[:16]
        row_id = self._add_row(
            Identity(identity.key, fingerprint),
            id,
            base_name or id or f"recovered-{fingerprint.hex()[:8]}",
            ImageRequest(prompt=""),
        )
        self._ledger.settle(
            row_id, Status.FAILED, None, "recovered without what it asked for"
        )
        self._foreign[identity] = row_id
        self._foreign_ids.add(row_id)
        if place is not None:
            position = {"generation": self._ledger.generation, "position": place}
            self._ledger.execute("rebuild_place_row", {"row_id": row_id, **position})
        return row_id

    def enlarge(self, row_id: int, images: int) -> None:
        """Raise the number of images of a row that SOURCE does not have."""
        if row_id in self._foreign_ids:
            self._ledger.execute("rebuild_enlarge_row", (images, row_id))

    def is_foreign(self, row_id: int) -> bool:
        """Say whether SOURCE does not have a row."""
        return row_id in self._foreign_ids

    def _add_row(
        self, identity: Identity, id: str | None, base_name: str, request: ImageRequest
    ) -> int:
        row_id = self._ledger.number("rows_last") + 1
        values = (*identity, id, base_name, dump_request(request), request.n, None)
        self._ledger.execute("row_add", (row_id, *values))
        return row_id

    def settle(
        self, row_id: int, status: Status, why: tuple[str | None, str | None], last: int
    ) -> None:
        """Give a row the status of a table, unless a later purchase changed it.

        Args:
            row_id: The row.
            status: Its status in the table.
            why: Error and message.
            last: The newest purchase in the tables.
        """
        self._ledger.execute("rebuild_settle", (status.value, *why, row_id, last))

    # -- purchases and images

    def has_planned_purchases(self) -> bool:
        """Say whether any purchase was for a row of the plan."""
        return self._ledger.has_any("rebuild_any_planned", (self._ledger.generation,))

    def put_attempt(self, attempt: AttemptRecord) -> None:
        """Write an attempt, and replace an older record of it."""
        values = asdict(attempt) | {"excused": attempt.waived}
        self._ledger.execute("rebuild_put_attempt", values)

    def attempts_with_images(self) -> Iterator[AttemptRecord]:
        """Yield attempts that have images and are not in the state `stored`."""
        for row in self._ledger.execute("rebuild_images_present").fetchall():
            yield attempt_record(row)

    def attempts_without_images(self) -> Iterator[tuple[AttemptRecord, list[int]]]:
        """Yield attempts in the state `stored` with the images that are missing."""
        for row in self._ledger.execute("rebuild_images_missing").fetchall():
            attempt = attempt_record(row)
            rows = self._ledger.execute("rebuild_images_of", (attempt.attempt_id,))
            present = {image for (image,) in rows}
            span = range(attempt.first_image, attempt.first_image + attempt.images)
            yield attempt, [image for image in span if image not in present]

    def note_missing(self, attempt_id: int, image: int, sha256: bytes) -> None:
        """Write down that a stored image is missing: to buy it again needs consent."""
        self._ledger.execute("rebuild_add_missing_image", (attempt_id, image, sha256))
