"""What the manifest yields: rows, what is wrong with them, and slices of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from batchgen.manifest.files import FileState
from batchgen.model import ImageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a row cannot run, and the manifest's column that must be mended.

    Attributes:
        spares_started: Whether a row that has attempts runs all the same: a rule that
            came later must not lose what was bought before.
    """

    column: str | None
    message: str
    spares_started: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row as it was asked for.

    Attributes:
        position: From 0.
        line: Line of the CSV file where the row begins, from 1; None for Parquet.
        id: None when the manifest has no id column, or this row's is empty.
        request: None when there is a problem, unless that spares rows that were
            started; so is the fingerprint.
        filename: As the manifest says it, not made safe.
        provider: As the row says it; None leaves it to the job.
        prompt: Template rendered; stands on an invalid row, too, where it is known.
        fingerprint: 16 bytes that stand for what was asked for.
        budget_group: Its values of the columns that have budgets, as JSON; None where
            the job has none by column.
        names: What the manifest calls the known columns, for messages.
    """

    position: int
    line: int | None
    id: str | None
    request: ImageRequest | None
    problem: Problem | None
    filename: str | None
    provider: str | None
    prompt: str | None
    fingerprint: bytes | None
    budget_group: str | None = None
    names: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive rows, and their own columns as an Arrow IPC stream.

    Attributes:
        own: The manifest's own columns for exactly these rows, in order, to be
            carried to the result table.
        files: Local references that were read for them, and for no row before.
    """

    rows: Sequence[Row]
    own: bytes
    files: Sequence[FileState] = ()
