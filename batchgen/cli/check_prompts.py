"""What `check` says of prompts: rows that lack values, and how some prompts read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from batchgen.checks.findings import Findings
from batchgen.cli.check_enough import folded
from batchgen.cli.formatting import counted
from batchgen.model import Job
from batchgen.runner.incomplete_rows import FinishedPrompt, describe_gaps

PROMPT_WIDTH = 100


def gap_lines(job: Job, findings: Findings) -> Iterator[str]:
    """Yield how many rows lack a value, and what becomes of them."""
    gaps = findings.gaps
    if gaps is None or not gaps.incomplete_rows:
        return
    yield from folded(describe_gaps(gaps))
    if gaps.empty_rows:
        one = gaps.empty_rows == 1
        have, verb = ("has", "is") if one else ("have", "are")
        yield from folded(
            f"  {counted(gaps.empty_rows, 'row')} {have} none of the values and {verb} "
            "never bought"
        )
    if gaps.partial_rows:
        verb = "is" if gaps.partial_rows == 1 else "are"
        fate = {
            None: f"{verb} bought, with a warning; --empty skip leaves them out",
            "buy": f'{verb} bought, with a warning: empty = "buy"',
            "skip": f'{verb} not bought: empty = "skip"',
        }[job.empty]
        if findings.is_refused:
            fate = "lacks others" if gaps.partial_rows == 1 else "lack others"
        yield from folded(
            f"  {counted(gaps.partial_rows, 'row')} with some of the values {fate}"
        )
    if findings.is_refused:
        yield from folded(
            "  `run` sends nothing before you say --empty skip or --empty buy (in a "
            'job file: empty = "skip" or "buy")'
        )


def prompt_lines(prompts: Sequence[FinishedPrompt]) -> Iterator[str]:
    """Yield some prompts as they are sent, a line each."""
    if prompts:
        yield "prompts as they are sent:"
    for each in prompts:
        line = "" if each.line is None else f", line {each.line}"
        text = " ".join(each.prompt.split())
        cut = f"{text[:PROMPT_WIDTH]}..." if len(text) > PROMPT_WIDTH else text
        yield f"  row {each.row}{line}: {cut}"


def gaps_document(job: Job, findings: Findings) -> dict[str, Any] | None:
    """Return the same for programs; None where the template needs no column."""
    gaps = findings.gaps
    if gaps is None:
        return None
    return {
        "rows": gaps.rows,
        "rows_without_any_value": gaps.empty_rows,
        "rows_without_some_values": gaps.partial_rows,
        "columns": dict(gaps.columns),
        "empty": job.empty,
        "is_refused": findings.is_refused,
    }
