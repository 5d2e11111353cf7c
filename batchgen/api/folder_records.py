"""What Python code gets of a run folder: its state, its outputs, its images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from batchgen.drives import storage_errors
from batchgen.model import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderStatus:
    """The state of a run folder; money is that of all its runs.

    Attributes:
        rows: By status.
        images: In the ZIP.
        spent_usd: Charged for certain, also for rows that were changed or removed.
        at_risk_usd: What may have been charged besides.
        is_running: Whether a run works on it now.
        is_rehearsal: Whether its money is pretend.
    """

    rows: Mapping[Status, int]
    images: int
    spent_usd: Decimal
    at_risk_usd: Decimal
    is_running: bool
    is_rehearsal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What `Folder.write_outputs` wrote.

    Attributes:
        is_running: Whether a run works on the folder: it finishes the ZIP itself.
        has_tables: Whether the tables were written; the run may write them itself, too.
        adopted_images: Images that a run stored just before it was killed; they are in
            the tables now.
    """

    is_running: bool = False
    has_tables: bool = True
    adopted_images: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One stored image of a row.

    Attributes:
        name: Of its file in the ZIP.
        number: Within its row, from 1.
        sha256: Of the content, hexadecimal.
    """

    name: str
    number: int
    media_type: str
    width_px: int
    height_px: int
    sha256: str
    content: bytes

    def save(self, path: str | Path) -> Path:
        """Write the image to a file, and return its path.

        Raises:
            StorageError: it cannot be written.
        """
        with storage_errors():
            Path(path).write_bytes(self.content)
        return Path(path)

    def __repr__(self) -> str:
        size = f"{self.width_px}x{self.height_px}"
        return f"Image({self.name!r}, {size}, {len(self.content):,} bytes)"
