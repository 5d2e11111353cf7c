"""Read the ledger, also while another process writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict

from batchgen.ledger.from_rows import attempt_record, by_name, planned_row, row_record
from batchgen.ledger.ledger_file import QueryRunner
from batchgen.ledger.meta import Value
from batchgen.ledger.records import (
    REHEARSAL,
    AttemptRecord,
    Money,
    OpenAttempts,
    ParentImage,
    PlannedRow,
    ReadyChild,
    RowRecord,
    Totals,
)
from batchgen.ledger.route import Candidate, load_route
from batchgen.model import Link, State, Status

Shape = tuple[int, int, int]
"""Number of an image within its row, width and height in pixels."""

RiskIncrease = Counter[tuple[int, str | None]]
"""Nano-dollars by UTC day, counted from 1970, and by budget group."""


class Reader(QueryRunner):
    """One run's durable state, read-only.

    Raises:
        StorageError: from every method, when SQLite fails.
    """

    @property
    def mode(self) -> str | None:
        """What kind of run this is: `real`, `loopback` or `rehearsal`.

        None before the first run.
        """
        return self.meta.mode

    @property
    def is_rehearsal(self) -> bool:
        """Whether all money here is a rehearsal's: then no real money was spent."""
        return self.mode == REHEARSAL

    @property
    def generation(self) -> int:
        """The reading of the manifest that is in use."""
        return self.meta.generation

    def before(self, end: int) -> dict[str, Value]:
        """Return the values of queries on the planned rows before a position."""
        return {"generation": self.generation, "end": end}

    def status(self, row_id: int) -> Status:
        return Status(self.execute("row_status", (row_id,)).fetchone()[0])

    def completeness(self, row_id: int) -> tuple[Status, bool]:
        """Return a row's status, and whether all its images are in the archive."""
        row = self.execute("row_completeness", (row_id,)).fetchone()
        return Status(row["status"]), bool(row["is_whole"])

    def row(self, row_id: int) -> RowRecord:
        return row_record(self.execute("row_get", (row_id,)).fetchone())

    def waiting(
        self,
        provider: str,
        after: int,
        end: int,
        max_rows: int,
        groups: Iterable[str] | None = None,
    ) -> list[PlannedRow]:
        """Return pending rows of a provider, in manifest order.

        Args:
            provider: The planned one.
            after: Position before the first.
            end: Position behind the last.
            max_rows: How many at most.
            groups: Only rows of these budget groups; None for all.
        """
        rows = self.execute(
            "rows_waiting",
            {
                **self.before(end),
                "after": after,
                "provider": provider,
                "max_rows": max_rows,
                "groups": None if groups is None else json.dumps(list(groups)),
            },
        )
        return [planned_row(row) for row in rows]

    def planned(self, row_id: int) -> PlannedRow | None:
        """Return how a row is to be bought; None if it cannot run or left the plan."""
        row = self.execute("row_planned", (row_id, self.generation)).fetchone()
        return None if row is None else planned_row(row)

    def may_be_sent(
        self, row_id: int, images: range, provider: str | None = None
    ) -> bool:
        """Say whether a row waits, and none of the images is stored or in flight.

        Args:
            row_id: The row.
            images: Their numbers.
            provider: The one that must be planned for the row; None for any.
        """
        values = {
            "row_id": row_id,
            "first": images.start,
            "behind": images.stop,
            "provider": provider,
        }
        return self.execute("row_may_be_sent", values).fetchone() is not None

    def children_ready(self, row_id: int) -> list[ReadyChild]:
        """Return rows that wait no longer, now that a row has its images."""
        values = {"generation": self.generation, "row_id": row_id}
        return [ReadyChild(*row) for row in self.execute("children_ready", values)]

    def parent_image(
        self, position: int, parent_id: str, fingerprint: bytes
    ) -> ParentImage | None:
        """Return the image of a row on which another one builds; None without one.

        Args:
            position: Of the row that builds on it.
            parent_id: Of the other row, when the request was made.
            fingerprint: Of the other row, likewise.
        """
        row = self.execute(
            "parent_image",
            {
                "generation": self.generation,
                "position": position,
                "id": parent_id,
                "fingerprint": fingerprint,
            },
        ).fetchone()
        return None if row is None else ParentImage(*row)

    def route(self, row_id: int) -> list[Candidate]:
        """Return providers that can make a row, best first; empty if only one can."""
        row = self.execute("row_route", (row_id, self.generation)).fetchone()
        return [] if row is None else load_route(row["route"])

    def rows_to_take(
        self, from_provider: str, to_provider: str, end: int, max_rows: int
    ) -> list[PlannedRow]:
        """Return pending rows of one provider that another can make, the last first."""
        rows = self.execute(
            "rows_to_take",
            {
                **self.before(end),
                "planned": from_provider,
                "candidate": f'"provider":"{to_provider}"',
                "max_rows": max_rows,
            },
        )
        return [planned_row(row) for row in rows]

    def upload(self, provider: str, base_url: str, name: str, now: int) -> str | None:
        """Return a link of an uploaded reference image that still works."""
        row = self.execute("upload_get", (provider, base_url, name, now)).fetchone()
        return None if row is None else str(row["link"])

    def is_planned(self, row_id: int) -> bool:
        """Say whether the manifest still has this version of the row."""
        return self.has_any("row_is_planned", (row_id, self.generation))

    def planned_provider(self, row_id: int) -> str | None:
        """Return the provider that is planned for a row now; empty if none can make it.

        None if the manifest no longer has this version of the row.
        """
        row = self.execute("row_is_planned", (row_id, self.generation)).fetchone()
        return None if row is None else row["provider"] or ""

    def count_sharing_rows(self, row_id: int, end: int) -> int:
        """Return how many rows before a position share this row's images."""
        return self.number("rows_sharing_count", (row_id, self.generation, end))

    def attempt(self, attempt_id: int) -> AttemptRecord:
        return attempt_record(self.execute("attempt_get", (attempt_id,)).fetchone())

    def has_attempts(self) -> bool:
        """Say whether any purchase was ever sent from this folder."""
        return self.has_any("attempts_any")

    def newest_attempt(self) -> int:
        """Return the number of the newest attempt, 0 for none."""
        return self.number("attempts_newest")

    def attempts_of(self, row_id: int) -> list[AttemptRecord]:
        """Return all attempts at a row, oldest first."""
        return [attempt_record(row) for row in self.execute("row_attempts", (row_id,))]

    def stored_images(self, row_id: int) -> set[int]:
        """Return the numbers of a row's images that are in the archive."""
        return {row[0] for row in self.execute("row_stored_images", (row_id,))}

    def open_attempts(self) -> list[AttemptRecord]:
        """Return attempts that are sent, accepted, delivered or overdue."""
        return [attempt_record(row) for row in self.execute("attempts_open")]

    def open_attempts_by_state(self) -> dict[State, OpenAttempts]:
        """Count the attempts that have not ended."""
        return {
            State(row["state"]): OpenAttempts(
                attempts=row["attempts"],
                ceiling=row["ceiling"],
                unpriced=row["unpriced"],
            )
            for row in self.execute("attempts_open_by_state")
        }

    def shapes(self, attempt_id: int) -> list[Shape]:
        """Return number, width and height of an attempt's stored images."""
        rows = self.execute("attempt_shapes", (attempt_id,))
        return [(row[0], row[1], row[2]) for row in rows]

    def links(self, attempt_id: int) -> list[tuple[int, Link]]:
        """Return image numbers and links that are still to be downloaded.

        A link that was not written, because it contained a key, is empty.
        """
        rows = self.execute("attempt_links", (attempt_id,))
        return [(row[0], Link(row[1], from_text=bool(row[2]))) for row in rows]

    def attempts_with_lost_links(self, status: Status) -> list[AttemptRecord]:
        """Return ended attempts that lack images but have their links, oldest first.

        Args:
            status: Of their rows, also of rows that left the manifest.
        """
        rows = self.execute("attempts_with_lost_links", {"status": status.value})
        return [attempt_record(row) for row in rows]

    def find_attempt(self, attempt_id: int) -> AttemptRecord | None:
        """Return one attempt; None if there is none with this number."""
        row = self.execute("attempt_get", (attempt_id,)).fetchone()
        return None if row is None else attempt_record(row)

    def sent_since(self, provider: str, since: int) -> list[int]:
        """Return when purchases of a provider were sent, in microseconds UTC."""
        values = (provider, since)
        return [row[0] for row in self.execute("attempts_sent_since", values)]

    def risk_increase(
        self, provider: str, resolution: str | None, per_image: int
    ) -> RiskIncrease:
        """Return the increase of risk of unknown outcomes at a higher ceiling."""
        rows = self.execute(
            "risk_increase",
            {"provider": provider, "resolution": resolution, "per_image": per_image},
        )
        return Counter({(row["day"], row["budget_group"]): row["nano"] for row in rows})

    def money_by_day(self, since: int) -> list[tuple[int, int]]:
        """Return UTC days, counted from 1970, and the cost of each day's attempts.

        Args:
            since: Microseconds; earlier days are left out.
        """
        return [(row[0], row[1]) for row in self.execute("money_by_day", (since,))]

    def money_by_group(self) -> list[tuple[str, int]]:
        """Return budget groups and their cost, also of rows that left the plan."""
        return [(row[0], row[1]) for row in self.execute("money_by_group")]

    def highest_charges(self) -> list[tuple[str, str | None, int]]:
        """Return the highest charge for one image, by provider and resolution."""
        return [tuple(row) for row in self.execute("highest_charges")]

    def money(self) -> Money:
        """Add up the whole folder's money; it takes a second for a million attempts."""
        values = by_name(self.execute("money", (self.generation,)).fetchone())
        superseded = values.pop("retired")
        return Money(**values, superseded=superseded)

    def rows_by_status(self, end: int) -> dict[Status, int]:
        """Count the rows before a position."""
        rows = self.execute("rows_by_status", self.before(end))
        return {Status(row["status"]): row["rows"] for row in rows}

    def totals(self, end: int) -> Totals:
        """Add up the whole folder's money, and the rows before a position."""
        return Totals(
            **asdict(self.money()),
            rows=self.rows_by_status(end),
            images=self.number("images_stored", {"generation": self.generation}),
            mode=self.mode,
        )
