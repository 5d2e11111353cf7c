"""What the user says about how a table is written, where it need not be found out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from batchgen.errors import SpecError
from batchgen.manifest.table_kind import TEXTS, TableKind
from batchgen.manifest.wording import shown
from batchgen.model import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingOptions:
    """How a table is written; None is found out.

    Attributes:
        encoding: A codec of Python.
        delimiter: The character between cells.
        sheet: Name of the sheet of a workbook.
    """

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None

    @classmethod
    def of(cls, job: Job) -> Self:
        """Return what a job says."""
        return cls(encoding=job.encoding, delimiter=job.delimiter, sheet=job.sheet)

    def refuse_unused(self, path: Path, kind: TableKind) -> None:
        """Refuse an option that this kind of table has no use for.

        Raises:
            SpecError: there is one.
        """
        uses = {
            "encoding": (self.encoding, kind in TEXTS, "a text such as CSV"),
            "delimiter": (self.delimiter, kind in _WITH_DELIMITER, "a text table"),
            "sheet": (self.sheet, kind is TableKind.WORKBOOK, "a workbook"),
        }
        for name, (value, is_used, owner) in uses.items():
            if value is not None and not is_used:
                raise SpecError(
                    f"{shown(path)} is {kind}, and --{name} (`{name}` in a job file) "
                    f"is for {owner}: leave it out"
                )


_WITH_DELIMITER = (TableKind.CSV, TableKind.LINES)
DEFAULT_READING = ReadingOptions()
