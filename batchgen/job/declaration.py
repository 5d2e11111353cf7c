"""What a setting is: its value, its names, its meaning, and who may state it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args, get_type_hints

Reader = Callable[[object], Any]
"""Checks a raw value and returns it as the job holds it, or raises ValueError."""


@dataclass(frozen=True, slots=True)
class ValueType:
    """What values a setting takes.

    Attributes:
        read: Reads what TOML, an option or Python code gives.
        schema: The same as JSON Schema.
        description: The same for the page of the job file, in Markdown.
    """

    read: Reader
    schema: Mapping[str, Any]
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of a job.

    Attributes:
        value: The type of its values.
        meaning: For the page of the job file, in Markdown.
        example: A value, as TOML or JSON has one.
        default: In words, in Markdown; empty where Job states one.
        section: Section of the job file; empty for the top of the file.
        key: In the job file; empty for the name.
        field: In Job, or in Terms where a provider has its own; empty for the name.
        help: What `-h` shows of the option; empty where there is none.
        flag: The option; empty for the name with hyphens.
        metavar: What stands for the value in `-h`; empty for the name of its type.
        multiple: Whether the option may be repeated.
        per_provider: Whether a section `[providers.NAME]` may state one, too.
        takes_table: Whether a table of values by provider may stand there, too.
        for_one_provider: Whether a value can be meant for one provider only.
        name: Keyword in Python code, and
        python_type: type of its value there; both as the class declares them.
    """

    value: ValueType
    meaning: str
    example: Any
    default: str = ""
    section: str = ""
    key: str = ""
    field: str = ""
    help: str = ""
    flag: str = ""
    metavar: str = ""
    multiple: bool = False
    per_provider: bool = False
    takes_table: bool = False
    for_one_provider: bool = False
    name: str = ""
    python_type: Any = None


def declared_in(declarations: type) -> dict[str, Setting]:
    """Return the settings that a TypedDict declares, by name, in its order."""
    hints = get_type_hints(declarations, include_extras=True)
    return {name: _complete(name, *get_args(hint)) for name, hint in hints.items()}


def _complete(name: str, python_type: Any, setting: Setting) -> Setting:
    return replace(
        setting,
        name=name,
        python_type=python_type,
        key=setting.key or name,
        field=setting.field or name,
        flag=setting.flag or "--" + name.replace("_", "-"),
    )
