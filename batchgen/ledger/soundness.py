"""Whether a file is a ledger that batchgen wrote: the folder may come from others.

A file of another program is refused before anything in the file is executed or changed.
A foreign view, trigger or generated column could run for ever, or change what is read.
"""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from importlib.resources import files
from pathlib import Path

from batchgen.errors import Again, Charge, StorageError
from batchgen.ledger.meta import is_valid_meta
from batchgen.model import State, Status

APPLICATION_ID = 0x62676C31
"""In the head of each ledger file: "bgl1"."""

SMALL_BYTES = 2 << 20
"""A ledger up to this size is checked whole whenever it is opened. For a larger one the
check takes seconds, so it is made only after an error that damage could explain."""

WAY_OUT = "restore run.db from a copy, or name another folder with --out"

_END_MICROS = 253_402_300_800_000_000  # the year 10000
_MAX_NANO = 10**17  # a result table holds ten times as much

_Columns = frozenset[tuple[str, str]]


def refuse_odd_file(path: Path) -> None:
    """Refuse anything but a regular file: a pipe would block, a link leads elsewhere.

    Raises:
        StorageError: it is no regular file.
    """
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # the file is new, or opening it will say what is wrong
    if (problem := problem_of_mode(mode)) is not None:
        raise StorageError(
            f"{path} is {problem}, and a run folder holds its own files: {WAY_OUT}"
        )


def problem_of_mode(mode: int) -> str | None:
    """Return the kind of a file that is not regular; None for a regular file."""
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a device or a pipe"


def defend(connection: sqlite3.Connection) -> None:
    """Tell SQLite to distrust the file that it opened."""
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")


def refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a database of another program, or one that others added code to.

    Raises:
        StorageError: it is one; nothing was changed.
    """
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    objects = connection.execute("SELECT type, name FROM sqlite_schema").fetchall()
    names = {name for _, name in objects}
    is_ours = {"meta", "rows", "attempts"} <= names
    is_empty = version == 0 and not objects
    if application not in (0, APPLICATION_ID) or not (is_ours or is_empty):
        raise StorageError(f"{path} is no ledger of batchgen: {WAY_OUT}")
    if version < 0 or (version == 0 and not is_empty):
        raise _damaged(path, f"its version is {version}")
    for kind, name in objects:
        if kind == "trigger":
            raise _damaged(path, f"it holds a trigger, {name!r}")


def refuse_changed(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a ledger of our version whose tables or views are not as we make them.

    Raises:
        StorageError: they are not, or a small ledger holds what batchgen never wrote.
    """
    tables, views = _schema_of(connection)
    expected_tables, expected_views = _expected()
    for name, columns in expected_tables.items():
        if tables.get(name) != columns:
            raise _damaged(path, f"its table `{name}` is not as batchgen makes it")
    for name, text in expected_views.items():
        if views.get(name) != text:
            raise _damaged(path, f"its view `{name}` is not as batchgen makes it")
    pages: int = connection.execute("PRAGMA page_count").fetchone()[0]
    size: int = connection.execute("PRAGMA page_size").fetchone()[0]
    if pages * size <= SMALL_BYTES:
        refuse_damaged(connection, path)


