"""The template of file names, filled with a row's columns and its image settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from batchgen.errors import SpecError
from batchgen.manifest.template import PromptTemplate
from batchgen.manifest.template_work import TooMuchWork

TITLE = "file name template"
IMAGE_SETTINGS = ("id", "aspect_ratio", "resolution", "n", "model")
"""What a file name may hold beside the columns: for a row whose own cell is empty, or
without such a column, the value of the job."""

_MAX_COSTLY_ROWS = 50
"""Rows in which the template may exceed its limits; each takes a second."""


class FileNameTemplate:
    """A compiled template of file names, checked against the columns of the table."""

    def __init__(self, text: str, columns: Sequence[str], where: str) -> None:
        """Compile the template.

        Args:
            text: Jinja2.
            columns: Of the manifest.
            where: The manifest's path, for messages.

        Raises:
            SpecError: the template has a syntax error, or uses an unknown column.
        """
        names = [*dict.fromkeys((*columns, *IMAGE_SETTINGS))]
        self._template = PromptTemplate(text, names, where, title=TITLE)
        own = frozenset(columns)
        self.columns = tuple(name for name in self._template.columns if name in own)
        """Columns of the manifest that the template uses."""
        self.notices = self._template.notices
        self._costly_rows = 0

    def render(
        self, cells: Mapping[str, object], settings: Mapping[str, object]
    ) -> str | None:
        """Return the file name of one row; None if it would be blank.

        Args:
            cells: At least those of `columns`; None is an empty cell.
            settings: Of `IMAGE_SETTINGS`, those with a value; they hide the cells.

        Raises:
            SpecError: the template exceeds its limits in row after row.
            ValueError: the template cannot be filled with this row.
        """
        values = {**dict.fromkeys(self._template.columns), **cells, **settings}
        try:
            name = self._template.render(values).strip()
        except TooMuchWork as error:
            self._costly_rows += 1
            if self._costly_rows >= _MAX_COSTLY_ROWS:
                raise SpecError(
                    f"{TITLE}: {_MAX_COSTLY_ROWS} rows cannot be filled, so the others "
                    f"were not tried: with the last one, {error.reason}"
                ) from error
            raise
        if self._template.output_problem is not None:
            raise ValueError(self._template.output_problem)
        return name or None
