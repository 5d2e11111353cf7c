"""Read the section `[expand]`: the values whose combinations make rows of one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from types import MappingProxyType

from batchgen.job.values import read_text, value_text
from batchgen.manifest.cell_values import (
    read_count,
    read_ratio,
    read_resolution,
    text_of,
)
from batchgen.manifest.wording import missing_file
from batchgen.model import Expansion

TABLE_KEY = "from"
_CHECKS: Mapping[str, Callable[[str], object]] = MappingProxyType(
    {"aspect_ratio": read_ratio, "resolution": read_resolution, "n": read_count}
)
"""Columns whose values are judged here, since each row would have them."""

MAX_ROWS = 10_000
"""Rows that one row may become; more is taken for a mistake."""


def read_expansion(section: Mapping[str, object], folder: Path) -> Expansion:
    """Return what `[expand]` asks for.

    Args:
        section: Its keys and values.
        folder: What the path of a second table is relative to.

    Raises:
        ValueError: a value is invalid, or nothing is asked for.
    """
    if not section:
        raise ValueError(
            'it is empty: name a column and its values, as in background = ["white", '
            '"oak table"], or take it out'
        )
    values: dict[str, tuple[str, ...]] = {}
    list_columns: dict[str, str] = {}
    for name, raw in section.items():
        _check_name(name)
        if name == TABLE_KEY:
            continue
        if isinstance(raw, str):
            list_columns[name] = _column(name, raw)
        else:
            values[name] = _values(name, raw)
    _check_count(values)
    return Expansion(
        values=values,
        list_columns=list_columns,
        table=_table(section[TABLE_KEY], folder) if TABLE_KEY in section else None,
    )


def _check_name(name: str) -> None:
    if name == "id":
        raise ValueError(
            "`id` cannot be expanded: each new row gets an id of its own, made of the "
            "row's id and the values"
        )
    if not name.strip():
        raise ValueError("a column has no name")


def _column(name: str, raw: str) -> str:
    column = raw.strip()
    if not column or "|" in column:
        raise ValueError(
            f"`{name}`: {value_text(raw)} is neither a list of values nor a column "
            f'that lists them: write {name} = ["...", "..."]'
        )
    return column


def _values(name: str, raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list | tuple) or not raw:
        fault = "the list is empty" if raw == [] else f"{value_text(raw)} is no list"
        raise ValueError(f'`{name}`: {fault}: write {name} = ["...", "..."]')
    texts = [_text(name, value) for value in raw]
    for text in texts:
        if texts.count(text) > 1:
            raise ValueError(f"`{name}`: {value_text(text)} stands there twice")
    return tuple(texts)


def _text(name: str, value: object) -> str:
    try:
        text = read_text(text_of(value)).strip()
        if (check := _CHECKS.get(name)) is not None:
            check(text)
    except ValueError as error:
        raise ValueError(f"`{name}`, a value of the list: {error}") from error
    return text


def _check_count(values: Mapping[str, tuple[str, ...]]) -> None:
    count = prod(map(len, values.values()))
    if count > MAX_ROWS:
        raise ValueError(
            f"each row would become {count:,} rows, more than {MAX_ROWS:,}: take "
            "values out"
        )


def _table(raw: object, folder: Path) -> Path:
    path = (folder / read_text(raw)).resolve()
    if not path.exists():
        raise ValueError(f"`{TABLE_KEY}`: {missing_file(path)}")
    return path
