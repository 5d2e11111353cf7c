"""The ledger: each method is one step, and its name says which.

Steps are made between `begin` and `commit`, so that a group of them is one commit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

from batchgen.errors import Charge, StorageError
from batchgen.ledger.ledger_file import LedgerFile
from batchgen.ledger.meta import Value
from batchgen.ledger.reader import Growth
from batchgen.ledger.records import (
    AttemptEnd,
    AttemptRecord,
    AttemptStart,
    Charged,
    StoredImage,
    just_sent,
)
from batchgen.ledger.route import Candidate
from batchgen.model import NEXT, Link, State, Status

_BEFORE: Mapping[State, str] = {
    after: " ".join(before for before in State if after in NEXT[before])
    for after in State
}
"""The states from which each may be reached; no state's name holds another's."""

_START_VALUES = attrgetter(
    *("row_id", "first_image", "images", "provider", "model", "base_url"),
    *("aspect_ratio", "resolution", "expected", "floor", "ceiling", "sent_at"),
)
_IMAGE_VALUES = attrgetter(
    *("image", "name", "place", "size_bytes", "crc32", "sha256"),
    *("media_type", "width_px", "height_px"),
)
"""What statements take, in their order."""


class Ledger(LedgerFile):
    """One run's durable state, to be written by one process.

    Raises:
        StorageError: from every method, when SQLite cannot do what was asked.
    """

    # -- the life of an attempt

    def send(self, start: AttemptStart, provider: str | None) -> AttemptRecord | None:
        """Mark an attempt as sent, and return it; None where it must not be sent.

        Args:
            start: The attempt.
            provider: That must be planned to make its row; None for any.
        """
        images = range(start.first_image, start.first_image + start.images)
        if not self.may_be_sent(start.row_id, images, provider):
            return None
        return just_sent(self.mark_sent(start), start)

    def mark_sent(self, start: AttemptStart) -> int:
        """Write down that a request is about to leave; returns the attempt's id."""
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
        """Write down what was made and charged, and where it can be fetched.

        Args:
            attempt_id: The attempt.
            links: Image number within the row, and its link.
            charge: What kind of charge, nano-dollars if they are known, and those that
                it may have cost beyond them.
            request_id: The id by which the provider's bill knows it.
            latency_s: SENT to now; None when that cannot be known.
        """
        charged = Charged(charge[0], *charge[1:])
        values = (charged.charge.value, *charged[1:], request_id, latency_s)
        self._step(attempt_id, State.DELIVERED, "attempt_deliver", values)
        for image, link in links:
            url = "" if self.holds_key(link.url) else link.url
            self.execute("link_set", (attempt_id, image, url, link.from_text))

    def reopen(self, attempt_id: int) -> None:
        """Set an attempt whose links were lost back to delivered; its charge stays."""
        self._step(attempt_id, State.DELIVERED, "attempt_reopen", ())

    def mark_stored(
        self,
        attempt_id: int,
        images: Iterable[StoredImage],
        warning: str | None,
        at: int,
    ) -> None:
        """Write down where the images lie in the archive, which is synced by now."""
        values = (warning, warning, at)
        self._step(attempt_id, State.STORED, "attempt_store", values)
        self.keep_images(attempt_id, images)

    def warn(self, attempt_id: int, warning: str) -> None:
        """Write down what is not as it should be with what an attempt brings."""
        self.execute("attempt_warn", (warning, attempt_id))

    def keep_images(self, attempt_id: int, images: Iterable[StoredImage]) -> None:
        """Write down where images lie, whatever becomes of the attempt's others."""
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
        return self.execute("attempt_excuse", (attempt_id,)).rowcount > 0

    def count_again(self, row_id: int) -> None:
        """Count excused attempts against their row after all."""
        self.execute("attempts_count", (row_id,))

    def mark_refused(self, attempt_id: int, error: str) -> bool:
        """Blame the key or the model, not the row, for an attempt that ended.

        Returns:
            False if it did not end so.
        """
        return self.execute("attempt_refuse", (error, attempt_id)).rowcount > 0

    def _step(
        self,
        attempt_id: int,
        state: State,
        name: str,
        values: Sequence[Value],
    ) -> None:
        """Take a step by a statement that changes nothing where it is not legal."""
        if self.execute(name, (*values, attempt_id, _BEFORE[state])).rowcount == 1:
            return
        row = self.execute("attempt_state", (attempt_id,)).fetchone()
        state_now = row[0] if row else "missing"
        raise StorageError(
            f"{self.path}: attempt {attempt_id} cannot go from {state_now} to {state}"
        )

    def raise_ceiling(
        self, provider: str, resolution: str | None, per_image: int
    ) -> Growth:
        """Value all open risks of a provider's resolution at a charge just seen.

        Returns:
            By how much attempts of unknown outcome are valued higher now.
        """
        growth = self.growth_of_risk(provider, resolution, per_image)
        self.execute(
            "attempts_raise_ceiling",
            {"provider": provider, "resolution": resolution, "per_image": per_image},
        )
        return growth

    def settle(
        self, row_id: int, status: Status, error: str | None, message: str | None
    ) -> None:
        """Write down how a row stands."""
        self.execute("row_settle", (status.value, error, message, row_id))
        self.mark_outputs_stale()

    def move(self, row_id: int, way: Candidate) -> None:
        """Plan a row for another provider."""
        values = (way.provider, way.model, way.resolution, way.warning)
        self.execute("row_move", (*values, row_id, self.generation))

    def keep_upload(
        self, place: tuple[str, str], name: str, link: str, good_until: int
    ) -> None:
        """Remember where a provider keeps a reference image.

        Args:
            place: Provider and base URL.
            name: Digest of the bytes.
            link: What requests name it by.
            good_until: When it stops working, in microseconds UTC.
        """
        if not self.holds_key(link):
            self.execute("upload_set", (*place, name, link, good_until))

    def forget_uploads(self, place: tuple[str, str], links: Iterable[str]) -> int:
        """Forget uploads that a provider cannot fetch any more.

        Args:
            place: Provider and base URL.
            links: What requests named them by.

        Returns:
            How many of them were still known.
        """
        values = (*place, json.dumps(list(links)))
        return self.execute("uploads_forget", values).rowcount

    def forget_uploads_until(self, place: tuple[str, str], good_until: int) -> int:
        """Forget the uploads of a place that would be good until then, or shorter."""
        return self.execute("uploads_forget_until", (*place, good_until)).rowcount
