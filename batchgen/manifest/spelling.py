"""How a template refers to a column, for users who wrote something similar."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from batchgen.manifest.wording import plain_name

_EXPRESSION = re.compile(r"\{\{[-+]?(.*?)[-+]?\}\}", re.DOTALL)
_ATTEMPT = re.compile(r"\{[{%]*([^{}%]+)[%}]*")
"""A likely expression with wrong braces."""
_NAME = re.compile(r"[^\W\d]\w*")
# Words that are no names in Jinja2.
_RESERVED = frozenset(
    (
        *("and", "else", "if", "in", "is", "not", "or", "loop", "self"),
        *("true", "false", "none", "True", "False", "None"),
    )
)
# Excludes the signs that end the pattern: the search takes linear time, also in a cell
# that is full of blanks.
_INNER = r"([^{}<>\[\]%$\r\n|]{1,100})"
_LOOKALIKES = (
    re.compile(rf"(?<!\{{)\$?\{{{_INNER}\}}(?!\}})"),  # {Title}, ${Title}
    re.compile(r"\$(\w{1,80})"),  # $Title
    re.compile(r"%\(([^()]{1,80})\)[sdf]?"),  # %(Title)s
    re.compile(rf"%{_INNER}%"),  # %Title%
    re.compile(rf"<(?:%=?)?{_INNER}%?>"),  # <Title>, <%= Title %>
    re.compile(rf"\[\[?{_INNER}\]\]?"),  # [Title]
)
_DOUBLE = re.compile(r"\{\{[^{}]{1,200}\}\}|\{%[^{}]{1,200}%\}")
_SIGNS = re.compile(r"[{$%<\[]")


class ColumnNames:
    """Finds the columns of a table by names in another spelling."""

    def __init__(self, columns: Iterable[str]) -> None:
        # Of equal names the first one wins, since it is inserted last.
        names = [*columns]
        self._by_plain = {plain_name(name): name for name in reversed(names)}
        self._columns = frozenset(names)

    def find(self, word: str) -> str | None:
        """Return the column with this name, ignoring case, blanks and hyphens."""
        word = word.strip()
        return word if word in self._columns else self._by_plain.get(plain_name(word))


def spelled(column: str) -> str:
    """Return how a template must refer to a column."""
    if _is_name(column):
        return f"{{{{ {column} }}}}"
    quote = "'" if '"' in column else '"'
    return f"{{{{ row[{quote}{column}{quote}] }}}}"


def hint_for(text: str, columns: ColumnNames, line: int | None = None) -> str:
    """Return ` (write ... in place of ...)` for a column that is written wrongly.

    Args:
        text: The template, which has a syntax error or uses unknown columns.
        columns: Of the table.
        line: Of the syntax error, from 1; None if there is none.
    """
    pattern = _EXPRESSION if line is None else _ATTEMPT
    misspelled = [
        (text.count("\n", 0, match.start()) + 1, match[0].strip(), column)
        for match in pattern.finditer(text)
        if (column := _intended_column(_word_in(match), columns)) is not None
        and not _is_correct(match, column)
    ]
    in_line = [each for each in misspelled if line in (None, each[0])]
    if not misspelled:
        return ""
    _, written, column = (in_line or misspelled)[0]
    return f" (write {spelled(column)} in place of {written})"


def _is_correct(match: re.Match[str], column: str) -> bool:
    if match[0].strip() == spelled(column):
        return True
    has_correct_braces = re.fullmatch(r"\{\{[^{}]*\}\}", match[0].strip()) is not None
    return has_correct_braces and _word_in(match) == column and _is_name(column)


def _intended_column(word: str, columns: ColumnNames) -> str | None:
    """Return the column that a mistyped expression most likely means."""
    bare = re.sub(r"^row\s*[.\[]", "", word).strip(" []\"'$@#=&:")
    # Shopify's templates (Liquid) write product.title
    last = bare.rpartition(".")[2]
    return columns.find(word) or columns.find(bare) or columns.find(last)


def notices_of(
    text: str,
    literals: Iterable[str],
    columns: ColumnNames,
    named: Collection[str],
) -> Iterator[str]:
    """Yield a notice for each part of a template that only looks like a column.

    Args:
        text: The template.
        literals: Its parts of plain text.
        columns: Of the table.
        named: Columns that the template uses.
    """
    for match in _EXPRESSION.finditer(text):
        column = columns.find(_word_in(match))
        if column is not None and column not in named:
            yield _notice(match[0], column)
    pairs = (pair for literal in literals for pair in lookalikes(literal, columns))
    for written, column in dict.fromkeys(pairs):
        yield _notice(written, column)


def lookalikes(text: str, columns: ColumnNames) -> Iterator[tuple[str, str]]:
    """Yield placeholders in other template languages, each with its column."""
    if not _SIGNS.search(text):
        return
    for pattern in _LOOKALIKES:
        for match in pattern.finditer(text):
            column = columns.find(match[1])
            if column is not None and not column.isdigit():  # $5 is a price
                yield match[0], column


def unfilled(prompt: str, columns: ColumnNames) -> str | None:
    """Return the first placeholder in a finished prompt, if there is one.

    Args:
        prompt: As it is sent.
        columns: Of the table.
    """
    if not _SIGNS.search(prompt):
        return None
    if match := _DOUBLE.search(prompt):
        return match[0]
    return next((written for written, _ in lookalikes(prompt, columns)), None)


def _word_in(expression: re.Match[str]) -> str:
    """Return the text between the braces, without filters and quotes."""
    return expression[1].partition("|")[0].strip().strip("\"'").strip()


def _is_name(column: str) -> bool:
    return _NAME.fullmatch(column) is not None and column not in _RESERVED


def _notice(written: str, column: str) -> str:
    return (
        f"says {written}, which is not the value of the column "
        f"`{column}`: for that write {spelled(column)}"
    )
