"""The options `--rpm` and `--concurrency`: a number, or `auto`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:  # it takes no type argument before click 8.4
    _ParamType = click.ParamType


class NumberOrAuto(_ParamType):
    """`auto`, or a number of a kind."""

    name = "auto|N"

    def __init__(self, kind: Callable[[str], int | float]) -> None:
        self._kind = kind

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read the value; whether it can be is judged with the job."""
        if value == "auto" or not isinstance(value, str):
            return value
        try:
            return self._kind(value)
        except ValueError:
            number = "a whole number" if self._kind is int else "a number"
            self.fail(
                f"{value!r} is neither 'auto' nor {number}, such as 8", param, ctx
            )
