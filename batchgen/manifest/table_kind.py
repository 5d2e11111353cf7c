"""What kind of table a file is: by its content where certain, else by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from batchgen.errors import SpecError
from batchgen.manifest.file_content import (
    ARROW,
    CSV,
    EXCEL,
    JSON,
    JSON_LINES,
    ODS,
    OLD_OFFICE,
    PARQUET,
    TOML,
    kind_of,
    what_to_do,
)
from batchgen.manifest.text_file import Compression, compression_of
from batchgen.manifest.wording import shown


class TableKind(StrEnum):
    """A kind of table, each with a reader of its own."""

    CSV = "CSV"
    LINES = "a list of prompts"
    JSON_LINES = "JSON Lines"
    JSON = "JSON"
    WORKBOOK = "a workbook"
    PARQUET = "Parquet"
    ARROW = "Arrow"


_BY_SUFFIX: Mapping[str, TableKind] = MappingProxyType(
    {
        **dict.fromkeys((".csv", ".tsv", ".tab", ".psv"), TableKind.CSV),
        **dict.fromkeys((".jsonl", ".ndjson"), TableKind.JSON_LINES),
        ".json": TableKind.JSON,
        **dict.fromkeys(
            (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), TableKind.WORKBOOK
        ),
        **dict.fromkeys((".parquet", ".pq"), TableKind.PARQUET),
        **dict.fromkeys((".feather", ".arrow", ".ipc"), TableKind.ARROW),
        ".txt": TableKind.LINES,
    }
)
_PACKED = (".gz", ".zst", ".zstd")
TEXTS = (TableKind.CSV, TableKind.LINES, TableKind.JSON_LINES, TableKind.JSON)
"""Kinds that have an encoding, and may be compressed."""
_BY_CONTENT: Mapping[str, TableKind] = MappingProxyType(
    {
        EXCEL: TableKind.WORKBOOK,
        ODS: TableKind.WORKBOOK,
        PARQUET: TableKind.PARQUET,
        ARROW: TableKind.ARROW,
        JSON_LINES: TableKind.JSON_LINES,
        JSON: TableKind.JSON,
    }
)
"""Content that is certain; that of a CSV is not, since any text might be one."""

SUFFIXES = (*_BY_SUFFIX, *_PACKED)
"""How the name of a table may end."""

KINDS = (
    "CSV, TSV, JSON Lines, JSON, Excel (.xlsx, .xls), OpenDocument (.ods), TXT with a "
    "prompt a line, Parquet or Arrow; the texts also as .gz or .zst"
)


@dataclass(frozen=True, slots=True)
class FileKind:
    """The kind of a table.

    Attributes:
        notice: What to tell the user where name and content disagree.
    """

    kind: TableKind
    compression: Compression
    notice: str | None = None


def table_suffix(path: Path) -> str:
    """Return the suffix that names the kind: `.csv` of `a.csv.gz`."""
    if path.suffix.lower() in _PACKED:
        path = path.with_suffix("")
    return path.suffix.lower()


def table_stem(path: Path) -> str:
    """Return a file's name without suffixes: `a` of `a.csv.gz`."""
    return path.stem if path.suffix.lower() not in _PACKED else Path(path.stem).stem


def suffix_for(content: str | None) -> str:
    """Return the suffix for content that has no name; `.data` for what is no table."""
    if content is None:
        return ".txt"
    advice = what_to_do(content)
    suffix = advice.removeprefix("rename it to end with ")
    return suffix if suffix != advice and suffix in SUFFIXES else ".data"


def find_kind(path: Path) -> FileKind:
    """Return what kind of table a file is.

    Raises:
        SpecError: it is none, or its name says something else and neither is certain.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        compression = compression_of(file.read(8))
    content = kind_of(path)
    kind_by_name = _BY_SUFFIX.get(table_suffix(path))
    kind_by_content = _BY_CONTENT.get(content or "")
    if content == OLD_OFFICE and kind_by_name is TableKind.WORKBOOK:
        kind_by_content = kind_by_name
    if kind_by_content is not None:
        both = {kind_by_content, kind_by_name}
        is_expected = len(both) == 1 or both == {TableKind.JSON, TableKind.JSON_LINES}
        notice = None if is_expected else _notice(path, content or "")
        return FileKind(kind_by_content, compression, notice)
    if kind_by_name is None:
        raise _no_table(path, content)
    if not _is_possible(kind_by_name, content):
        remedy = what_to_do(content)
        if kind_by_name is TableKind.WORKBOOK and content != CSV:
            remedy = "save the sheet anew as .xlsx or CSV"
        actual = content or "something else"
        raise SpecError(f"{shown(path)} is {actual}, not {kind_by_name}: {remedy}")
    return FileKind(kind_by_name, compression)


def _is_possible(kind_by_name: TableKind, content: str | None) -> bool:
    """Tell whether the name may be right, though the content proves nothing."""
    if kind_by_name is TableKind.LINES:
        return content in (None, CSV, TOML, "YAML")
    if kind_by_name is TableKind.CSV:
        return content in (None, CSV)
    return content is None


def _notice(path: Path, content: str) -> str:
    remedy = what_to_do(content).removeprefix("rename it to ")
    return (
        f"{shown(path)} is {content}, whatever its name says, and is read as such; a "
        f"better name would {remedy}"
    )


def _no_table(path: Path, content: str | None) -> SpecError:
    hint = "" if content is None else f"; {path.name} is {content}: "
    remedy = "" if content is None else what_to_do(content)
    return SpecError(
        f"{shown(path)}: neither a job file (.toml) nor a manifest: {KINDS}"
        f"{hint}{remedy}"
    )
