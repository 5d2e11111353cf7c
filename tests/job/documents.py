"""`python -m tests.job.documents`: write what follows from the declared settings.

These are the tables of `batchgen/docs/job-file.md`, whose other text is written by
hand, and `batchgen/docs/job.schema.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from batchgen.job.declaration import Setting
from batchgen.job.prices import LIMITS, PRICE, PRICE_RULE
from batchgen.job.row_settings import RowSettings
from batchgen.job.run_settings import MoneySettings, PaceSettings
from batchgen.job.service_settings import ServiceSettings
from batchgen.job.settings import AT_PATH, KEYS, TERMS, declared_in, keys_of
from batchgen.job.values import NAMES, RATIO, RESOLUTION, TEXT, any_of
from batchgen.manifest import KNOWN_COLUMNS
from batchgen.model import Job, ReferenceTerms, Terms, type_of_option

DOCS = Path(__file__).parents[2] / "batchgen" / "docs"
PAGE = DOCS / "job-file.md"
SCHEMA = DOCS / "job.schema.json"

_HEADINGS: Mapping[str, type] = MappingProxyType(
    {
        "What to make": RowSettings,
        "Who makes it": ServiceSettings,
        "Money": MoneySettings,
        "Pace, and what goes wrong": PaceSettings,
    }
)
_HEAD_OF_SETTINGS = ("key", "type", "default", "option of `run`", "meaning")
_HEAD_OF_TERMS = ("key of `[providers.NAME]`", "type", "default", "meaning")
_TABLE = r"(?:^\|.*\n)+"
_JSON_TYPES: Mapping[type, str] = MappingProxyType(
    {str: "string", bool: "boolean", int: "integer", float: "number"}
)


def default_of(setting: Setting) -> Any:
    """Return the default that Job or Terms holds; None where they hold none."""
    defaults = {field.name: field.default for field in fields(owner_of(setting))}
    default = defaults.get(setting.field)
    return None if default is MISSING else default


def owner_of(setting: Setting) -> type[Job | Terms | ReferenceTerms]:
    """Return the class of the job in which a setting is a field."""
    if setting in TERMS.values():
        return Terms
    return ReferenceTerms if setting.section == "references" else Job


# -- the page


def write_tables(page: str) -> str:
    """Return the page of the job file with its tables as the settings state them."""
    for heading, declarations in _HEADINGS.items():
        rows = map(_row_of_setting, declared_in(declarations).values())
        lines = "".join(_lines(_HEAD_OF_SETTINGS, rows))
        page = _replace(rf"(^## {heading}\n\n){_TABLE}", lines, page)
    lines = "".join(_lines(_HEAD_OF_TERMS, _rows_of_terms()))
    return _replace(rf"(^)(?=\| key of `\[providers){_TABLE}", lines, page)


def _replace(pattern: str, lines: str, page: str) -> str:
    written, count = re.subn(
        pattern, lambda match: match[1] + lines, page, flags=re.MULTILINE
    )
    assert count == 1, pattern
    return written


def _lines(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    for cells in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(cells)} |\n"


def _row_of_setting(setting: Setting) -> tuple[str, ...]:
    place = f" under `[{setting.section}]`" if setting.section else ""
    option = f"`{setting.flag}`" if setting.help else "none"
    return (
        f"`{setting.key}`{place}",
        setting.value.description,
        _default_words(setting),
        "SOURCE" if setting.name == "manifest" else option,
        setting.meaning,
    )


def _rows_of_terms() -> Iterator[tuple[str, ...]]:
    shared = [f"`{name}`" for name, setting in TERMS.items() if setting.per_provider]
    yield (
        ", ".join(shared),
        "as above",
        "as above",
        "the same for this provider alone",
    )
    own = (setting for setting in TERMS.values() if not setting.per_provider)
    for setting in own:
        yield (
            f"`{setting.name}`",
            setting.value.description,
            _default_words(setting),
            setting.meaning,
        )


def _default_words(setting: Setting) -> str:
    if setting.default:
        return setting.default
    match default_of(setting):
        case None:
            return "the provider's" if owner_of(setting) is Terms else "none"
        case str(text):
            return f'`"{text}"`'
        case bool(truth):
            return str(truth).lower()
        case number:
            return f"{number:g}"


# -- the JSON Schema


def json_schema() -> str:
    """Return the JSON Schema of job files, as text."""
    properties = {key: _schema_at(key) for key in KEYS}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A job file of batchgen",
        "type": "object",
        "required": ["manifest"],
        "properties": properties,
        "additionalProperties": False,
        "$defs": {"terms": _closed({name: _schema(TERMS[name]) for name in TERMS})},
    }
    return json.dumps(schema, indent=2, default=_plain) + "\n"


def _schema_at(key: str) -> dict[str, Any]:
    """Return the schema of a key at the top of the file, which may be a section."""
    match AT_PATH.get(("", key)):
        case None:
            return _closed({name: _schema(AT_PATH[key, name]) for name in keys_of(key)})
        case setting:
            return _schema(setting)


def _schema(setting: Setting) -> dict[str, Any]:
    schema = {
        "description": re.sub(r" ?\(\[.*?\]\(.*?\)\)", "", setting.meaning),
        **_value_schema(setting),
        "examples": [setting.example],
    }
    default = default_of(setting)
    return schema if default is None else schema | {"default": default}


def _value_schema(setting: Setting) -> Mapping[str, Any]:
    if setting.name in _SECTIONS:
        return _SECTIONS[setting.name]
    schema = setting.value.schema
    return any_of(schema, _each(schema)) if setting.takes_table else schema


def _option(python_type: type) -> dict[str, Any]:
    """Return the schema of an option, which may be written as text as in a cell."""
    names = dict.fromkeys((_JSON_TYPES[python_type], "string"))
    return {"type": [*names]}


def _closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
    }


def _each(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a table whose keys only the user knows."""
    return {"type": "object", "additionalProperties": schema}


