"""What a setting is: its value, its names, its meaning, and who may state it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, get_args, get_origin, get_type_hints

Reader = Callable[[object], Any]
"""Checks a raw value and returns it as the job holds it, or raises ValueError."""


@dataclass(frozen=True, slots=True)
class ValueType:
    """What values a setting takes.

    Attributes:
        read: Reads what TOML, an option or Python code gives.
        schema: The same as JSON Schema.
        words: The same for the page of the job file, in Markdown.
    """

    read: Reader
    schema: Mapping[str, Any]
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """How a setting is written on the command line.

    Attributes:
        help: What `-h` shows.
        flag: Empty for the setting's name with hyphens.
        metavar: What stands for the value in `-h`; empty for the name of its type.
        multiple: Whether it may be repeated.
    """

    help: str
    flag: str = ""
    metavar: str = ""
    multiple: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of a job.

    Attributes:
        value: What it takes.
        meaning: For the page of the job file, in Markdown.
        example: One value, as TOML or JSON has it.
        default: In words, in Markdown; empty where Job holds a value.
        section: Section of the job file; empty for the top of the file.
        key: In the job file; empty for the name.
        field: In Job, or in Terms where it holds for a provider; empty for the name.
        option: None where the command line cannot state it.
        per_provider: Whether a section `[providers.NAME]` may state it, too.
        takes_table: Whether a table of values by provider may stand there, too.
        for_one_provider: Whether a value can be meant for one provider only.
        name: Keyword in Python code; comes from the class that declares it.
        python_type: Likewise.
    """

    value: ValueType
    meaning: str
    example: Any
    default: str = ""
    section: str = ""
    key: str = ""
    field: str = ""
    option: Option | None = None
    per_provider: bool = False
    takes_table: bool = False
    for_one_provider: bool = False
    name: str = ""
    python_type: Any = None

    @property
    def flag(self) -> str:
        """The option's name on the command line; empty where there is none."""
        if self.option is None:
            return ""
        return self.option.flag or "--" + self.name.replace("_", "-")


def declared_in(declarations: type) -> dict[str, Setting]:
    """Return the settings that a TypedDict declares, by name, in its order."""
    hints = get_type_hints(declarations, include_extras=True)
    return {name: _named(name, hint) for name, hint in hints.items()}


def _named(name: str, hint: Any) -> Setting:
    assert get_origin(hint) is Annotated, name  # noqa: S101 - a mistake in our code
    python_type, setting = get_args(hint)
    assert isinstance(setting, Setting), name  # noqa: S101 - likewise
    return replace(
        setting,
        name=name,
        python_type=python_type,
        key=setting.key or name,
        field=setting.field or name,
    )
