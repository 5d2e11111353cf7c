from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import batchgen
from batchgen.ledger.database import queries

PACKAGE = Path(batchgen.__file__).parent
ALLOWED = ("ledger", "sandbox")  # the sandbox keeps books of its own
SQL = re.compile(r"\s*(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s.+\sSET|DELETE\s+FROM)\s")
META = ("read_meta", "read_meta_under", "write_meta")


def modules() -> Iterator[Path]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] not in ALLOWED:
            yield path


def offences(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name == "sqlite3")
            case ast.ImportFrom(module="sqlite3"):
                yield "sqlite3"
            case ast.Constant(value=str(text)) if SQL.match(text):
                yield text
            case ast.Attribute(attr=name) if name in META:
                yield name
            case ast.Call(
                func=ast.Attribute(attr="execute" | "execute_many" | "stream"),
                args=[ast.Constant(value=str(name)), *_],
            ) if name in queries():
                yield ast.unparse(node)
            case _:
                pass


def test_sqlite_sql_and_the_names_of_queries_stand_in_the_ledger_alone() -> None:
    assert not {
        f"{path.relative_to(PACKAGE)}: {offence}"
        for path in modules()
        for offence in offences(ast.parse(path.read_text("utf-8")))
    }


@pytest.mark.parametrize(
    "code",
    [
        "import sqlite3",
        "from sqlite3 import Row",
        "x.execute('row_get', (1,))",
        "x.write_meta('outputs', 'stale')",
        "text = 'SELECT a FROM b '",
    ],
)
def test_each_of_them_elsewhere_is_seen(code: str) -> None:
    assert list(offences(ast.parse(code)))
