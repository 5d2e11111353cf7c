"""`batchgen config`: the user's own defaults, and where each value comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from batchgen.cli.json_writer import exact_json, tagged
from batchgen.cli.messages import write_result
from batchgen.job.settings import AT_PATH
from batchgen.job.user_defaults import (
    allowed_keys,
    defaults_path,
    line_of,
    read_defaults_table,
    read_user_defaults,
)
from batchgen.model.job import Job, Terms
from batchgen.providers import PROVIDERS

_EXAMPLE = """\
provider = "gemini"
concurrency = 16

[budget]
per_day = 20
"""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A setting that may stand in the file.

    Attributes:
        value: None where the file does not state one.
        line: Of the file; None where it does not state a value.
    """

    section: str
    key: str
    value: Any
    line: int | None

    @property
    def name(self) -> str:
        return f"{self.section}.{self.key}" if self.section else self.key


@click.command("config")
@click.option("--json", "as_json", is_flag=True, help="The same as a JSON document.")
def command(*, as_json: bool) -> None:
    """Show your own defaults: the file, each value, and where it comes from.

    What the file states holds for every job that does not say otherwise; an option
    stands above the job. An API key never stands there.

    \b
    batchgen config
    batchgen config --json
    """  # noqa: D301 - click's mark for lines that stay as they are
    path = defaults_path()
    read_user_defaults(PROVIDERS)  # refuses what cannot be
    table = read_defaults_table(path)
    text = "" if table is None else path.read_text("utf-8-sig")
    entries = [*_entries(table or {}, text)]
    if as_json:
        write_result(exact_json(_document(path, entries, exists=table is not None)))
    else:
        write_result("\n".join(_lines(path, entries, exists=table is not None)))


def _entries(table: Mapping[str, Any], text: str) -> Iterator[_Entry]:
    for key in allowed_keys(""):
        if key in ("prices", "providers"):
            yield from _entries_by_provider(table.get(key, {}), key, text)
        elif ("", key) in AT_PATH:
            yield _entry(table, "", key, text)
        else:
            section = table.get(key, {})
            yield from (_entry(section, key, name, text) for name in allowed_keys(key))


def _entries_by_provider(
    tables: Mapping[str, Any], key: str, text: str
) -> Iterator[_Entry]:
    for provider, terms in tables.items():
        section = f"{key}.{provider}"
        if isinstance(terms, Mapping):
            yield from (_entry(terms, section, name, text) for name in terms)
        else:
            yield _Entry(key, provider, terms, line_of(text, "", section))


def _entry(table: Mapping[str, Any], section: str, key: str, text: str) -> _Entry:
    line = line_of(text, key, section) if key in table else None
    return _Entry(section, key, table.get(key), line)


def _lines(path: Path, entries: list[_Entry], *, exists: bool) -> Iterator[str]:
    if not exists:
        yield f"{path}: not there; without it, all is built in or said by the job"
        yield "it could hold, for example:"
        yield from (f"  {line}".rstrip() for line in _EXAMPLE.splitlines())
        yield "`batchgen help config` tells what may stand there"
        return
    yield f"{path}"
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        yield f"  {entry.name:<{width}}  {_value(entry)}  ({_source(entry)})"


def _value(entry: _Entry) -> str:
    if entry.line is None:
        built_in = _built_in(entry)
        return "-" if built_in is None else _plain(built_in)
    return _plain(entry.value)


def _plain(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list():
            return ", ".join(map(_plain, value))
        case Mapping():
            return ", ".join(f"{key} = {_plain(each)}" for key, each in value.items())
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _source(entry: _Entry) -> str:
    if entry.line is not None:
        return f"line {entry.line}"
    return "not set" if _built_in(entry) is None else "built in"


def _built_in(entry: _Entry) -> object:
    """Return the value without the file; None if it depends on provider or job."""
    setting = AT_PATH.get((entry.section, entry.key))
    if setting is None or setting.per_provider:
        return None
    for owner in (Job, Terms):
        default = owner.__dataclass_fields__.get(setting.field)
        if default is not None and isinstance(default.default, str | int | float):
            return default.default
    return None


def _document(path: Path, entries: list[_Entry], *, exists: bool) -> dict[str, Any]:
    values = [
        {
            "key": entry.name,
            "value": _built_in(entry) if entry.line is None else entry.value,
            "source": _source(entry) if entry.line is None else "file",
            "line": entry.line,
        }
        for entry in entries
    ]
    return tagged("config", {"path": str(path), "exists": exists, "values": values})
