"""Read a job file: TOML in which every key and value is checked."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from decimal import Decimal
from pathlib import Path
from typing import Any

from batchgen.errors import SpecError
from batchgen.job.layer_reader import LayerReader
from batchgen.job.layers import Origin, SettingsLayer, place_in_tables
from batchgen.job.names import check_names, refuse_secrets
from batchgen.job.settings import KEYS
from batchgen.job.toml_errors import EXAMPLE, explain
from batchgen.manifest.file_content import (
    JSON,
    JSON_LINES,
    TABLES,
    TOML,
    kind_of,
    what_to_do,
)
from batchgen.manifest.wording import shown

_MAX_DIGITS = 300
"""As many as a floating-point number can have; no amount and no count needs more."""


def read_job_file(path: Path, known_providers: Collection[str]) -> SettingsLayer:
    """Read a job file; its paths are relative to itself.

    Raises:
        SpecError: it is no TOML, or has an unknown key or an invalid value.
    """
    origin = file_origin(path)
    table = parse_toml(path)
    with origin.context():
        refuse_secrets(table, known_providers, "never in a file: take the line out")
        sections = {
            name: f": what is said of a provider stands under [providers.{name}]"
            for name in known_providers
        }
        check_names(table, KEYS, "key", sections)
        if "manifest" not in table:
            raise ValueError(f"`manifest` is missing: name the table, as {EXAMPLE}")
    return LayerReader(table, origin, known_providers).read()


def file_origin(path: Path) -> Origin:
    """Return the origin of what a file states."""

    def place_of(key: str, section: str) -> str:
        place = place_in_tables(key, section)
        return f"{shown(path)}, {place}" if place else shown(path)

    return Origin(
        error=SpecError,
        place_of=place_of,
        folder=path.resolve().parent,
        page=shown(path),
        path_hint=" (a path in a job file is relative to the job file)",
    )


def _refuse_other_kind(path: Path) -> None:
    """Refuse a file that is recognisably of another kind."""
    kind = kind_of(path)
    if kind in (None, TOML):
        return
    remedy = 'a job file is TOML, with lines such as manifest = "products.csv"'
    if kind in TABLES and kind not in (JSON, JSON_LINES):
        remedy = what_to_do(kind)
    raise SpecError(f"{shown(path)} is {kind}, not a job file: {remedy}")


def _read_text(path: Path) -> str:
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SpecError(f"{shown(path)}: it is UTF-16; save it as UTF-8")
    try:
        # TOML does not accept the line ends of Windows within texts.
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        _refuse_other_kind(path)
        line = content.count(b"\n", 0, error.start) + 1
        raise SpecError(
            f"{shown(path)}, line {line}: not UTF-8; save it as UTF-8"
        ) from error
    if not text.strip():
        raise SpecError(
            f"{shown(path)} is empty; a job file names its table and a provider: "
            f'{EXAMPLE}, provider = "gemini"'
        )
    return text


def parse_toml(path: Path) -> dict[str, Any]:
    """Read a file of TOML, with exact numbers.

    Raises:
        SpecError: it is no TOML, or is empty.
    """
    text = _read_text(path)
    try:
        table = tomllib.loads(text, parse_float=Decimal)
        _refuse_long_numbers(table)
    except RecursionError as error:
        raise SpecError(
            f"{shown(path)}: its lists and tables are nested too deeply to be read; "
            "a job file needs no more than three levels"
        ) from error
    except tomllib.TOMLDecodeError as error:
        _refuse_other_kind(path)
        raise SpecError(_syntax_message(path, text, error)) from error
    except (ValueError, ArithmeticError) as error:
        raise SpecError(
            f"{shown(path)}: a number in it has too many digits: write one of at most "
            f"{_MAX_DIGITS}"
        ) from error
    return table


def _syntax_message(path: Path, text: str, error: tomllib.TOMLDecodeError) -> str:
    place, reason = explain(text, error)
    if reason.endswith("not a job file"):
        reason += f": name it {shown(path.with_suffix('.csv'))}"
    return f"{shown(path)}{f', {place}' if place else ''}: {reason}"


def _refuse_long_numbers(value: object) -> None:
    """Refuse numbers that Python can read, but not write.

    Raises:
        ValueError: there is one.
    """
    if isinstance(value, dict | list):
        for entry in value.values() if isinstance(value, dict) else value:
            _refuse_long_numbers(entry)
    elif isinstance(value, int | Decimal):
        number = Decimal(value)
        if number.is_finite() and abs(number.adjusted()) > _MAX_DIGITS:
            raise ValueError("a number of too many digits")
