"""A ledger of an older batchgen is brought up to date, and loses nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from batchgen.errors import LedgerMismatch
from batchgen.ledger import Ledger, Reader
from batchgen.model import Link

FILLED = """
INSERT INTO meta VALUES ('generation', 1), ('plan_digest', 'old');
INSERT INTO rows (row_id, key, fingerprint, stem, request, n)
  VALUES (1, 7, x'00', 'a', '{"prompt":"a cup"}', 1);
INSERT INTO plan (generation, position, row_id, provider, model)
  VALUES (1, 0, 1, 'p', 'm');
"""


@pytest.fixture(params=[1, 2, 3, 4, 7, 8], ids=lambda version: f"version-{version}")
def version(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture
def old(version: int, tmp_path: Path) -> Path:
    """Return a ledger that a batchgen of the past wrote."""
    schema = Path(__file__).with_name(f"schema_{version}.sql").read_text("utf-8")
    path = tmp_path / "run.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"{schema}{FILLED} PRAGMA user_version = {version};")
    return path


def columns(path: Path) -> dict[str, set[str]]:
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall()
        return {
            name: {
                column[1] for column in connection.execute(f"PRAGMA table_info({name})")
            }
            for (name,) in tables
        }


def test_an_older_ledger_gets_the_tables_of_a_new_one(
    old: Path, tmp_path: Path
) -> None:
    Ledger(old).close()
    new = tmp_path / "new.db"
    Ledger(new).close()

    assert columns(old) == columns(new)


def test_nothing_is_lost_and_the_manifest_is_read_anew_where_the_plan_changed(
    old: Path, version: int
) -> None:
    with closing(Ledger(old)) as ledger:
        assert ledger.row(1).request.prompt == "a cup"
        assert ledger.meta.generation == 1
        assert ledger.meta.plan_digest == ("old" if version >= 7 else None)


def test_a_link_of_an_older_ledger_is_no_link_of_a_text(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute(
            "INSERT INTO attempts (attempt_id, row_id, first_image, images, state, "
            "provider, model, base_url, sent_at) "
            "VALUES (1, 1, 1, 1, 'delivered', 'p', 'm', 'https://x', 0)"
        )
        connection.execute(
            "INSERT INTO images (attempt_id, image, link) VALUES (1, 1, 'https://y')"
        )

    with closing(Ledger(old)) as ledger:
        assert ledger.links(1) == [(1, Link("https://y"))]


def test_who_may_not_write_says_what_brings_it_up_to_date(old: Path) -> None:
    with pytest.raises(LedgerMismatch, match="older batchgen"):
        Reader(old)
