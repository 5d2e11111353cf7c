"""How a column is written in a template, for those who wrote something similar."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from batchgen.manifest.wording import plain_name

_EXPRESSION = re.compile(r"\{\{[-+]?(.*?)[-+]?\}\}", re.DOTALL)
_ATTEMPT = re.compile(r"\{[{%]*([^{}%]+)[%}]*")
"""What may have been meant as an expression, whatever its braces."""
_NAME = re.compile(r"[^\W\d]\w*")
# Words that Jinja2 reads as something else than a name.
_RESERVED = frozenset(
    (
        *("and", "else", "if", "in", "is", "not", "or", "loop", "self"),
        *("true", "false", "none", "True", "False", "None"),
    )
)
# None of the signs that end it, and no blanks apart: each sign is then tried once, and
# a cell of blanks cannot take minutes.
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
    """The columns of a table, to be found by a name that is spelled otherwise."""

    def __init__(self, columns: Iterable[str]) -> None:
        # The first of equal ones stands, so they are gone through from the end.
        names = [*columns]
        self._by_plain = {plain_name(name): name for name in reversed(names)}
        self._columns = frozenset(names)

    def find(self, word: str) -> str | None:
        """Return the column whose name a text is, its case and blanks aside."""
        word = word.strip()
        return word if word in self._columns else self._by_plain.get(plain_name(word))


def spelled(column: str) -> str:
    """Return how a template asks for a column."""
    if _is_name(column):
        return f"{{{{ {column} }}}}"
    quote = "'" if '"' in column else '"'
    return f"{{{{ row[{quote}{column}{quote}] }}}}"


def hint_for(text: str, columns: ColumnNames, line: int | None = None) -> str:
    """Return ` (write ... in place of ...)` for a column that is not written right.

    Args:
        text: The template, which does not parse or asks for unknown columns.
        columns: Of the table.
        line: Where it does not parse, from 1; None where it does.
    """
    pattern = _EXPRESSION if line is None else _ATTEMPT
    misspelled = [
        (text.count("\n", 0, match.start()) + 1, match[0].strip(), column)
        for match in pattern.finditer(text)
        if (column := _intended_column(_word_in(match), columns)) is not None
        and not _is_right(match, column)
    ]
    here = [each for each in misspelled if line in (None, each[0])] or misspelled
    if not here:
        return ""
    _, written, column = here[0]
    return f" (write {spelled(column)} in place of {written})"


def _is_right(match: re.Match[str], column: str) -> bool:
    if match[0].strip() == spelled(column):
        return True
    has_right_braces = re.fullmatch(r"\{\{[^{}]*\}\}", match[0].strip()) is not None
    return has_right_braces and _word_in(match) == column and _is_name(column)


def _intended_column(word: str, columns: ColumnNames) -> str | None:
    """Return the column that a mistyped expression most likely meant."""
    bare = re.sub(r"^row\s*[.\[]", "", word).strip(" []\"'$@#=&:")
    # As Liquid has it in Shopify's own templates: product.title
    last = bare.rpartition(".")[2]
    return columns.find(word) or columns.find(bare) or columns.find(last)


def notices_of(
    text: str,
    literals: Iterable[str],
    columns: ColumnNames,
    named: Collection[str],
) -> Iterator[str]:
    """Yield what looks like a column in a template and is none.

    Args:
        text: The template.
        literals: Its parts that are no template.
        columns: Of the table.
        named: Those that the template takes from the row.
    """
    for match in _EXPRESSION.finditer(text):
        column = columns.find(_word_in(match))
        if column is not None and column not in named:
            yield _notice(match[0], column)
    pairs = (pair for literal in literals for pair in lookalikes(literal, columns))
    for written, column in dict.fromkeys(pairs):
        yield _notice(written, column)


def lookalikes(text: str, columns: ColumnNames) -> Iterator[tuple[str, str]]:
    """Yield what is written like a column of another template language, and which."""
    if not _SIGNS.search(text):
        return
    for pattern in _LOOKALIKES:
        for match in pattern.finditer(text):
            column = columns.find(match[1])
            if column is not None and not column.isdigit():  # $5 is a price
                yield match[0], column


def unfilled(prompt: str, columns: ColumnNames) -> str | None:
    """Return the first thing in a finished prompt that a template should have filled.

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
    """Return what stands between the braces, without filters and quotes."""
    return expression[1].partition("|")[0].strip().strip("\"'").strip()


def _is_name(column: str) -> bool:
    return _NAME.fullmatch(column) is not None and column not in _RESERVED


def _notice(written: str, column: str) -> str:
    return (
        f"the prompt template says {written}, which is not the value of the column "
        f"`{column}`: for that write {spelled(column)}"
    )
