"""The ledger: each method is one step, and its name says which.

Steps are made between `begin` and `commit`, so that a group of them is one commit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from batchgen.drives import reason_of
from batchgen.errors import Charge, LedgerMissing, StorageError
from batchgen.ledger.database import queries, translated
from batchgen.ledger.reader import Growth, Reader, Value
from batchgen.ledger.records import AttemptEnd, AttemptStart, Charged, StoredImage
from batchgen.ledger.route import Way
from batchgen.model import NEXT, Link, State, Status

_BEFORE: Mapping[State, str] = {
    after: " ".join(before for before in State if after in NEXT[before])
    for after in State
}
"""The states from which each may be reached; no state's name holds another's."""


class Ledger(Reader):
    """One run's durable state, to be written by one process.

    Attributes:
        holds_key: Says whether a key stands in a text. Such a link is never written;
            whoever follows it has it in memory.

    Raises:
        StorageError: from every method, when SQLite cannot do what was asked.
    """

    writes = True
    _outputs_are_known_stale = False  # by this commit

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self._file = _identity(path)
        except OSError as error:
            self.close()
            raise StorageError(f"cannot look at {path}: {reason_of(error)}") from error
        self._seen_bytes = 0
        self.holds_key: Callable[[str], bool] = lambda _: False

    def is_in_place(self) -> bool:
        """Say whether the file that is written is still the one at its path, whole.

        Where nobody can look, it counts as there: SQLite says what is wrong.
        """
        try:
            if _identity(self.path) != self._file:
                return False
            size_bytes = self.path.stat().st_size
        except FileNotFoundError:
            return False
        except OSError:
            return True
        # SQLite never makes it smaller, as long as nobody asks for that.
        is_whole = size_bytes >= self._seen_bytes
        self._seen_bytes = max(self._seen_bytes, size_bytes)
        return is_whole

    def put_back(self) -> Path | None:
        """Write the ledger anew where somebody deleted, replaced or cut it.

        What this process knows stands in the deleted file until it closes. Another
        file that stands there by now is left alone.

        Returns:
            Where it was written; None where nothing was amiss.

        Raises:
            LedgerMissing: the folder is gone.
        """
        if self.is_in_place():
            return None
        place = self.path
        if not place.parent.is_dir():
            raise LedgerMissing(
                f"{place.parent} was moved or deleted while batchgen worked with it. "
                "Nothing more is sent. If it was moved, all that was bought is in it: "
                "move it back, or name its new place with --out, and run this again"
            )
        if place.exists():
            place = place.with_name(f"{place.name}.of-this-run")
        copy = place.with_name(f"{place.name}.new")
        copy.unlink(missing_ok=True)
        self.copy_to(copy)
        copy.replace(place)
        if place == self.path:
            self._file = _identity(place)
        return place

    def begin(self) -> None:
        """Begin a commit; the steps that follow belong to it."""
        with translated(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
        self._outputs_are_known_stale = False

    def commit(self) -> None:
        """Bring all steps since `begin` to the disk, or none of them."""
        with translated(self.path):
            try:
                self._connection.execute("COMMIT")
            except BaseException:
                self.rollback()
                raise

    def rollback(self) -> None:
        """Forget all steps since `begin`."""
        # After some errors SQLite has rolled back by itself.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._outputs_are_known_stale = False

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all steps inside one commit, on disk when it ends."""
        self.begin()
        try:
            yield
        except BaseException:
            self.rollback()
            raise
        self.commit()

    def execute_many(
        self, name: str, values: Iterable[Sequence[Value] | Mapping[str, Value]]
    ) -> None:
        """Execute a named statement once for each of the values."""
        with translated(self.path):
            self._connection.executemany(queries()[name], values)

    def write_meta(self, name: str, value: Value) -> None:
        super().write_meta(name, value)
        self._outputs_are_known_stale = False

    # -- the life of an attempt

    def mark_sent(self, start: AttemptStart) -> int:
        """Write down that a request is about to leave; returns the attempt's id."""
        cursor = self.execute(
            "attempt_add",
            (
                start.row_id,
                start.first_image,
                start.images,
                start.provider,
                start.model,
                start.base_url,
                start.aspect_ratio,
                start.resolution,
                start.expected,
                start.floor,
                start.ceiling,
                start.sent_at,
            ),
        )
        self._outputs_are_stale()
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
        known = Charged(charge[0], *charge[1:])
        values = (known.charge.value, *known[1:], request_id, latency_s)
        self._step(attempt_id, State.DELIVERED, "attempt_deliver", values)
        for image, link in links:
            url = "" if self.holds_key(link.url) else link.url
            self.execute("link_set", (attempt_id, image, url, link.from_text))

    def reopen(self, attempt_id: int) -> None:
        """Let an attempt be delivered again whose links were lost; its charge stays."""
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
        for it in images:
            self.execute(
                "image_store",
                (
                    attempt_id,
                    it.image,
                    it.name,
                    it.place,
                    it.size_bytes,
                    it.crc32,
                    it.sha256,
                    it.media_type,
                    it.width_px,
                    it.height_px,
                ),
            )
        self._outputs_are_stale()

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
                end.excused,
                end.error,
                end.message,
                end.request_id,
                end.ended_at,
            ),
        )
        self._outputs_are_stale()

    def excuse(self, attempt_id: int) -> bool:
        """Let an attempt that failed not count for its row; False if it did not."""
        return self.execute("attempt_excuse", (attempt_id,)).rowcount > 0

    def count_again(self, row_id: int) -> None:
        """Let attempts that were excused count for their row after all."""
        self.execute("attempts_count", (row_id,))

    def mark_refused(self, attempt_id: int, error: str) -> bool:
        """Let an attempt that ended by its row's fault be one that key or model ended.

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
        was = row[0] if row else "missing"
        raise StorageError(
            f"{self.path}: attempt {attempt_id} cannot go from {was} to {state}"
        )

    def _outputs_are_stale(self) -> None:
        if not self._outputs_are_known_stale:
            self.execute("outputs_stale")
            self._outputs_are_known_stale = self._connection.in_transaction

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
        self._outputs_are_stale()

    def move(self, row_id: int, way: Way) -> None:
        """Let another provider make a row from now on."""
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


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another of its name; None for no file."""
    try:
        state = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return state.st_dev, state.st_ino
