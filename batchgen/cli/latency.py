"""The option `--latency` of the sandbox and of rehearsals."""

from __future__ import annotations

from typing import Any

import click


class LatencyType(click.ParamType[Any]):
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
