"""Read settings outside of a job file: options, and keywords of Python code.

Both are plain mappings by the names of settings; they override the job file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from batchgen.errors import SpecError, UsageError
from batchgen.job.declaration import Setting
from batchgen.job.layer_reader import LayerReader
from batchgen.job.layers import Origin, SettingsLayer, place_in_tables
from batchgen.job.names import check_names, refuse_secrets
from batchgen.job.settings import AT_PATH, SETTINGS
from batchgen.manifest import KNOWN_COLUMNS


def read_options(
    options: Mapping[str, object], known_providers: Collection[str]
) -> SettingsLayer:
    """Read options as they were typed.

    Args:
        options: By the names of settings; None stands for an option not typed.
        known_providers: Names that a provider may have.

    Raises:
        UsageError: an option has an invalid value.
    """
    origin = _origin(UsageError, lambda setting: setting.flag, page="--price")
    if pairs := options.get("columns"):
        with origin.context("columns"):
            options = {**options, "columns": _columns_in(cast("Sequence[str]", pairs))}
    return LayerReader(_as_in_a_file(options), origin, known_providers).read()


def read_keywords(
    settings: Mapping[str, object], known_providers: Collection[str]
) -> SettingsLayer:
    """Read settings that Python code states.

    Args:
        settings: By their names; None stands for a setting not stated.
        known_providers: Names that a provider may have.

    Raises:
        SpecError: there is no such setting, or its value is invalid.
    """
    origin = _origin(SpecError, lambda setting: f"`{setting.name}`", page="`price`")
    with origin.context():
        refuse_secrets(settings, known_providers, "never in code: take it out")
        check_names(settings, SETTINGS, "setting")
    return LayerReader(_as_in_a_file(settings), origin, known_providers).read()


def _origin(
    error: type[SpecError], name_of: Callable[[Setting], str], page: str
) -> Origin:
    def place_of(key: str, section: str) -> str:
        setting = AT_PATH.get((section, key))
        if setting is None and section == "columns" and error is UsageError:
            return f"--columns, `{key}`" if key else "--columns"
        return name_of(setting) if setting else place_in_tables(key, section)

    return Origin(error=error, place_of=place_of, folder=Path(), page=page)


def _columns_in(pairs: Sequence[str]) -> dict[str, str]:
    """Read `NAME=COLUMN`, as the command line has them, into a table.

    Raises:
        ValueError: a text is no such pair, or two say the same name.
    """
    columns: dict[str, str] = {}
    for pair in pairs:
        name, equals, column = (part.strip() for part in pair.partition("="))
        if not equals or not column:
            raise ValueError(
                f"{pair!r} is no pair: write batchgen's name, an equals sign and your "
                "column, such as prompt=Description"
            )
        if name not in KNOWN_COLUMNS and column in KNOWN_COLUMNS:
            raise ValueError(f"batchgen's name stands first: write {column}={name}")
        if name in columns:
            raise ValueError(
                f"`{name}` is said twice, as `{columns[name]}` and `{column}`: say one"
            )
        columns[name] = column
    return columns


def _as_in_a_file(settings: Mapping[str, object]) -> dict[str, Any]:
    """Lay settings out in sections, as a job file has them."""
    table: dict[str, Any] = {}
    stated_settings = [
        (SETTINGS[name], value) for name, value in settings.items() if value is not None
    ]
    # First whole sections (`columns`), then single keys of them (`id_column`).
    for setting, value in sorted(stated_settings, key=lambda entry: entry[0].section):
        if not setting.section:
            table[setting.key] = value
        elif isinstance(section := table.setdefault(setting.section, {}), Mapping):
            table[setting.section] = {**section, setting.key: value}
    return table
