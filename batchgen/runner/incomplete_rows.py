"""Describe rows without values that the prompt needs, and refuse too many of them.

A refusal ends a run before anything is sent, even if the user agreed to the price:
nobody wants to buy `Studio photo of ` four thousand times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchgen.ledger import Reader
from batchgen.ledger.outstanding import has_unsent_rows
from batchgen.ledger.plan_findings import count_runnable, runnable_row
from batchgen.manifest.gaps import Gaps
from batchgen.manifest.wording import files_shown
from batchgen.model import Job

MAX_COLUMNS = 5


@dataclass(frozen=True, slots=True)
class FinishedPrompt:
    """The prompt of a row that can run, as it would be sent."""

    row: int
    line: int | None
    prompt: str


def would_refuse(gaps: Gaps | None, job: Job, ledger: Reader, end: int) -> bool:
    """Tell whether a run would refuse to buy because of rows that lack a value."""
    if gaps is None or not gaps.are_many or job.empty is not None:
        return False
    return not ledger.has_attempts() or has_unsent_rows(ledger, end, ledger.generation)


def finished_prompts(ledger: Reader, end: int) -> Iterator[FinishedPrompt]:
    """Yield the prompts of three rows that can run: first, in the middle, last."""
    count = count_runnable(ledger, end)
    for index in sorted({0, count // 2, count - 1} - {-1, count}):
        yield FinishedPrompt(*runnable_row(ledger, end, index))


def refusal_of(gaps: Gaps, tables: Sequence[Path]) -> str:
    """Say why nothing is bought from a table in which many rows lack a value."""
    return (
        f"{files_shown(tables)}: {describe_gaps(gaps)}. {_remedies(gaps)} (in a "
        'job file: empty = "skip" or "buy"). Nothing was sent'
    )


def _remedies(gaps: Gaps) -> str:
    if not gaps.partial_rows:
        return "Such rows are never bought; to buy the others, add --empty skip"
    return (
        "Add --empty skip to leave all of them out, or --empty buy to buy those that "
        "have at least one of the values"
    )


def describe_gaps(gaps: Gaps) -> str:
    """Say how many rows lack a value, and in which columns."""
    verb = "lacks" if gaps.incomplete_rows == 1 else "lack"
    return (
        f"{gaps.incomplete_rows:,} of {_rows(gaps.rows)} {verb} a value that the "
        f"prompt template uses (no value in {_columns(gaps)})"
    )


def _columns(gaps: Gaps) -> str:
    counts = gaps.columns.most_common(MAX_COLUMNS)
    columns = ", ".join(f"`{name}`: {_rows(count)}" for name, count in counts)
    more = len(gaps.columns) - len(counts)
    return f"{columns}, and {more} more" if more > 0 else columns


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"
