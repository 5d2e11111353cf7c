"""The ledger, with one method for each step.

Steps are made between `begin` and `commit`, so that a group of them is one commit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter

from batchgen.errors import Charge, StorageError
from batchgen.ledger.ledger_file import LedgerFile
from batchgen.ledger.meta import Value
from batchgen.ledger.reader import Reader, RiskIncrease
from batchgen.ledger.records import (
    AttemptEnd,
    AttemptRecord,
    AttemptStart,
    Charged,
    StoredImage,
)
from batchgen.ledger.route import Candidate
from batchgen.model import NEXT, Link, State, Status

_BEFORE: Mapping[State, str] = {
    after: " ".join(before for before in State if after in NEXT[before])
    for after in State
}
"""The states from which each may be reached; no state's name contains another's."""

_START_VALUES = attrgetter(
    *("row_id", "first_image", "images", "provider", "model", "base_url"),
    *("aspect_ratio", "resolution", "expected", "floor", "ceiling", "sent_at"),
)
_IMAGE_VALUES = attrgetter(
    *("image", "name", "place", "size_bytes", "crc32", "sha256"),
    *("media_type", "width_px", "height_px"),
)
"""Return the values of statements, in their order."""


_SENT_FIELDS = tuple(field.name for field in fields(AttemptStart))
_SENT_VALUES = attrgetter(*_SENT_FIELDS)


def just_sent(attempt_id: int, start: AttemptStart) -> AttemptRecord:
    """Return an attempt's record just after it was marked as sent."""
    values = dict(zip(_SENT_FIELDS, _SENT_VALUES(start), strict=True))
    return AttemptRecord(attempt_id=attempt_id, state=State.SENT, **values)


