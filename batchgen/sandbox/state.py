"""The sandbox's database: bill, tasks, links, requests, counts, port."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Any, Self

from batchgen.sandbox.state_records import (
    Arrival,
    Charge,
    LinkState,
    Picture,
    RequestRecord,
    Task,
    Upload,
)

# Columns that states of older sandboxes do not have.
_LATER_COLUMNS = {
    "requests": ("path text not null default ''",),
    "images": ("position integer not null default 1", "first text"),
}


def _read_queries() -> Mapping[str, str]:
    text = files(__package__).joinpath("queries.sql").read_text("utf-8")
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


class State:
    """One SQLite file; each method is one transaction, on disk when it returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        self._sql = _read_queries()
        self._connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=10
        )
        self._connection.row_factory = sqlite3.Row
        self._refuse_foreign(path)
        self._connection.execute("pragma journal_mode = wal")
        # So that a power cut cannot remove the last lines of the bill.
        self._connection.execute("pragma synchronous = full")
        schema = files(__package__).joinpath("schema.sql").read_text("utf-8")
        self._add_later_columns()
        self._connection.executescript(schema)

    def _refuse_foreign(self, path: Path) -> None:
        """Refuse a file with triggers or views: somebody else has changed it."""
        self._connection.execute("pragma trusted_schema = off")
        rows = self._connection.execute(
            "select name from sqlite_schema where type in ('trigger', 'view')"
        ).fetchall()
        if rows:
            raise sqlite3.DatabaseError(f"{path} holds what no sandbox wrote")

    def _add_later_columns(self) -> None:
        for table, columns in _LATER_COLUMNS.items():
            rows = self._connection.execute(f"pragma table_info({table})").fetchall()
            names = {row["name"] for row in rows}
            for column in columns:
                if names and column.partition(" ")[0] not in names:
                    self._connection.execute(f"alter table {table} add column {column}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._connection.close()

    def _query(self, name: str, **values: object) -> list[sqlite3.Row]:
        return self._connection.execute(self._sql[name], values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._connection.execute("begin immediate")
            try:
                yield
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")

    def _commit(self, name: str, **values: object) -> list[dict[str, Any]]:
        """Execute one statement as a transaction; return its rows."""
        with self._transaction():
            rows = self._query(name, **values)
        return [dict(row) for row in rows]

    def read_setting(self, name: str) -> Any:
        """Return a setting, or None."""
        rows = self._commit("read_setting", setting=name)
        return rows[0]["value"] if rows else None

    def write_setting(self, name: str, value: str | int) -> None:
        self._commit("write_setting", setting=name, value=value)

    def record_arrival(
        self,
        provider: str,
        content: str | None,
        outcome: str,
        record: RequestRecord,
    ) -> Arrival:
        """Record a purchase request.

        The content is equal for equal requests, and None for an invalid one. The
        outcome says how the request ended, or that it waits.
        """
        with self._transaction():
            [[number]] = self._query("next_number", provider=provider)
            [[request]] = self._query(
                "add_request",
                provider=provider,
                number=number,
                at=record.at,
                path=record.path,
                headers=json.dumps(dict(record.headers)),
                body=record.body,
                outcome=outcome,
            )
            occurrence = 0
            if content is not None:
                [[occurrence]] = self._query(
                    "count_seen", provider=provider, content=content
                )
        return Arrival(request=request, number=number, occurrence=occurrence)

    def set_outcome(self, request: int, outcome: str) -> None:
        """Write down how a purchase request ended that was not charged."""
        self._commit("set_outcome", request=request, outcome=outcome)

    def add_sale(
        self,
        request: int,
        outcome: str,
        charge: Charge | None,
        pictures: Sequence[Picture],
    ) -> None:
        """Charge for images that are delivered at once."""
        with self._transaction():
            if charge is not None:
                self._query("add_charge", **asdict(charge))
            self._add_images(pictures)
            self._query("set_outcome", request=request, outcome=outcome)

    def add_task(
        self, request: int, outcome: str, task: Task, pictures: Sequence[Picture]
    ) -> None:
        """Accept a task; it is charged when it is done."""
        with self._transaction():
            self._add_images(pictures)
            self._query("add_task", **asdict(task))
            self._query("set_outcome", request=request, outcome=outcome)

    def _add_images(self, pictures: Sequence[Picture]) -> None:
        for picture in pictures:
            self._query("add_image", **asdict(picture))

    def poll(self, provider: str, task_id: str, now: float) -> Task | None:
        """Return a task; one that is done is charged before this returns."""
        with self._transaction():
            rows = self._query("read_task", id=task_id, provider=provider)
            if not rows:
                return None
            task = Task(**dict(rows[0]))
            if task.ready_at <= now:
                self._charge_due_tasks(now)
                self._query("count_completed_seen", id=task_id)
        return task

    def _charge_due_tasks(self, now: float) -> None:
        self._query("charge_due_tasks", now=now)
        self._query("settle_due_tasks", now=now)

    def bill(self, provider: str | None, now: float) -> list[Charge]:
        """Return all charges up to now, oldest first."""
        with self._transaction():
            self._charge_due_tasks(now)
            rows = self._query("list_bill", provider=provider)
        return [Charge(**dict(row)) for row in rows]

    def requests(self) -> list[dict[str, Any]]:
        """Return all purchase requests, oldest first."""
        return self._commit("list_requests")

    def count_download(self, provider: str, image: str) -> Picture | None:
        """Count a download, and return its image."""
        rows = self._commit("count_download", id=image, provider=provider)
        return Picture(**rows[0]) if rows else None

    def end_link(self, image: str, link_state: LinkState) -> None:
        """Make the present link invalid: `dead` until renewed, `gone` for ever."""
        self._commit("end_link", id=image, link_state=link_state)

    def fresh_links(self, first: str, now: float, life_s: float) -> list[Picture]:
        """Return the images of a purchase with valid links.

        Images that are gone for ever keep their invalid link.
        """
        with self._transaction():
            rows = self._query("read_images", id=first)
            return [self._renewed(Picture(**dict(row)), now, life_s) for row in rows]

    def _renewed(self, picture: Picture, now: float, life_s: float) -> Picture:
        stale = picture.link_state == "dead" or now > picture.issued_at + life_s
        if not stale or picture.link_state == "gone":
            return picture
        [row] = self._query("renew_link", id=picture.id, now=now)
        return Picture(**dict(row))

    def add_upload(self, upload: Upload) -> None:
        values = {name: getattr(upload, name) for name in Upload.__slots__}
        self._commit("add_upload", **values)

    def find_upload(self, provider: str, upload: str) -> Upload | None:
        """Return a reference image, even if its link has expired."""
        rows = self._commit("read_upload", id=upload, provider=provider)
        return Upload(**rows[0]) if rows else None

    def uploads(self) -> list[dict[str, Any]]:
        """Return all reference images without their bytes, oldest first."""
        return self._commit("list_uploads")
