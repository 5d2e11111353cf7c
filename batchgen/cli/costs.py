"""`batchgen costs`: what result tables cost, grouped by any of their columns."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from pathlib import Path

import click
from rich.console import Console

from batchgen.cli.costs_shown import as_json, as_text, total_words
from batchgen.errors import SpecError, UsageError
from batchgen.manifest.wording import did_you_mean, missing_file, shown
from batchgen.output import TABLE
from batchgen.output.costs import Costs, ResultTables
from batchgen.output.parquet import write_parquet
from batchgen.output.whole import replacing

# Where there is no terminal whose width could be asked for.
PLAIN_WIDTH = 120
_WANTED = f"give a run folder or its {TABLE}"
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
    "wanted",
    type=click.Choice(FORMATS),
    help="By default what the name of --output ends in, else a table to read.",
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
    wanted: str | None,
    output: Path | None,
) -> None:
    """Add up what the rows of each TABLE cost: a results.parquet, or its run folder.

    \b
    batchgen costs out/catalog --by brand,resolution
    batchgen costs out/*/results.parquet --by day,provider -o costs.csv

    Sums are exact. An unknown cost is never taken for 0: rows that have one are
    counted apart. Images of a purchase that rows share count once. An image's price
    includes what failed. What was paid for rows that a manifest no longer holds is not
    in its table; `batchgen status` tells it.
    """  # noqa: D301 - click's mark for lines that stay as they are
    files = [_file_of(it) for it in tables]
    _check_distinct(files, output)
    kind = wanted or _format_of(output)
    if kind == "parquet" and output is None:
        raise UsageError("Parquet is nothing to read: give --output FILE")
    read = ResultTables(files)
    _write(read.costs(_columns(by, read.columns)), kind, output)


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
        raise UsageError(f"{missing_file(table)}; {_WANTED}")
    if table.suffix.lower() not in (".parquet", ".pq"):
        run = Path("out") / table.stem
        named = f", as in batchgen costs {run}" if (run / TABLE).exists() else ""
        raise SpecError(f"{shown(table)} is not a result table; {_WANTED}{named}")
    return table


def _check_distinct(files: list[Path], output: Path | None) -> None:
    seen: set[Path] = set()
    for file in files:
        real = file.resolve()
        if real in seen:
            raise UsageError(f"{shown(file)} is named twice: it would count twice")
        seen.add(real)
    if output is not None and output.resolve() in seen:
        raise UsageError(f"{shown(output)} is a TABLE itself: name another --output")


def _format_of(output: Path | None) -> str:
    ending = output.suffix.lower().removeprefix(".") if output else ""
    return ending if ending in FORMATS else "table"


def _columns(by: Iterable[str], known: tuple[str, ...]) -> list[str]:
    """Return the columns, each once; a name that has a comma can be quoted."""
    try:
        texts = list(csv.reader(by, skipinitialspace=True))
    except csv.Error as error:
        raise UsageError(
            f"--by: quote a name that has a line break: {error}"
        ) from error
    names = [name for text in texts for name in text]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            there_are = ", ".join(known)
            raise UsageError(f"--by: no column `{name}`{hint} (there are {there_are})")
    return list(dict.fromkeys(names))


def _write(costs: Costs, kind: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.writelines(_pieces(costs, kind))
    elif kind == "parquet":
        table = costs.arrow()
        write_parquet(output, [table], table.schema)
    else:
        with replacing(output) as file:
            file.writelines(it.encode() for it in _pieces(costs, kind))
    if output is not None:
        click.echo("\n".join([*total_words(costs.total), f"written: {shown(output)}"]))


def _pieces(costs: Costs, kind: str) -> Iterable[str]:
    if kind == "json":
        return as_json(costs)
    return [costs.csv() if kind == "csv" else as_text(costs, _width())]


def _width() -> int:
    return Console().width if sys.stdout.isatty() else PLAIN_WIDTH
