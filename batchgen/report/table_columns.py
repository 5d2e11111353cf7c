"""Refuse columns that a result table does not have."""

from __future__ import annotations

from collections.abc import Sequence

from batchgen.addresses.characters import visible_line
from batchgen.errors import SpecError
from batchgen.manifest.wording import did_you_mean
from batchgen.output.table_selection import Selection


def check_columns(selection: Selection) -> None:
    """Refuse a selection that does not fit its table.

    Raises:
        SpecError: there is no such column, or the condition is none.
    """
    existing = selection.existing_columns()
    for name in selection.used_columns():
        if name not in existing:
            raise SpecError(_no_column(name, existing))
    selection.check()


def _no_column(name: str, existing: Sequence[str]) -> str:
    there_are = visible_line(", ".join(existing))
    hint = did_you_mean(name, existing)
    return f"no column `{visible_line(name)}`{hint} (there are {there_are})"