class Ledger(LedgerFile, Reader):
    """One run's durable state, to be written by one process.

    Raises:
        StorageError: from every method, when SQLite fails.
    """

    # -- the life of an attempt

    def send(self, start: AttemptStart, provider: str | None) -> AttemptRecord | None:
        """Mark an attempt as sent, and return it; None if it must not be sent.

        Args:
            start: The attempt.
            provider: The one that must be planned for the row; None for any.
        """
        images = range(start.first_image, start.first_image + start.images)
        if not self.may_be_sent(start.row_id, images, provider):
            return None
        return just_sent(self.mark_sent(start), start)

    def mark_sent(self, start: AttemptStart) -> int:
        """Write down that a request will be sent now; return the attempt's id."""
        cursor = self.execute("attempt_add", _START_VALUES(start))
        self.mark_outputs_stale()
        attempt_id = cursor.lastrowid
        if attempt_id is None:  # pragma: no cover
            raise StorageError(f"{self.path}: an attempt got no number")
        return attempt_id

    def mark_accepted(
        self, attempt_id: int, task_id: str, request_id: str | None, at: int
    ) -> None:
        """Write down the task that the provider named."""
        values = (task_id, request_id, at)
        self._step(attempt_id, State.ACCEPTED, "attempt_accept", values)

    def mark_delivered(
        self,
        attempt_id: int,
        links: Iterable[tuple[int, Link]],
        charge: Charged | tuple[Charge, int | None],
        request_id: str | None,
        latency_s: float | None,
    ) -> None:
        """Write down a delivery: its charge, and the links of its images.

        Args:
            attempt_id: The attempt.
            links: Image number within the row, and its link.
            charge: Kind of charge, nano-dollars if known, and uncertain nano-dollars
                beyond that.
            request_id: The attempt's id on the provider's bill.
            latency_s: Seconds since SENT; None if unknown.
        """
        charged = Charged(charge[0], *charge[1:])
        values = (charged.charge.value, *charged[1:], request_id, latency_s)
        self._step(attempt_id, State.DELIVERED, "attempt_deliver", values)
        for image, link in links:
            url = "" if self.holds_key(link.url) else link.url
            self.execute("link_set", (attempt_id, image, url, link.from_text))

    def reopen(self, attempt_id: int) -> None:
        """Set an attempt with lost links back to delivered; its charge stays."""
        self._step(attempt_id, State.DELIVERED, "attempt_reopen", ())

    def mark_stored(
        self,
        attempt_id: int,
        images: Iterable[StoredImage],
        warning: str | None,
        at: int,
    ) -> None:
        """Write down the images' places in the archive, which must be synced before."""
        self._step(attempt_id, State.STORED, "attempt_store", (warning, warning, at))
        self.keep_images(attempt_id, images)

    def warn(self, attempt_id: int, warning: str) -> None:
        """Write down a warning about an attempt's images."""
        self.execute("attempt_warn", (warning, attempt_id))

    def keep_images(self, attempt_id: int, images: Iterable[StoredImage]) -> None:
        """Write down images' places, independent of other images of the attempt."""
        for image in images:
            self.execute("image_store", (attempt_id, *_IMAGE_VALUES(image)))
        self.mark_outputs_stale()

    def mark_ended(self, attempt_id: int, end: AttemptEnd) -> None:
        """Write down that an attempt ended without its images."""
        self._step(
            attempt_id,
            end.state,
            "attempt_end",
            (
                end.state.value,
                end.charge.value,
                end.cost,
                end.uncertain,
                end.again.value,
                end.counts,
                end.waived,
                end.error,
                end.message,
                end.request_id,
                end.ended_at,
            ),
        )
        self.mark_outputs_stale()

    def waive(self, attempt_id: int) -> bool:
        """Do not count a failed attempt against its row; False if it did not fail."""
        return self.execute("attempt_waive", (attempt_id,)).rowcount > 0

    def count_again(self, row_id: int) -> None:
        """Count waived attempts against their row again."""
        self.execute("attempts_count", (row_id,))

    def mark_refused(self, attempt_id: int, error: str) -> bool:
        """Record that an attempt failed because of the key or the model, not the row.

        Returns:
            False if the attempt has not failed.
        """
        return self.execute("attempt_refuse", (error, attempt_id)).rowcount > 0

    def _step(
        self,
        attempt_id: int,
        state: State,
        name: str,
        values: Sequence[Value],
    ) -> None:
        """Change an attempt's state by a statement that ignores illegal changes."""
        if self.execute(name, (*values, attempt_id, _BEFORE[state])).rowcount == 1:
            return
        row = self.execute("attempt_state", (attempt_id,)).fetchone()
        state_now = row[0] if row else "missing"
        raise StorageError(
            f"{self.path}: attempt {attempt_id} cannot go from {state_now} to {state}"
        )

    def raise_ceiling(
        self, provider: str, resolution: str | None, per_image: int
    ) -> RiskIncrease:
        """Raise the ceiling of all attempts at risk to a charge that was just reported.

        Returns:
            By how much money at risk of unknown outcomes increased.
        """
        increase = self.risk_increase(provider, resolution, per_image)
        self.execute(
            "attempts_raise_ceiling",
            {"provider": provider, "resolution": resolution, "per_image": per_image},
        )
        return increase

    def settle(
        self, row_id: int, status: Status, error: str | None, message: str | None
    ) -> None:
        """Write down a row's status."""
        self.execute("row_settle", (status.value, error, message, row_id))
        self.mark_outputs_stale()

    def move(self, row_id: int, to: Candidate) -> None:
        """Plan a row for another provider."""
        values = (to.provider, to.model, to.resolution, to.warning)
        self.execute("row_move", (*values, row_id, self.generation))

    def keep_upload(
        self, place: tuple[str, str], name: str, link: str, good_until: int
    ) -> None:
        """Remember the link of an uploaded reference image.

        Args:
            place: Provider and base URL.
            name: Digest of the bytes.
            link: For requests.
            good_until: When it stops working, in microseconds UTC.
        """
        if not self.holds_key(link):
            self.execute("upload_set", (*place, name, link, good_until))

    def forget_uploads(self, place: tuple[str, str], links: Iterable[str]) -> int:
        """Forget uploads that a provider cannot fetch any more.

        Args:
            place: Provider and base URL.
            links: Of the uploads.

        Returns:
            How many of them the ledger had.
        """
        values = (*place, json.dumps(list(links)))
        return self.execute("uploads_forget", values).rowcount

    def forget_uploads_until(self, place: tuple[str, str], good_until: int) -> int:
        """Forget the uploads of a place that expire at this time or before."""
        return self.execute("uploads_forget_until", (*place, good_until)).rowcount
