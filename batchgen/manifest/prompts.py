"""The prompt of one row: rendered from a template or read from a cell, and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchgen.errors import SpecError
from batchgen.manifest import gaps, spelling
from batchgen.manifest.cell_values import text_of
from batchgen.manifest.columns import Layout
from batchgen.manifest.missing_values import describe_missing, is_missing
from batchgen.manifest.row import Problem
from batchgen.manifest.template_work import TooMuchWork
from batchgen.model import Job

if TYPE_CHECKING:
    from batchgen.manifest.template import PromptTemplate

MAX_COSTLY_IN_A_ROW = 5
MAX_COSTLY_ROWS = 50
"""Rows in which a template may exceed its limits of work and time; with more, the
template is at fault. Each takes a second, and a table may have a million."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The prompt of one row, and what is wrong with it.

    Attributes:
        text: None if there is no prompt.
        problem: Why the row cannot run; some problems spare rows that were started.
        warning: What is odd, though the row can run.
        missing_columns: Columns that the template uses and that have no value.
        literal: A placeholder in the prompt that nothing will fill.
    """

    text: str | None
    problem: Problem | None = None
    warning: str | None = None
    missing_columns: Sequence[str] = ()
    literal: str | None = None


class PromptReader:
    """Reads the prompts of one manifest; bad content of a row never raises."""

    def __init__(
        self, layout: Layout, template: PromptTemplate | None, job: Job
    ) -> None:
        self._names = spelling.ColumnNames(layout.names)
        self._template = template
        self._column = "prompt" if template else layout.name_of["prompt"]
        self._skips = job.empty == "skip"
        self.columns: tuple[str, ...] = (
            template.columns if template else (self._column,)
        )
        self._costly_in_a_row = 0
        self._costly_rows = 0
        # Notices of the template are shown once for all rows, not for each row.
        self._looks_for_braces = not (template and template.notices)

    def read(self, cells: Mapping[str, object]) -> Prompt:
        """Return the prompt of one row.

        Args:
            cells: At least those of `columns`; None is an empty cell.

        Raises:
            SpecError: the template exceeds its limits in row after row.
        """
        missing = self._template.gaps.missing_in(cells) if self._template else ()
        problem, warning = self._judge_gaps(missing, cells)
        try:
            prompt = self._text(cells)
            self._costly_in_a_row = 0
        except TooMuchWork as error:
            self._count_costly(error)
            problem = self._problem(str(error), spares_started=True)
            return Prompt(text=None, problem=problem, missing_columns=missing)
        except ValueError as error:
            self._costly_in_a_row = 0
            problem = self._problem(str(error))
            return Prompt(text=None, problem=problem, missing_columns=missing)
        if not prompt.strip():
            problem = problem or self._problem("the prompt is empty")
            return Prompt(text=None, problem=problem, missing_columns=missing)
        problem = problem or self._content_problem(prompt)
        literal = self._literal(prompt)
        if literal is not None:
            warning = "; ".join(filter(None, (warning, _literal_warning(literal))))
        return Prompt(
            text=prompt,
            problem=problem,
            warning=warning,
            missing_columns=missing,
            literal=literal,
        )

    def _text(self, cells: Mapping[str, object]) -> str:
        if self._template is None:
            return text_of(cells[self._column])
        return self._template.render(cells)

    def _content_problem(self, prompt: str) -> Problem | None:
        """Return what is wrong with the content of a prompt, None if nothing is."""
        message = self._template.output_problem if self._template else None
        if is_missing(prompt):
            message = (
                f"the prompt {describe_missing(prompt)}: write what the image should "
                "show, or leave the row out"
            )
        return None if message is None else self._problem(message, spares_started=True)

    def _count_costly(self, error: TooMuchWork) -> None:
        """Count a row that took a second; stop reading after too many."""
        self._costly_in_a_row += 1
        self._costly_rows += 1
        is_in_a_row = self._costly_in_a_row >= MAX_COSTLY_IN_A_ROW
        if is_in_a_row or self._costly_rows >= MAX_COSTLY_ROWS:
            count = self._costly_in_a_row if is_in_a_row else self._costly_rows
            in_turn = " in turn" if is_in_a_row else ""
            raise SpecError(
                f"prompt template: {count} rows{in_turn} cannot be filled, so the "
                f"others were not tried: with the last one, {error.reason}"
            ) from error

    def _judge_gaps(
        self, missing: Sequence[str], cells: Mapping[str, object]
    ) -> tuple[Problem | None, str | None]:
        """Return the problem or the warning of a row with these missing columns."""
        if self._template is None or not missing:
            return None, None
        if self._template.gaps.is_row_empty(missing):
            message = gaps.describe_empty_row(missing, cells)
        elif self._skips:
            message = gaps.describe_skipped_row(cells[missing[0]])
        else:
            return None, gaps.describe_partial_row(missing, cells)
        problem = Problem(column=missing[0], message=message, spares_started=True)
        return problem, None

    def _problem(self, message: str, *, spares_started: bool = False) -> Problem:
        return Problem(
            column=self._column, message=message, spares_started=spares_started
        )

    def _literal(self, prompt: str) -> str | None:
        if not self._looks_for_braces:
            return None
        return spelling.unfilled(prompt, self._names)


def _literal_warning(literal: str) -> str:
    return (
        f"the prompt holds {literal[:80]}, which is sent as it stands: cells are never "
        "templates (a template is given with --prompt)"
    )
