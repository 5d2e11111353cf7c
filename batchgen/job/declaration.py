"""What a setting is: its value, its names, its meaning, and who may state it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Reader = Callable[[object], Any]
"""Checks a raw value and returns it as the job holds it, or raises ValueError."""


@dataclass(frozen=True, slots=True)
class ValueType:
    """What values a setting takes.

    Attributes:
        read: Reads a value from TOML, an option or Python code.
        schema: The same as JSON Schema.
        description: The same for the page of the job file, in Markdown.
    """

    read: Reader
    schema: Mapping[str, Any]
    description: str


def _read_nothing(value: object) -> Any:
    raise ValueError(f"{value!r} has no type to be read by")


UNSTATED = ValueType(_read_nothing, {}, "")
"""Stands for a type that follows from the type in Python code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of a job.

    Attributes:
        meaning: For the page of the job file, in Markdown.
        example: A value, as TOML or JSON has one.
        value: The type of its values; not needed where the Python type is bool or
            Literal.
        default: In words, in Markdown; empty where Job states one.
        section: Section of the job file; empty for the top of the file.
        key: In the job file; empty for the name.
        field: In Job, or in Terms where a provider has its own; empty for the name.
        help: What `-h` shows of the option; empty where there is none.
        flag: The option; empty for the name with hyphens.
        metavar: Placeholder of the value in `-h`; empty for the name of its type.
        multiple: Whether the option may be repeated.
        per_provider: Whether a section `[providers.NAME]` may also state one.
        takes_table: Whether a table of values by provider may also stand there.
        for_one_provider: Whether only one provider can have the value.
        user_default: Whether the file of a user's defaults may state it: not what a job
            asks for, or a later change there would concern runs that have begun.
        name: Keyword in Python code, from the class that declares the setting.
        python_type: Type of its value in Python code, from the same class.
    """

    meaning: str
    example: Any
    value: ValueType = UNSTATED
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
    user_default: bool = False
    name: str = ""
    python_type: Any = None
