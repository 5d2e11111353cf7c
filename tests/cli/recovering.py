"""What tests of `recover` share: a lost ledger, a new one, and its money."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from batchgen.ledger import Reader, Totals
from batchgen.ledger.records import Money
from tests.cli.command import (
    Ended,
    Shop,
    batchgen,
)
from tests.law import check_amounts

OUTPUTS = ("images.zip", "results.parquet", "attempts.parquet")
TABLES = OUTPUTS[1:]
PRICE = ("--price", "0.0585")
"""What the sandbox charges for an image of FoxAPI's; its own list has none."""


def lose_ledger(folder: Path, *others: str) -> None:
    for path in folder.glob("run.db*"):
        path.unlink()
    for name in others:
        (folder / name).unlink()


def money_in(folder: Path) -> Totals:
    with closing(Reader(folder / "run.db")) as ledger:
        return ledger.totals(1 << 40)


def check_money(money: Money, billed: int) -> None:
    """Check the law of money, retired rows included."""
    check_amounts(money.spent + money.superseded, billed, money.at_risk)


def recover(shop: Shop, *arguments: str) -> Ended:
    ended = batchgen("recover", *(arguments or ("out/m",)), at=shop.folder)
    assert ended.code == 0, ended
    return ended


def garble(path: Path) -> None:
    path.write_bytes(b"no database at all, but long enough to be one" * 40)
