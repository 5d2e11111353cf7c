"""Add the images of the ZIP to the purchases that their headers name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from batchgen.attempts.store import size_warning
from batchgen.errors import Charge
from batchgen.ledger import AttemptRecord, Ledger
from batchgen.ledger.rebuilding import Rebuilding
from batchgen.model import State, micros_of, now_micros
from batchgen.output.reading import WrittenTable
from batchgen.output.salvage import Salvage, SalvagedImage
from batchgen.output.tag import Tag
from batchgen.runner.recover.recovered_attempts import (
    MAX_IMAGES,
    TASK_STATES,
    AttemptFactory,
)
from batchgen.runner.recover.recovery_report import RecoveryReport
from batchgen.runner.recover.row_finder import RowFinder
from batchgen.runner.recover.run_log import MAX_ID
from batchgen.runner.resume import charge_in_tag, inspect_member

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PRICED = (Charge.REPORTED, Charge.BILLED, Charge.PRICE_LIST)


@dataclass(slots=True, kw_only=True)
class ImageFiller:
    """Adds images; the purchases of tables and log must be in the ledger already.

    Attributes:
        newer: Ids of purchases that are in no table.
        new_ids: If an id in the ZIP is of another purchase in the tables, the purchase
            gets a new id; by the old id and the row.
    """

    ledger: Ledger
    rebuilding: Rebuilding
    row_finder: RowFinder
    attempt_factory: AttemptFactory
    report: RecoveryReport
    newer: set[int]
    new_ids: dict[tuple[int, int], int] = field(default_factory=dict)

    def add_all(self, salvage: Salvage) -> None:
        """Add all images that are whole.

        Raises:
            ArchiveDamaged: another program wrote the ZIP.
        """
        for image in salvage.images():
            stored = inspect_member(image.tag.image, image.member, image.data)
            if stored is None:
                continue
            if not (_is_safe(image.member.name) and 0 < image.tag.image <= MAX_IMAGES):
                salvage.damaged += 1
                continue
            attempt = self._attempt_of(image)
            self.ledger.keep_images(attempt.attempt_id, [stored])
            self.report.images += 1
            self.report.newer_images += attempt.attempt_id in self.newer
            self.report.foreign_images += self.rebuilding.is_foreign(attempt.row_id)
        self.report.damaged_images = salvage.damaged
        self._end_attempts()

    def _attempt_of(self, image: SalvagedImage) -> AttemptRecord:
        tag, name = image.tag, image.member.name
        row_id = self.rebuilding.find_row_of(name, tag.image)
        is_number = 0 < tag.attempt_id < MAX_ID
        attempt = self.ledger.find_attempt(tag.attempt_id) if is_number else None
        if attempt is not None and not _fits(attempt, tag, row_id):
            new_id = self.new_ids.get((tag.attempt_id, row_id or 0))
            attempt = None if new_id is None else self.ledger.find_attempt(new_id)
        if attempt is None:
            attempt = self._new_attempt(image, row_id)
        if attempt.state is State.STORED:
            return attempt
        charged = _charged(attempt, tag)
        if attempt.charge not in _PRICED and charged.charge is Charge.PRICE_LIST:
            self.report.priced_by_list += charged.cost is not None
            self.report.unpriced_images += charged.cost is None
        at = (tag.modified and micros_of(tag.modified)) or attempt.ended_at
        charged = replace(charged, ended_at=max(at or 0, attempt.ended_at or 0) or None)
        self.rebuilding.put_attempt(charged)
        return charged

    def _new_attempt(self, image: SalvagedImage, row_id: int | None) -> AttemptRecord:
        """Return an attempt that only the ZIP has."""
        tag = image.tag
        if row_id is None:
            row_id = self.row_finder.foreign_row_of_image(image.member.name, tag.image)
        number = tag.attempt_id
        if not 0 < number < MAX_ID or self.ledger.find_attempt(number) is not None:
            number = self.ledger.newest_attempt() + 1
            self.new_ids[tag.attempt_id, row_id] = number
        n = self.ledger.row(row_id).request.n
        images = max(1, min(tag.images, max(n, tag.image)))
        first = 1 if images >= n else tag.image
        at = (tag.modified and micros_of(tag.modified)) or now_micros()
        self.newer.add(number)
        return self.attempt_factory.new_attempt(
            self.ledger, number, row_id, (first, images), at
        )

    def _end_attempts(self) -> None:
        """Mark attempts with images as stored.

        If images are missing that a task may still deliver, it is polled again.
        """
        for attempt in self.rebuilding.attempts_with_images():
            shapes = self.ledger.shapes(attempt.attempt_id)
            is_task = attempt.task_id is not None and attempt.state in TASK_STATES
            is_whole = len(shapes) >= attempt.images
            state = State.DELIVERED if is_task and not is_whole else State.STORED
            self.rebuilding.put_attempt(
                replace(
                    attempt,
                    state=state,
                    again=None,
                    error=None,
                    message=None,
                    warning=attempt.warning or size_warning(attempt, shapes),
                    counts=True,
                )
            )

    def note_missing(self, results: WrittenTable | None) -> None:
        """Record the images that were stored and are no longer in the ZIP.

        Args:
            results: Says which images there were.
        """
        missing = [*self.rebuilding.attempts_without_images()]
        rows = {attempt.row_id for attempt, _ in missing}
        files = _files_of(results, self.row_finder, rows) if rows else {}
        for attempt, images in missing:
            digests = files.get(attempt.row_id)
            for image in images:
                if digests and image not in digests:
                    continue  # the provider delivered fewer than requested
                sha256 = digests[image] if digests else b""
                self.rebuilding.note_missing(attempt.attempt_id, image, sha256)
                self.report.missing_images += 1


def _is_safe(name: str) -> bool:
    """Say whether a name stays in the folder into which a ZIP is unpacked.

    batchgen writes only safe names, but somebody may have edited the file.
    """
    is_inside = not name.startswith("/") and ".." not in name.split("/")
    return name != "" and is_inside and "\\" not in name and not _CONTROL.search(name)


def _fits(attempt: AttemptRecord, tag: Tag, row_id: int | None) -> bool:
    """Say whether an image belongs to the attempt with the id in its tag.

    The ZIP may be older than the tables, or from another run.
    """
    end = attempt.first_image + attempt.images
    if not attempt.first_image <= tag.image < end:
        return False
    if row_id == attempt.row_id or tag.modified is None:
        return True
    at = micros_of(tag.modified)
    is_ended = attempt.state is State.STORED and attempt.ended_at is not None
    return attempt.sent_at <= at and (not is_ended or at <= (attempt.ended_at or 0))


def _charged(attempt: AttemptRecord, tag: Tag) -> AttemptRecord:
    """Return an attempt with its cost: there is an image, so it was charged."""
    if attempt.charge in _PRICED:
        return attempt
    charge, cost, uncertain = charge_in_tag(attempt, tag)
    return replace(attempt, charge=charge, cost=cost, uncertain=uncertain)


def _files_of(
    results: WrittenTable | None, row_finder: RowFinder, rows: set[int]
) -> Mapping[int, Mapping[int, bytes]]:
    """Return the digests of the images of rows, by row and number."""
    files: dict[int, dict[int, bytes]] = defaultdict(dict)
    for row in results.rows() if results else ():
        if not row["files"] or (row_id := row_finder.row_of_result(row)) not in rows:
            continue
        for file in row["files"]:
            files[row_id][file["image"]] = bytes.fromhex(file["sha256"] or "")
    return files
