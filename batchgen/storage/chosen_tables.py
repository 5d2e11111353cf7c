"""Which formats of the result table a run folder has besides Parquet.

The ledger remembers them: whoever writes the tables, writes all of them, so that none
is older than the others.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from batchgen.errors import SpecError
from batchgen.ledger import Ledger, Reader
from batchgen.manifest.wording import shown
from batchgen.output.table_formats import FORMATS, table_copy


def chosen_tables(ledger: Reader) -> tuple[str, ...]:
    """Return the formats that a folder has besides Parquet."""
    names = ledger.meta.tables.split(",")
    return tuple(name for name in FORMATS if name in names)


def choose_tables(ledger: Ledger, folder: Path, formats: Iterable[str]) -> None:
    """Choose the formats; a step of a commit. Tables of other formats are removed.

    Raises:
        SpecError: a file that is not batchgen's has the name of such a table.
    """
    former = chosen_tables(ledger)
    new = [name for name in FORMATS if name in set(formats)]
    for name in new:
        if name not in former:
            _refuse_foreign(folder / table_copy(name), name)
    for name in former:
        if name not in new:
            (folder / table_copy(name)).unlink(missing_ok=True)
    ledger.meta.tables = ",".join(new) or None


def _refuse_foreign(path: Path, name: str) -> None:
    if os.path.lexists(path):
        raise SpecError(
            f"{shown(path)} is there already, and this run did not write it: rename "
            f"or move it, or leave out --table {name} (`table` in the job file). "
            "Nothing was sent"
        )