def refuse_damaged(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a ledger with a broken page, or a value that batchgen never writes.

    Raises:
        StorageError: it has one.
    """
    report: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if report != "ok":
        raise _damaged(path, " ".join(report.split())[:200])
    for table, condition in _IMPOSSIBLE:
        row = connection.execute(
            f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1"  # noqa: S608 - ours
        ).fetchone()
        if row is not None:
            raise _damaged(path, f"`{table}` holds a value that batchgen never writes")
    for name, value in connection.execute("SELECT name, value FROM meta"):
        if not is_valid_meta(name, value):
            raise _damaged(path, f"`{name}` is not as batchgen writes it")


def _damaged(path: Path, reason: str) -> StorageError:
    return StorageError(
        f"{path} is damaged, or was changed by others: {reason}; {WAY_OUT}"
    )


def _schema_of(
    connection: sqlite3.Connection,
) -> tuple[Mapping[str, _Columns], Mapping[str, str]]:
    """Return the columns of each strict table, and the text of each view."""
    table_names = connection.execute(
        "SELECT name FROM pragma_table_list "
        "WHERE schema = 'main' AND type = 'table' AND strict"
    ).fetchall()
    tables = {
        name: frozenset(
            # A generated or hidden column is marked in its type.
            (column, f"{kind} {hidden}" if hidden else str(kind))
            for column, kind, hidden in connection.execute(
                "SELECT name, type, hidden FROM pragma_table_xinfo(?)", (name,)
            )
        )
        for (name,) in table_names
    }
    texts = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'view'"
    ).fetchall()
    return tables, {name: " ".join(str(sql).split()) for name, sql in texts}


@cache
def _expected() -> tuple[Mapping[str, _Columns], Mapping[str, str]]:
    schema = files("batchgen.ledger").joinpath("schema.sql").read_text("utf-8")
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(schema)
        return _schema_of(connection)


def _none_of(column: str, names: type[State | Status | Charge | Again]) -> str:
    literals = ", ".join(f"'{name.value}'" for name in names)
    return f"{column} NOT IN ({literals})"


def _outside(end: int, *columns: str) -> str:
    return " OR ".join(f"{column} NOT BETWEEN 0 AND {end}" for column in columns)


_REQUEST = """
  NOT json_valid(request) OR substr(request, 1, 11) != '{"prompt":"'
  OR EXISTS (
    SELECT 1 FROM json_each(request) WHERE NOT CASE key
      WHEN 'prompt' THEN type = 'text'
      WHEN 'n' THEN type = 'integer'
      WHEN 'references' THEN type = 'array'
      WHEN 'options' THEN type = 'object'
      ELSE type = 'text' AND key IN ('aspect_ratio', 'resolution', 'model') END)
"""
# Some versions of SQLite call a null invalid JSON.
_PLANNED = """
  NOT json_valid(ifnull(request, '{}')) OR NOT json_valid(ifnull(route, '[]'))
  OR position NOT BETWEEN 0 AND 1e12
  OR (row_id IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM rows WHERE rows.row_id = plan.row_id))
  OR EXISTS (SELECT 1 FROM json_each(ifnull(route, '[]'))
             WHERE type != 'object' OR json_type(value, '$.provider') != 'text')
"""
# No member of a ZIP leads out of the folder that it is unpacked in.
_IMAGE = """
  NOT EXISTS (SELECT 1 FROM attempts AS bought
              WHERE bought.attempt_id = images.attempt_id)
  OR place < 0 OR size_bytes < 0 OR crc32 NOT BETWEEN 0 AND 4294967295
  OR width_px < 1 OR height_px < 1 OR length(sha256) != 32 OR image < 1
  OR name LIKE '/%' OR '/' || name || '/' LIKE '%/../%' OR instr(name, char(92))
  OR name GLOB '*[' || char(1) || '-' || char(31) || ']*'
"""
_ATTEMPT = " OR ".join(
    [
        _none_of("state", State),
        _none_of("charge", Charge),
        _none_of("again", Again),
        "images < 1 OR first_image < 1 OR images > 100000",
        _outside(_MAX_NANO, "cost", "expected", "floor", "ceiling"),
        _outside(_MAX_NANO, "uncertain", "cost_before_bill"),
        _outside(_END_MICROS, "sent_at", "accepted_at", "ended_at"),
        "latency_s NOT BETWEEN 0 AND 1e9",
        "NOT EXISTS (SELECT 1 FROM rows WHERE rows.row_id = attempts.row_id)",
    ]
)
_ROW = " OR ".join(
    [
        _none_of("status", Status),
        "n NOT BETWEEN 1 AND 100000 OR tries_from < 0",
        "stem LIKE '/%' OR '/' || stem || '/' LIKE '%/../%' OR instr(stem, char(92))",
        _REQUEST,
    ]
)

_IMPOSSIBLE = (
    ("attempts", _ATTEMPT),
    ("rows", _ROW),
    ("plan", " OR ".join([_PLANNED, _outside(_MAX_NANO, "estimate")])),
    ("images", _IMAGE),
)
"""Values that no version of batchgen wrote; comparisons with null find nothing."""
