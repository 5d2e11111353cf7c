"""Why rows did not succeed: by cause, and whether a retry can help."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import NamedTuple

from batchgen.errors import (
    AttemptError,
    LinkLost,
    OutcomeUnknown,
    ReferenceRejected,
    Refused,
    RequestInvalid,
    TaskLost,
    TaskOverdue,
)
from batchgen.ledger import Reader
from batchgen.ledger.plan_findings import rows_without_success
from batchgen.ledger.waiting import has_parents, rows_without_parents
from batchgen.model import ImageRequest, Status, type_of_option
from batchgen.providers._reasons import blames_reference, split_identifiers
from batchgen.runner.message_parts import (
    INVALID,
    MessageParts,
    kind_of,
    split_message,
)

MAX_EXAMPLES = 10
"""How many rows of a cause are named."""

MAX_CAUSES = 1000
"""How many causes are told apart; all others count as one [assumed]."""


NO_HELP = "Trying again will not help"
MAY_HELP = "Trying again may help"
_ASKED_AGAIN = "The next run asks for it again; `batchgen retry` may buy another"

_ADVICE: Mapping[str | None, str] = {
    INVALID: "Mend {where}",
    kind_of(Refused): f"{NO_HELP}: the same prompt is refused again; change it",
    kind_of(RequestInvalid): f"{NO_HELP}: mend {{where}}",
    kind_of(ReferenceRejected): f"{MAY_HELP} once `references` can be read",
    kind_of(TaskOverdue): _ASKED_AGAIN,
    kind_of(TaskLost): _ASKED_AGAIN,
    kind_of(LinkLost): f"{MAY_HELP}: the link first, then a new purchase",
    kind_of(OutcomeUnknown): f"{MAY_HELP}; it may be charged a second time",
    None: "`message` in the table has the reasons",
}
"""What the user can do, by kind of error; None stands for many kinds."""

_NUMBERS = re.compile(r"https?://\S+|[0-9a-f]*[0-9][0-9a-f-]*")
_VALUES = re.compile(rf"'[^']*'|[^\s'\"]+\.[A-Za-z]\w{{1,4}}\b|{_NUMBERS.pattern}")
"""Parts of a message that may differ between rows that are invalid for one reason."""

_ABOUT_REFERENCES = re.compile(r"\b(?:urls?|references?|(?:input|source) images?)\b")
_COLUMNS = ("aspect_ratio", "resolution", "negative_prompt", "model", *type_of_option)


class Example(NamedTuple):
    """A row, by its position from 0, and by its line where the manifest has lines."""

    row: int
    line: int | None


@dataclass(slots=True)
class Cause:
    """What kept rows from succeeding.

    Attributes:
        error: Kind of the error; None if it is unknown, or stands for many kinds.
        message: The message of the first row; None if it has none.
        column: The column to correct; None if it is unknown.
        rows: How many rows.
        row_id: The first row's version in the ledger; None if there is none.
        examples: The first rows.
    """

    status: Status
    provider: str | None
    error: str | None
    message: str | None
    column: str | None = None
    rows: int = 0
    row_id: int | None = None
    examples: list[Example] = field(default_factory=list)

    @property
    def message_parts(self) -> MessageParts:
        """The message, split into batchgen's text and the provider's."""
        return split_message(self.error, self.message)

    @property
    def retry_helps(self) -> bool:
        """Whether `batchgen retry` can help while the rows stay as they are."""
        return self.status not in (Status.INVALID, Status.PENDING) and (
            self.error not in kinds_without_help()
        )

    @property
    def advice(self) -> str:
        """What the user can do, as one sentence without its full stop."""
        if self.status is Status.PENDING:
            return "It is bought when that row has its image"
        where = f"`{self.column}`" if self.column else "the row"
        return _ADVICE.get(self.error, MAY_HELP).format(where=where)


@cache
def kinds_without_help() -> frozenset[str]:
    """Return the kinds of error for which `batchgen retry` is of no use."""

    def subclasses(root: type[AttemptError]) -> Iterator[type[AttemptError]]:
        for error in root.__subclasses__():
            yield error
            yield from subclasses(error)

    return frozenset(
        kind_of(error) for error in subclasses(AttemptError) if not error.retry_helps
    )


UNSUCCESSFUL = (Status.FAILED, Status.REFUSED, Status.HELD, Status.INVALID)


def causes_among(
    ledger: Reader, rows: Mapping[Status, int], end: int
) -> Sequence[Cause]:
    """Return the same as `causes_of`, without a query if no row needs a cause.

    Args:
        ledger: The ledger.
        rows: The number of rows before the position, by status.
        end: The position.
    """
    if not any(rows.get(status) for status in UNSUCCESSFUL) and not (
        rows.get(Status.PENDING) and has_parents(ledger)
    ):
        return []
    return causes_of(ledger, end)


def causes_of(
    ledger: Reader, end: int, among: Container[int] | None = None
) -> Sequence[Cause]:
    """Return why rows before a position are invalid, failed, refused, held, or wait.

    Messages that differ only in numbers and links are one cause. Messages of invalid
    rows may also differ in the value of the cell. The most frequent cause comes first.

    Args:
        ledger: The ledger.
        end: The position.
        among: Only these versions of rows; None for all.
    """
    causes: dict[object, Cause] = {}
    rows = chain(rows_without_success(ledger, end), rows_without_parents(ledger, end))
    for position, line, row_id, status, *reasons in rows:
        if among is not None and row_id not in among:
            continue
        provider, error, message, column = reasons
        is_invalid = status is Status.INVALID
        shape = (_VALUES if is_invalid else _NUMBERS).sub("#", message or "")
        key: object = (status, provider, error, column if is_invalid else None, shape)
        if key not in causes and len(causes) >= MAX_CAUSES:
            key, provider, error, message = status, None, None, None
        cause = causes.setdefault(key, Cause(status, provider, error, message))
        if not cause.rows:
            cause.row_id, cause.column = row_id, column if is_invalid else None
        cause.rows += 1
        if len(cause.examples) < MAX_EXAMPLES:
            cause.examples.append(Example(position, line))
    for cause in causes.values():
        if cause.error == kind_of(RequestInvalid) and cause.row_id is not None:
            request = ledger.row(cause.row_id).request
            cause.column = _column_to_mend(cause.message or "", request)
    return sorted(causes.values(), key=lambda cause: -cause.rows)


def _column_to_mend(message: str, request: ImageRequest) -> str | None:
    """Return the column that a provider's message is about; None if it names none."""
    text = split_identifiers(message).lower()
    is_about_references = blames_reference(message) or _ABOUT_REFERENCES.search(text)
    if request.references and is_about_references:
        return "references"
    for column in (*_COLUMNS, "prompt"):
        if re.search(rf"\b{column.replace('_', ' ')}\b", text):
            return column
    return None
