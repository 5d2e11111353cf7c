"""The option `--latency` of the sandbox and of rehearsals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:  # it takes no type argument before click 8.4
    _ParamType = click.ParamType


class LatencyType(_ParamType):
    """`real`, or seconds."""

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
            self.fail(
                f"{value!r} is neither 'real' nor a number of seconds", param, ctx
            )
        return seconds
