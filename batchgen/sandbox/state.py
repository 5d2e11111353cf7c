"""The sandbox's durable memory: bill, tasks, links, requests, counts, port."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Literal, Self

LinkState = Literal["live", "dead", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A purchase request as it was written down.

    Attributes:
        request: Its key in the table.
        number: Its position among the purchase requests of its provider, from 1.
        occurrence: How often its content was seen, itself included; 0 for a request
            that was refused as invalid.
    """

    request: int
    number: int
    occurrence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One line of the bill."""

    id: str
    provider: str
    at: float
    amount_nano: int
    prompt: str
    resolution: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What is needed to draw an image, and how its link stands."""

    id: str
    provider: str
    content: str
    occurrence: int
    prompt: str
    width_px: int
    height_px: int
    format: str
    issued_at: float
    link: int = 1
    link_state: LinkState = "live"
    downloads: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A purchase that is made later; all that will happen is decided at submit."""

    id: str
    provider: str
    content: str
    occurrence: int
    model: str
    prompt: str
    resolution: str
    created_at: float
    ready_at: float
    ending: str
    image: str
    amount_nano: int
    bill_status: str
    settled: int = 0
    times_completed_seen: int = 0


def _read_queries() -> Mapping[str, str]:
    text = files(__package__).joinpath("queries.sql").read_text("utf-8")
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


class State:
    """One SQLite file; each method is one transaction, durable when it returns."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        self._sql = _read_queries()
        self._connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=10
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("pragma journal_mode = wal")
        # A bill that loses its last lines in a power cut is no bill.
        self._connection.execute("pragma synchronous = full")
        schema = files(__package__).joinpath("schema.sql").read_text("utf-8")
        self._connection.executescript(schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._connection.close()

    def _do(self, name: str, **values: object) -> list[sqlite3.Row]:
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

    def read_setting(self, name: str) -> Any:
        """Return a setting, or None."""
        with self._transaction():
            rows = self._do("read_setting", setting=name)
        return rows[0]["value"] if rows else None

    def write_setting(self, name: str, value: str | int) -> None:
        """Keep a setting."""
        with self._transaction():
            self._do("write_setting", setting=name, value=value)

    def record_arrival(
        self,
        provider: str,
        content: str | None,
        outcome: str,
        record: tuple[float, Mapping[str, str], str],
    ) -> Arrival:
        """Write down a purchase request.

        Args:
            provider: Whose request it is.
            content: What counts as the same request; None for an invalid one.
            outcome: What became of it, or what it waits for.
            record: Time, headers and body, the key taken out.
        """
        at, headers, body = record
        with self._transaction():
            [[number]] = self._do("next_number", provider=provider)
            values = {
                "provider": provider,
                "number": number,
                "at": at,
                "headers": json.dumps(dict(headers)),
                "body": body,
                "outcome": outcome,
            }
            cursor = self._connection.execute(self._sql["add_request"], values)
            request = cursor.lastrowid
            occurrence = 0
            if content is not None:
                [[occurrence]] = self._do(
                    "count_seen", provider=provider, content=content
                )
        assert request is not None  # noqa: S101  an insert always has a row id
        return Arrival(request=request, number=number, occurrence=occurrence)

    def set_outcome(self, request: int, outcome: str) -> None:
        """Write down how a purchase request ended that was not charged."""
        with self._transaction():
            self._do("set_outcome", request=request, outcome=outcome)

    def add_sale(
        self, request: int, outcome: str, charge: Charge, picture: Picture
    ) -> None:
        """Charge for an image that is handed over at once."""
        with self._transaction():
            self._do("add_charge", **asdict(charge))
            self._do("add_image", **asdict(picture))
            self._do("set_outcome", request=request, outcome=outcome)

    def add_task(
        self, request: int, outcome: str, task: Task, picture: Picture
    ) -> None:
        """Accept a task; it is charged when it is done."""
        with self._transaction():
            self._do("add_image", **asdict(picture))
            self._do("add_task", **asdict(task))
            self._do("set_outcome", request=request, outcome=outcome)

    def poll(self, provider: str, task_id: str, now: float) -> Task | None:
        """Return a task; one that is done is charged before this returns."""
        with self._transaction():
            rows = self._do("read_task", id=task_id, provider=provider)
            if not rows:
                return None
            task = Task(**dict(rows[0]))
            if task.ready_at <= now:
                self._settle(now)
                self._do("count_completed_seen", id=task_id)
        return task

    def _settle(self, now: float) -> None:
        self._do("charge_due_tasks", now=now)
        self._do("settle_due_tasks", now=now)

    def bill(self, provider: str | None, now: float) -> list[Charge]:
        """Return all charges up to now, oldest first."""
        with self._transaction():
            self._settle(now)
            rows = self._do("list_bill", provider=provider)
        return [Charge(**dict(row)) for row in rows]

    def requests(self) -> list[dict[str, Any]]:
        """Return all purchase requests, oldest first."""
        with self._transaction():
            rows = self._do("list_requests")
        return [dict(row) for row in rows]

    def count_download(self, provider: str, image: str) -> Picture | None:
        """Return the image that somebody wants, this download counted in."""
        with self._transaction():
            rows = self._do("count_download", id=image, provider=provider)
        return Picture(**dict(rows[0])) if rows else None

    def end_link(self, image: str, link_state: LinkState) -> None:
        """Let the link that is out go stale: `dead` until renewed, `gone` for ever."""
        with self._transaction():
            self._do("end_link", id=image, link_state=link_state)

    def fresh_link(self, image: str, now: float, life_s: float) -> Picture:
        """Return an image with a link that works, unless it is gone for good."""
        with self._transaction():
            [row] = self._do("read_image", id=image)
            picture = Picture(**dict(row))
            stale = picture.link_state == "dead" or now > picture.issued_at + life_s
            if stale and picture.link_state != "gone":
                [row] = self._do("renew_link", id=image, now=now)
                picture = Picture(**dict(row))
        return picture
