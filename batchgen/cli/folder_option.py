"""The option `--out`: a folder that has a name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:  # it takes no type argument before click 8.4
    _ParamType = click.ParamType


class FolderType(_ParamType):
    """A folder; an empty text, as of a shell variable that is not set, is none."""

    name = "folder"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read the value."""
        if isinstance(value, str) and not value.strip():
            self.fail(
                "it is empty: name a folder, such as out/products, or leave it out",
                param,
                ctx,
            )
        return Path(value)
