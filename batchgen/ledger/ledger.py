"""The ledger: each method is one step, and its name says which.

Steps are made inside `transaction()`, so that a group of them is one commit. Reading
methods work on a second, read-only ledger, too, while the first one is written.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from batchgen.errors import Again, Charge, LedgerMismatch, StorageError
from batchgen.ledger.database import connect, queries, translated
from batchgen.ledger.records import (
    AttemptEnd,
    AttemptRecord,
    AttemptStart,
    PlannedRow,
    RowRecord,
    StoredImage,
    Totals,
)
from batchgen.model import NEXT, ImageRequest, State, Status

Value = str | int | float | bytes | None


class Ledger:
    """One run's durable state.

    Raises:
        StorageError: from every method, when SQLite cannot do what was asked.
    """

    def __init__(self, path: Path, *, write: bool) -> None:
        self.path = path
        self._connection = connect(path, write=write)

    def close(self) -> None:
        """Close the file; a last checkpoint folds the log into it."""
        self._connection.close()

    def copy_to(self, path: Path) -> None:
        """Copy the ledger as it stands now, also while it is written."""
        with translated(path), closing(sqlite3.connect(path)) as copy:
            self._connection.backup(copy)

    def begin(self) -> None:
        """Begin a commit; the steps that follow belong to it."""
        with translated(self.path):
            self._connection.execute("BEGIN IMMEDIATE")

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

    def run(
        self, name: str, values: Sequence[Value] | Mapping[str, Value] = ()
    ) -> sqlite3.Cursor:
        """Execute a named query."""
        with translated(self.path):
            return self._connection.execute(queries()[name], values)

    # -- what the folder is

    def get(self, name: str) -> Value:
        """Return a remembered value, None if there is none."""
        row = self.run("meta_get", (name,)).fetchone()
        return row[0] if row else None

    def get_int(self, name: str) -> int:
        """Return a remembered number, 0 if there is none."""
        value = self.get(name)
        return value if isinstance(value, int) else 0

    def put(self, name: str, value: Value) -> None:
        """Remember a value."""
        self.run("meta_set", (name, value))

    def bind(self, name: str, value: str, problem: str) -> None:
        """Remember what the folder belongs to, or refuse it to another.

        Raises:
            LedgerMismatch: it is bound to something else; `problem` says how to go on.
        """
        bound = self.get(name)
        if bound is None:
            self.put(name, value)
        elif bound != value:
            raise LedgerMismatch(problem.format(bound=bound, wanted=value))

    @property
    def generation(self) -> int:
        """The reading of the manifest that counts now."""
        return self.get_int("generation")

    # -- the life of an attempt

    def mark_sent(self, start: AttemptStart) -> int:
        """Write down that a request is about to leave; returns the attempt's id."""
        cursor = self.run(
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
        self._step(attempt_id, State.ACCEPTED)
        self.run("attempt_accept", (task_id, request_id, at, attempt_id))

    def mark_delivered(
        self,
        attempt_id: int,
        links: Iterable[tuple[int, str]],
        charge: tuple[Charge, int | None],
        request_id: str | None,
        latency_s: float | None,
    ) -> None:
        """Write down what was made and charged, and where it can be fetched.

        Args:
            attempt_id: The attempt.
            links: Image number within the row, and its link.
            charge: What kind of charge, and nano-dollars if they are known.
            request_id: The id by which the provider's bill knows it.
            latency_s: SENT to now; None when that cannot be known.
        """
        self._step(attempt_id, State.DELIVERED)
        self.run(
            "attempt_deliver",
            (charge[0].value, charge[1], request_id, latency_s, attempt_id),
        )
        for image, link in links:
            self.run("link_set", (attempt_id, image, link))

    def mark_stored(
        self,
        attempt_id: int,
        images: Iterable[StoredImage],
        warning: str | None,
        at: int,
    ) -> None:
        """Write down where the images lie in the archive, which is synced by now."""
        self._step(attempt_id, State.STORED)
        for it in images:
            self.run(
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
        self.run("attempt_store", (warning, at, attempt_id))
        self._outputs_are_stale()

    def mark_ended(self, attempt_id: int, end: AttemptEnd) -> None:
        """Write down that an attempt ended without its images."""
        self._step(attempt_id, end.state)
        self.run(
            "attempt_end",
            (
                end.state.value,
                end.charge.value,
                end.cost,
                end.again.value,
                end.counts,
                end.error,
                end.message,
                end.request_id,
                end.ended_at,
                attempt_id,
            ),
        )
        self._outputs_are_stale()

    def _step(self, attempt_id: int, state: State) -> None:
        row = self.run("attempt_state", (attempt_id,)).fetchone()
        if row is None or state not in NEXT[State(row[0])]:
            was = row[0] if row else "missing"
            raise StorageError(
                f"{self.path}: attempt {attempt_id} cannot go from {was} to {state}"
            )

    def _outputs_are_stale(self) -> None:
        self.run("outputs_stale")

    def raise_ceiling(
        self, provider: str, resolution: str | None, per_image: int
    ) -> None:
        """Value all open risks of a provider's resolution at a charge just seen."""
        self.run(
            "attempts_raise_ceiling",
            {"provider": provider, "resolution": resolution, "per_image": per_image},
        )

    def settle(
        self, row_id: int, status: Status, error: str | None, message: str | None
    ) -> None:
        """Write down how a row stands."""
        self.run("row_settle", (status.value, error, message, row_id))
        self._outputs_are_stale()

    # -- reading

    def status(self, row_id: int) -> Status:
        """Return how a row stands."""
        return Status(self.run("row_status", (row_id,)).fetchone()[0])

    def is_whole(self, row_id: int) -> bool:
        """Say whether all images of a row are in the archive."""
        return bool(self.run("row_is_whole", (row_id,)).fetchone()[0])

    def row(self, row_id: int) -> RowRecord:
        """Return one version of a row."""
        return _row(self.run("row_get", (row_id,)).fetchone())

    def waiting(
        self, provider: str, after: int, below: int, most: int
    ) -> list[PlannedRow]:
        """Return pending rows of a provider, in manifest order."""
        found = self.run(
            "rows_waiting",
            {
                "generation": self.generation,
                "after": after,
                "below": below,
                "provider": provider,
                "most": most,
            },
        )
        return [
            PlannedRow(
                row=_row(row),
                position=row["position"],
                line=row["line"],
                provider=row["provider"],
                model=row["model"],
            )
            for row in found
        ]

    def is_planned(self, row_id: int) -> bool:
        """Say whether the manifest still holds this version of the row."""
        values = (row_id, self.generation)
        return self.run("row_is_planned", values).fetchone() is not None

    def planned_provider(self, row_id: int) -> str | None:
        """Return the provider chosen for a row now, empty if none could do it.

        None if the manifest does not hold this version of the row any more.
        """
        found = self.run("row_is_planned", (row_id, self.generation)).fetchone()
        return None if found is None else found["provider"] or ""

    def attempt(self, attempt_id: int) -> AttemptRecord:
        """Return one attempt."""
        return attempt_record(self.run("attempt_get", (attempt_id,)).fetchone())

    def has_attempts(self) -> bool:
        """Say whether anything was ever sent from this folder."""
        return self.run("attempts_any").fetchone() is not None

    def attempts_of(self, row_id: int) -> list[AttemptRecord]:
        """Return all attempts at a row, oldest first."""
        return [attempt_record(row) for row in self.run("row_attempts", (row_id,))]

    def stored_images(self, row_id: int) -> set[int]:
        """Return the numbers of a row's images that are in the archive."""
        return {row[0] for row in self.run("row_stored_images", (row_id,))}

    def open_attempts(self) -> list[AttemptRecord]:
        """Return attempts that are sent, accepted, delivered or overdue."""
        return [attempt_record(row) for row in self.run("attempts_open")]

    def links(self, attempt_id: int) -> list[tuple[int, str]]:
        """Return image numbers and links that are still to be fetched."""
        return [(row[0], row[1]) for row in self.run("attempt_links", (attempt_id,))]

    def sent_since(self, provider: str, since: int) -> list[int]:
        """Return when purchases of a provider left, in microseconds UTC."""
        values = (provider, since)
        return [row[0] for row in self.run("attempts_sent_since", values)]

    def totals(self, below: int) -> Totals:
        """Add up the whole folder's money, and the rows before a position."""
        generation = self.generation
        money = self.run("money", (generation,)).fetchone()
        by_status = self.run(
            "rows_by_status", {"generation": generation, "below": below}
        )
        return Totals(
            spent=money["spent"],
            retired=money["retired"],
            at_risk=money["at_risk"],
            at_risk_attempts=money["at_risk_attempts"],
            unpriced=money["unpriced"],
            unpriced_risk=money["unpriced_risk"],
            rows={Status(row["status"]): row["rows"] for row in by_status},
            images=self.run("images_stored", (generation,)).fetchone()[0],
        )


def attempt_record(row: sqlite3.Row) -> AttemptRecord:
    """Read one line of `attempts`."""
    values = dict(row)
    values["state"] = State(values["state"])
    values["charge"] = Charge(values["charge"]) if values["charge"] else None
    values["again"] = Again(values["again"]) if values["again"] else None
    values["counts"] = bool(values["counts"])
    return AttemptRecord(**values)


def _row(row: sqlite3.Row) -> RowRecord:
    return RowRecord(
        row_id=row["row_id"],
        id=row["id"],
        stem=row["stem"],
        request=load_request(row["request"]),
        status=Status(row["status"]),
        error=row["error"],
        message=row["message"],
        tries_from=row["tries_from"],
    )


def dump_request(request: ImageRequest) -> str:
    """Write a request as JSON, what it does not state left out."""
    stated: dict[str, object] = {"prompt": request.prompt}
    if request.references:
        stated["references"] = list(request.references)
    for name in ("aspect_ratio", "resolution", "model"):
        if (value := getattr(request, name)) is not None:
            stated[name] = value
    if request.n != 1:
        stated["n"] = request.n
    if request.options:
        stated["options"] = dict(request.options)
    return json.dumps(stated, ensure_ascii=False, separators=(",", ":"))


def load_request(text: str) -> ImageRequest:
    """Read a request that `dump_request` wrote."""
    stated = json.loads(text)
    stated["references"] = tuple(stated.get("references", ()))
    return ImageRequest(**stated)
