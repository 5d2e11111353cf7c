"""Types of options that click does not have."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:  # it takes no type argument before click 8.4
    _ParamType = click.ParamType


class NumberOrAuto(_ParamType):
    """`auto`, or a number of a kind: `--rpm` and `--concurrency`."""

    name = "auto|N"

    def __init__(self, kind: Callable[[str], int | float]) -> None:
        self._kind = kind

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read the value; its range is checked with the job."""
        if value == "auto" or not isinstance(value, str):
            return value
        try:
            return self._kind(value)
        except ValueError:
            number = "a whole number" if self._kind is int else "a number"
            message = f"{value!r} is neither 'auto' nor {number}, such as 8"
            self.fail(message, param, ctx)


class LatencyType(_ParamType):
    """`real`, or seconds: `--latency`."""

    name = "real|S"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read the value."""
        if value == "real" or isinstance(value, float):
            return value
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds < 86_400:
            message = f"{value!r} is neither 'real' nor a number of seconds"
            self.fail(message, param, ctx)
        return seconds


class SourceType(_ParamType):
    """A path, or as text what is no file: `-`, or an address on the web."""

    name = "source"

    def convert(self, value: Any, _param: Any, _ctx: Any) -> Path | str:
        """Leave an address as it is: as a path it would lose a slash."""
        if value == "-" or re.match(r"(https?|s3|gs|az)://", value, re.I):
            return str(value)
        return Path(value)


class FolderType(_ParamType):
    """A folder; an empty text, as of a shell variable that is not set, is none."""

    name = "folder"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read the value."""
        if isinstance(value, str) and not value.strip():
            thing = "a folder, such as out/products"
            if param is not None and param.metavar == "FILE":
                thing = "a file"
            message = f"it is empty: name {thing}, or leave it out"
            self.fail(message, param, ctx)
        return Path(value)
