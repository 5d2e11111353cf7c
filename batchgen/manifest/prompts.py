"""The prompt of one row: rendered or taken as it stands, and judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchgen.errors import SpecError
from batchgen.manifest import gaps, spelling
from batchgen.manifest.cells import text_of
from batchgen.manifest.columns import Layout
from batchgen.manifest.missing_values import is_missing, words_of
from batchgen.manifest.row import Problem
from batchgen.manifest.template_work import TooMuchWork
from batchgen.model import Job

if TYPE_CHECKING:
    from batchgen.manifest.template import PromptTemplate

MAX_COSTLY_IN_TURN = 5
MAX_COSTLY_ROWS = 50
"""Rows on which a template may pass its limits of work and time, before it is taken for
a fault of the template: each takes a second, and a table may have a million."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a row's cells make of the prompt.

    Attributes:
        prompt: None where there is none.
        problem: Why the row cannot run; some spare rows that were started.
        warning: What is odd, though the row can run.
        lacks: Columns that the template uses and that have no value.
        literal: A placeholder that the prompt holds and that nothing will fill.
    """

    prompt: str | None
    problem: Problem | None = None
    warning: str | None = None
    lacks: Sequence[str] = ()
    literal: str | None = None


class PromptReader:
    """Reads prompts of one manifest; never raises for what a row holds."""

    def __init__(
        self, layout: Layout, template: PromptTemplate | None, job: Job
    ) -> None:
        self._names = spelling.ColumnNames(layout.names)
        self._template = template
        self._column = "prompt" if template else layout.read["prompt"]
        self._skips = job.empty == "skip"
        self.columns: tuple[str, ...] = (
            template.columns if template else (self._column,)
        )
        self._costly_in_turn = 0
        self._costly_rows = 0
        # What the template itself says, the manifest tells of once for all rows.
        self._looks_for_braces = not (template and template.notices)

    def read(self, cells: Mapping[str, object]) -> Prompt:
        """Return the prompt of one row.

        Args:
            cells: At least those of `columns`; None stands for an empty cell.

        Raises:
            SpecError: the template passes its limits with row after row.
        """
        lacks = self._template.gaps.lacks(cells) if self._template else ()
        problem, warning = self._judge_gaps(lacks, cells)
        try:
            prompt = self._text(cells)
            self._costly_in_turn = 0
        except TooMuchWork as error:
            self._count_costly(error)
            problem = self._problem(str(error), spares_started=True)
            return Prompt(prompt=None, problem=problem, lacks=lacks)
        except ValueError as error:
            self._costly_in_turn = 0
            return Prompt(prompt=None, problem=self._problem(str(error)), lacks=lacks)
        if not prompt.strip():
            problem = problem or self._problem("the prompt is empty")
            return Prompt(prompt=None, problem=problem, lacks=lacks)
        if problem is None and is_missing(prompt):
            words = (
                f"the prompt {words_of(prompt)}: write what the image should show, or "
                "leave the row out"
            )
            problem = self._problem(words, spares_started=True)
        oddity = self._template.oddity if self._template else None
        if problem is None and oddity is not None:
            problem = self._problem(oddity, spares_started=True)
        literal = self._literal(prompt)
        if literal is not None:
            warning = "; ".join(filter(None, (warning, _words_of_literal(literal))))
        return Prompt(
            prompt=prompt,
            problem=problem,
            warning=warning,
            lacks=lacks,
            literal=literal,
        )

    def _text(self, cells: Mapping[str, object]) -> str:
        if self._template is None:
            return text_of(cells[self._column])
        return self._template.render(cells)

    def _count_costly(self, error: TooMuchWork) -> None:
        """Count a row that took a second; end the reading where too many do."""
        self._costly_in_turn += 1
        self._costly_rows += 1
        in_turn = self._costly_in_turn >= MAX_COSTLY_IN_TURN
        if in_turn or self._costly_rows >= MAX_COSTLY_ROWS:
            count = self._costly_in_turn if in_turn else self._costly_rows
            raise SpecError(
                f"prompt template: {count} rows{' in turn' if in_turn else ''} cannot "
                f"be filled, so the others were not tried: with the last one, "
                f"{error.reason}"
            ) from error

    def _judge_gaps(
        self, lacks: Sequence[str], cells: Mapping[str, object]
    ) -> tuple[Problem | None, str | None]:
        """Return what is wrong or odd with a row that lacks these columns."""
        if self._template is None or not lacks:
            return None, None
        if self._template.gaps.is_whole(lacks):
            words = gaps.whole_words(lacks, cells)
        elif self._skips:
            words = gaps.skipped_words(cells[lacks[0]])
        else:
            return None, gaps.some_words(lacks, cells)
        problem = Problem(column=lacks[0], message=words, spares_started=True)
        return problem, None

    def _problem(self, message: str, *, spares_started: bool = False) -> Problem:
        return Problem(
            column=self._column, message=message, spares_started=spares_started
        )

    def _literal(self, prompt: str) -> str | None:
        if not self._looks_for_braces:
            return None
        return spelling.unfilled(prompt, self._names)


def _words_of_literal(literal: str) -> str:
    return (
        f"the prompt holds {literal[:80]}, which is sent as it stands: cells are never "
        "templates (a template is given with --prompt)"
    )
