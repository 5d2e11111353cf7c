"""A condition in SQL over the columns of a table: `brand = 'Brio' and stock > 0`.

Cells of a CSV are text. A column that is compared with a number counts as numbers, if
all its cells are numbers; the same column may be compared as text elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl
from polars.exceptions import PanicException, PolarsError

from batchgen.errors import SpecError
from batchgen.manifest.table_source import Batch
from batchgen.manifest.wording import did_you_mean, listed

_TOKEN = re.compile(
    r"(?P<text>'(?:[^']|'')*')|(?P<quoted>\"(?:[^\"]|\"\")*\")"
    r"|(?P<number>(?<![\w.])[0-9]+(?:\.[0-9]+)?(?![\w.]))|(?P<word>[^\W\d][\w]*)"
    r"|(?P<sign><=|>=|<>|!=|\|\||[-+*/%=<>(),])|(?P<blank>\s+)|(?P<other>.)",
    re.DOTALL,
)
_KEYWORDS = frozenset(
    (
        *("AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "ILIKE", "RLIKE", "BETWEEN"),
        *("TRUE", "FALSE", "CASE", "WHEN", "THEN", "ELSE", "END", "AS", "ESCAPE"),
        *("VARCHAR", "TEXT", "INTEGER", "INT", "BIGINT", "FLOAT", "DOUBLE", "BOOLEAN"),
    )
)
_FUNCTIONS = frozenset(
    (
        *("LOWER", "UPPER", "LENGTH", "CHAR_LENGTH", "TRIM", "LTRIM", "RTRIM", "ABS"),
        *("ROUND", "FLOOR", "CEIL", "COALESCE", "NULLIF", "IFNULL", "SUBSTR", "LEFT"),
        *("RIGHT", "STARTS_WITH", "ENDS_WITH", "STRPOS", "REPLACE", "CONCAT", "CAST"),
        *("REGEXP_LIKE", "DATE"),
    )
)
"""Functions of one row. Others, such as AVG, would look at a part of the table only."""
_WITH_NUMBERS = frozenset(
    ("<", ">", "<=", ">=", "=", "<>", "!=", "+", "-", "*", "/", "%")
)
_NUMBER = r"^[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)$"
_WITH_COMMA = r"^[+-]?[0-9]+(?:,[0-9]+)?$"
_THOUSANDS = r"^[+-]?[0-9]{1,3},[0-9]{3}$"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    content: str


class Condition:
    """A condition that was checked against the columns of a table."""

    def __init__(self, text: str, columns: Sequence[str], where: str) -> None:
        """Read the condition.

        Args:
            text: In SQL.
            columns: Of the table.
            where: The table, for messages.

        Raises:
            SpecError: it names no column of the table, or is no condition.
        """
        self._text = text
        self._where = where
        self._columns = columns
        self._tokens = [*_tokens(text)]
        self._check_names()
        self._numeric = self._compared_with_numbers()
        self._has_comma: dict[str, bool] = {}
        self._expression = self._parsed()

    def prepare(self, batches: Iterable[Batch]) -> None:
        """Read the columns that are compared with numbers, and check their cells.

        Raises:
            SpecError: a cell is no number.
        """
        if not self._numeric:
            return
        names = sorted(self._numeric)
        plain, comma, doubtful = set(names), set(names), set(names)
        position = 0
        for batch in batches:
            for name in names:
                column = batch.frame.get_column(name)
                if column.dtype != pl.String:
                    continue
                cells = column.str.strip_chars().replace("", None).drop_nulls()
                plain -= {name} if not cells.str.contains(_NUMBER).all() else set()
                comma -= {name} if not cells.str.contains(_WITH_COMMA).all() else set()
                with_comma = cells.filter(cells.str.contains(",", literal=True))
                all_thousands = with_comma.str.contains(_THOUSANDS).all()
                doubtful -= {name} if with_comma.len() and not all_thousands else set()
                if name not in plain | comma:
                    raise self._no_numbers(name, batch, position)
            position += batch.frame.height
        for name in names:
            if name not in plain and name in doubtful:
                raise self._error(
                    f"column `{name}` has numbers such as 1,000, which may be a "
                    "thousand or one: compare it with a text in quotes"
                )
        self._has_comma = {name: name not in plain for name in names}

    def judge(self, frame: pl.DataFrame, position: int) -> pl.Series:
        """Return for each row whether it fulfils the condition; empty cells do not.

        Raises:
            SpecError: the condition cannot be applied to these cells.
        """
        numbers = [self._number(frame, name) for name in sorted(self._numeric)]
        try:
            result = frame.with_columns(numbers).select(
                self._expression.alias("judged")
            )
        except (PolarsError, PanicException) as error:
            reason = str(error).strip().split("\n")[0]
            raise self._error(f"rows from {position} on: {reason}") from error
        column = result.to_series()
        if column.dtype != pl.Boolean:
            raise self._error("it is no condition: write one such as stock > 0")
        if column.len() != frame.height:
            column = pl.concat([column] * frame.height)
        return column.fill_null(value=False)

    # -- how it is read

    def _check_names(self) -> None:
        for index, token in enumerate(self._tokens):
            after = self._content(index + 1)
            if token.kind == "other":
                raise self._error(f"{token.content!r} is not known here")
            if token.kind == "word" and after == "(":
                if token.content.upper() not in _FUNCTIONS | _KEYWORDS:
                    raise self._error(
                        f"{token.content} is no function that is known: there are "
                        f"{', '.join(sorted(_FUNCTIONS))}"
                    )
            elif (name := self._column(token)) and name not in self._columns:
                raise self._error(
                    f"{self._where} has no column `{name}`"
                    f"{did_you_mean(name, self._columns)} (it has "
                    f"{listed(self._columns)}); a text stands in '...'"
                )

    def _column(self, token: _Token) -> str | None:
        """Return the name of a column, as a token means it; None if it means none."""
        if token.kind == "quoted":
            return token.content[1:-1].replace('""', '"')
        is_name = token.kind == "word" and (
            token.content in self._columns or token.content.upper() not in _KEYWORDS
        )
        return token.content if is_name else None

    def _content(self, index: int) -> str:
        return self._tokens[index].content if 0 <= index < len(self._tokens) else ""

    def _compared_with_numbers(self) -> Collection[str]:
        """Return the columns beside which a number stands."""
        return {
            name
            for index, token in enumerate(self._tokens)
            if (name := self._column(token)) in self._columns
            and name is not None
            and self._is_beside_number(index)
        }

    def _is_beside_number(self, index: int) -> bool:
        sign, other = self._content(index + 1).upper(), index + 2
        if sign == "NOT":
            sign, other = self._content(index + 2).upper(), index + 3
        if sign == "IN":
            return self._is_number(other + 1)
        if sign == "BETWEEN" or sign in _WITH_NUMBERS:
            return self._is_number(other)
        return self._content(index - 1) in _WITH_NUMBERS and self._is_number(index - 2)

    def _is_number(self, index: int) -> bool:
        if self._content(index) == "-":
            index += 1
        return 0 <= index < len(self._tokens) and self._tokens[index].kind == "number"

    def _parsed(self) -> pl.Expr:
        parts = []
        for index, token in enumerate(self._tokens):
            name = self._column(token)
            is_function = token.kind == "word" and self._content(index + 1) == "("
            if name is None or is_function:
                parts.append(token.content)
                continue
            is_number = name in self._numeric and self._is_beside_number(index)
            alias = _alias(name) if is_number else name
            parts.append('"' + alias.replace('"', '""') + '"')
        try:
            return pl.sql_expr(" ".join(parts))
        except (PolarsError, PanicException) as error:
            reason = str(error).strip().split("\n")[0]
            raise self._error(
                f"{reason}; write one such as brand = 'Brio' and stock > 0.5"
            ) from error

    def _number(self, frame: pl.DataFrame, name: str) -> pl.Expr:
        column = pl.col(name)
        if frame.schema[name] == pl.String:
            column = column.str.strip_chars()
            if self._has_comma.get(name):
                column = column.str.replace(",", ".", literal=True)
            column = column.cast(pl.Float64, strict=False)
        return column.alias(_alias(name))

    def _no_numbers(self, name: str, batch: Batch, position: int) -> SpecError:
        cells = batch.frame.get_column(name).str.strip_chars()
        wrong = (~cells.str.contains(_NUMBER) & (cells != "")).arg_true()
        index = wrong[0] if wrong.len() else 0
        line = "" if batch.lines is None else f", line {batch.lines[index]}"
        return self._error(
            f"column `{name}` is compared with a number, and holds "
            f"{str(cells[index])[:40]!r} in row {position + index}{line}: compare it "
            "with a text in quotes"
        )

    def _error(self, reason: str) -> SpecError:
        return SpecError(f"--where {self._text!r}: {reason}")


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        if match.lastgroup is not None and match.lastgroup != "blank":
            yield _Token(match.lastgroup, match[0])


def _alias(name: str) -> str:
    """Return the name of a column's numbers, which no table has."""
    return f"number of {name}\u0001"
