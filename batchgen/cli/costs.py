"""`batchgen costs`: what result tables cost, grouped by any of their columns."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from pathlib import Path

import click
from rich.console import Console

from batchgen.addresses.characters import visible_line
from batchgen.cli.costs_output import as_json, as_text, total_lines
from batchgen.errors import SpecError, UsageError
from batchgen.ledger import REHEARSAL, mode_in
from batchgen.manifest.wording import (
    did_you_mean,
    missing_file,
    refuse_irregular,
    shown,
)
from batchgen.output import TABLE
from batchgen.output.cost_report import Costs, ResultTables, arrow_of, csv_of
from batchgen.output.parquet import mode_of, write_parquet
from batchgen.output.whole import replacing
from batchgen.runner.folder import LEDGER

PLAIN_WIDTH = 120
"""Columns of a table that is not written to a terminal."""
_EXPECTED_INPUT = f"give a run folder or its {TABLE}"
FORMATS = ("table", "csv", "json", "parquet")


@click.command("costs")
@click.argument(
    "tables",
    metavar="TABLE...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
@click.option(
    "--by",
    multiple=True,
    metavar="COLUMN[,COLUMN]",
    help="Any columns of the tables, or `day`: the UTC day of the first request.",
)
@click.option(
    "--format",
    "requested_format",
    type=click.Choice(FORMATS),
    help="By default what the name of --output ends in, else a table to read.",
)
@click.option(
    "--mix-rehearsals",
    is_flag=True,
    help="Show tables of rehearsals beside those of real runs, each kind with a total "
    "of its own.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file.",
)
def command(
    tables: tuple[Path, ...],
    by: tuple[str, ...],
    requested_format: str | None,
    output: Path | None,
    *,
    mix_rehearsals: bool,
) -> None:
    """Add up what the rows of each TABLE cost: a results.parquet, or its run folder.

    \b
    batchgen costs out/catalog --by brand,resolution
    batchgen costs out/*/results.parquet --by day,provider -o costs.csv

    Sums are exact. An unknown cost is never taken for 0: rows that have one are
    counted apart. Images of a purchase that rows share count once. An image's price
    includes what failed. What was paid for rows that a manifest no longer holds is not
    in its table; `batchgen status` tells it. Money of a rehearsal is pretend and is
    marked; it is never added to real money.
    """  # noqa: D301 - click's mark for lines that stay as they are
    files = [_file_of(table) for table in tables]
    _check_distinct(files, output)
    kind = requested_format or _format_of(output)
    if kind == "parquet" and output is None:
        raise UsageError("Parquet is nothing to read: give --output FILE")
    rehearsed = [file for file in files if _is_rehearsed(file)]
    read = ResultTables(files, rehearsed)
    if not mix_rehearsals:
        _refuse_mix(files, rehearsed)
    columns = _columns(by, read.columns)
    # Real money first. The two kinds are never added up.
    kinds = [False] * (len(rehearsed) < len(files)) + [True] * bool(rehearsed)
    _write([read.costs(columns, rehearsed=each) for each in kinds], kind, output)


def _is_rehearsed(file: Path) -> bool:
    """Say whether a table is a rehearsal's, by its metadata or the ledger beside it."""
    mode = mode_of(file)
    if mode is None:  # older tables do not state it
        mode = mode_in(file.resolve().parent / LEDGER)
    return mode == REHEARSAL


def _refuse_mix(files: list[Path], rehearsed: list[Path]) -> None:
    real = [file for file in files if file not in rehearsed]
    if rehearsed and real:
        raise UsageError(
            f"{_named(rehearsed)} of a rehearsal, where no money was spent, and "
            f"{_named(real)} of a real run: their amounts must not be added up. Give "
            "tables of one kind, or add --mix-rehearsals to see both kinds, each with "
            "a total of its own"
        )


def _named(files: list[Path]) -> str:
    """Return the first of some tables, how many more there are, and the verb."""
    if len(files) == 1:
        return f"{shown(files[0])} is"
    return f"{shown(files[0])} and {len(files) - 1} more are"


def _file_of(table: Path) -> Path:
    if table.is_dir():
        table = table / TABLE
        if not table.is_file():
            folder = shown(table.parent)
            raise SpecError(
                f"{folder}: no {TABLE} in it; if it is a run folder, `batchgen report "
                f"{folder}` writes one"
            )
    if not table.exists():
        raise UsageError(f"{missing_file(table)}; {_EXPECTED_INPUT}")
    refuse_irregular(table)
    if table.suffix.lower() not in (".parquet", ".pq"):
        run = Path("out") / table.stem
        hint = f", as in batchgen costs {run}" if (run / TABLE).exists() else ""
        raise SpecError(
            f"{shown(table)} is not a result table; {_EXPECTED_INPUT}{hint}"
        )
    return table


def _check_distinct(files: list[Path], output: Path | None) -> None:
    paths: set[Path] = set()
    for file in files:
        real = file.resolve()
        if real in paths:
            raise UsageError(f"{shown(file)} is named twice: it would count twice")
        paths.add(real)
    if output is not None and output.resolve() in paths:
        raise UsageError(f"{shown(output)} is a TABLE itself: name another --output")


def _format_of(output: Path | None) -> str:
    ending = output.suffix.lower().removeprefix(".") if output else ""
    if output is not None and ending in ("xlsx", "xls", "ods"):
        raise UsageError(
            f"--output: {shown(output)} would be a spreadsheet's own file: name "
            f"{shown(output.with_suffix('.csv'))}, which every spreadsheet opens"
        )
    return ending if ending in FORMATS else "table"


def _columns(by: Iterable[str], existing: tuple[str, ...]) -> list[str]:
    """Return the columns, each once; a name that has a comma can be quoted."""
    try:
        texts = list(csv.reader(by, skipinitialspace=True))
    except csv.Error as error:
        raise UsageError(
            f"--by: quote a name that has a line break: {error}"
        ) from error
    names = [name for text in texts for name in text]
    for name in names:
        if name not in existing:
            hint = did_you_mean(name, existing)
            there_are = visible_line(", ".join(existing))
            raise UsageError(f"--by: no column `{name}`{hint} (there are {there_are})")
    return list(dict.fromkeys(names))


def _write(parts: list[Costs], kind: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.writelines(_pieces(parts, kind))
    elif kind == "parquet":
        table = arrow_of(parts)
        mode = REHEARSAL if all(part.rehearsed for part in parts) else None
        write_parquet(output, [table], table.schema, mode)
    else:
        with replacing(output) as file:
            file.writelines(piece.encode() for piece in _pieces(parts, kind))
    if output is not None:
        lines = [
            line
            for part in parts
            for line in total_lines(part.total, rehearsed=part.rehearsed)
        ]
        click.echo("\n".join([*lines, f"written: {shown(output)}"]))


def _pieces(parts: list[Costs], kind: str) -> Iterable[str]:
    if kind == "json":
        return as_json(parts)
    if kind == "csv":
        return [csv_of(parts)]
    return [as_text(part, _width()) for part in parts]


def _width() -> int:
    return Console().width if sys.stdout.isatty() else PLAIN_WIDTH
