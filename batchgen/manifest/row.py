"""The rows of a manifest, their problems, and slices of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from batchgen.manifest.files import FileState
from batchgen.model import ImageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a row cannot run, and the column that must be corrected.

    Attributes:
        spares_started: Whether a row with attempts runs all the same: a rule that was
            added later must not lose what was bought earlier.
    """

    column: str | None
    message: str
    spares_started: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the manifest.

    Attributes:
        position: From 0.
        line: Line of the CSV file where the row begins, from 1; None for Parquet.
        id: None if the manifest has no id column, or the cell is empty.
        request: None if there is a problem, except one that spares rows that were
            started; likewise the fingerprint.
        filename: As the manifest states it, not yet made safe.
        provider: As the row states it; None to let the job decide.
        warning: What is odd, though the row can run.
        missing_columns: Columns that the template uses and that have no value here.
        prompt: After the template was rendered; known for some invalid rows, too.
        fingerprint: 16 bytes that identify the request.
        budget_group: Values of the columns with budgets, as JSON; None if the job has
            no budgets by column.
        parents: Positions of the rows whose images it uses.
        names: The manifest's names of the standard columns, for messages.
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
    warning: str | None = None
    missing_columns: Sequence[str] = ()
    parents: Sequence[int] = ()
    names: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive rows with their user columns.

    Attributes:
        user_columns: The user columns of these rows as an Arrow IPC stream, to be
            copied into the result table.
        files: Local references that were first read for these rows.
    """

    rows: Sequence[Row]
    user_columns: bytes
    files: Sequence[FileState] = ()
