"""Make records from the rows that queries return."""

from __future__ import annotations

import sqlite3
from typing import Any

from batchgen.errors import Again, Charge
from batchgen.ledger.records import AttemptRecord, PlannedRow, RowRecord
from batchgen.ledger.request_json import load_request
from batchgen.model import State, Status


def attempt_record(row: sqlite3.Row) -> AttemptRecord:
    """Read a line of `attempts`."""
    return attempt_of(by_name(row))


def by_name(row: sqlite3.Row) -> dict[str, Any]:
    """Return a row as a dictionary; `dict` looks for each name among all of them."""
    return dict(zip(row.keys(), row, strict=True))


def attempt_of(values: dict[str, Any]) -> AttemptRecord:
    """Read a line of `attempts`; the dictionary is changed."""
    values["state"] = State(values["state"])
    values["charge"] = Charge(values["charge"]) if values["charge"] else None
    values["again"] = Again(values["again"]) if values["again"] else None
    values["counts"] = bool(values["counts"])
    is_excused = bool(values.pop("excused"))
    return AttemptRecord(**values, waived=is_excused)


def planned_row(row: sqlite3.Row) -> PlannedRow:
    """Read a line of `rows` with how it is planned."""
    return PlannedRow(
        row=row_record(row),
        position=row["position"],
        provider=row["provider"],
        model=row["model"],
        resolution=row["resolution"],
    )


def row_record(row: sqlite3.Row) -> RowRecord:
    """Read a line of `rows`."""
    return RowRecord(
        row_id=row["row_id"],
        id=row["id"],
        base_name=row["stem"],
        request=load_request(row["request"]),
        status=Status(row["status"]),
        error=row["error"],
        message=row["message"],
        tries_from=row["tries_from"],
        budget_group=row["budget_group"],
    )