def _plain(value: object) -> object:
    match value:
        case Mapping():
            return dict(value)
        case Decimal():
            return float(value)
        case _:
            raise TypeError(type(value))


def _expansion() -> dict[str, Any]:
    scalar = {"type": ["string", "number", "boolean"], "pattern": r"\S"}
    ratios = {"aspect_ratio": RATIO.schema, "resolution": RESOLUTION.schema}
    values = any_of(
        {"type": "string", "pattern": r"^[^|]*[^|\s][^|]*$"}, _list_of(scalar)
    )
    own = {
        name: any_of({"type": "string", "pattern": r"^[^|]+$"}, _list_of(schema))
        for name, schema in ratios.items()
    }
    return {
        "type": "object",
        "minProperties": 1,
        "properties": {"from": TEXT.schema, "id": False, **own},
        "additionalProperties": values,
    }


def _list_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema, "minItems": 1, "uniqueItems": True}


_SIZE = any_of({"const": "*"}, RESOLUTION.schema)
_SECTIONS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "columns": _closed(
            dict.fromkeys(KNOWN_COLUMNS, TEXT.schema) | {"references": NAMES.schema}
        ),
        "options": _closed(
            {name: _option(kind) for name, kind in type_of_option.items()}
        ),
        "expand": _expansion(),
        "max_cost_by": _each(LIMITS.schema),
        "prices": _each(
            any_of(
                _each(PRICE.schema) | {"propertyNames": _SIZE},
                {"type": "array", "items": PRICE_RULE.schema},
            )
        ),
        "providers": _each({"$ref": "#/$defs/terms"}),
    }
)
"""Schemas of tables whose entries are read one by one."""


if __name__ == "__main__":
    PAGE.write_text(write_tables(PAGE.read_text("utf-8")), "utf-8")
    SCHEMA.write_text(json_schema(), "utf-8")
