"""The prompt template: Jinja2 in a sandbox, filled with the columns of a row."""

from __future__ import annotations

import re
from collections.abc import (
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from datetime import date, time, timedelta
from decimal import Decimal
from types import MappingProxyType

from jinja2 import TemplateSyntaxError, Undefined, meta, nodes
from jinja2.exceptions import TemplateError, TemplateRuntimeError

from batchgen.errors import SpecError
from batchgen.manifest import spelling
from batchgen.manifest.gaps import GapFinder
from batchgen.manifest.template_columns import columns_of
from batchgen.manifest.template_sandbox import Cells, TemplateSandbox, check_length
from batchgen.manifest.template_work import TooMuchWork
from batchgen.manifest.wording import did_you_mean, listed

# What the expressions of a template can raise.
_FAILURES = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


# What Jinja and Python raise for a template without a syntax error that is nested too
# deeply, or contains a number of thousands of digits.
_TOO_LARGE = (RecursionError, MemoryError, OverflowError, SyntaxError, ValueError)

_PRINTABLE = (str, int, float, Decimal, date, time, timedelta)
_LIST = "a whole list: write, for example, {{ tags | join(', ') }}"
_NOT_PRINTABLE: Mapping[type, str] = MappingProxyType(
    {
        bytes: "bytes, which no prompt can hold",
        dict: "a whole structure: name one of its fields, as in {{ size.width }}",
        Iterable: _LIST,
        type(None): "`None`: write {{ ... or '' }} where there may be no value",
        object: "something that is neither text nor a number: name a column",
    }
)
"""What is wrong with a value in the output, by the first type that matches."""


def needed_names(text: str) -> frozenset[str]:
    """Return the columns that a template needs.

    None for a template with a syntax error, which `PromptTemplate` reports.
    """
    environment = TemplateSandbox()
    try:
        row_names = _row_names(environment.parse(text), ())
    except (TemplateSyntaxError, *_TOO_LARGE):
        return frozenset()
    return frozenset(row_names - {"row", *environment.globals})


class PromptTemplate:
    """A compiled template that was checked against the columns of the table."""

    def __init__(
        self,
        text: str,
        columns: Sequence[str],
        where: str,
        *,
        title: str = "prompt template",
    ) -> None:
        """Compile a template.

        Args:
            text: Jinja2.
            columns: Of the manifest.
            where: The manifest's path, for messages.
            title: What the template makes, for messages.

        Raises:
            SpecError: the template has a syntax error, or uses an unknown column.
        """
        self.output_problem: str | None = None
        """The problem of the last prompt: it contains neither text nor a number."""
        self._sandbox = environment = TemplateSandbox(self._check_output)
        names = spelling.ColumnNames(columns)
        try:
            tree = environment.parse(text)
            uses = columns_of(tree, columns)
            row_names = _row_names(tree, columns)
            literals = [part.data for part in tree.find_all(nodes.TemplateData)]
            self._template = environment.from_string(environment.limited(tree))
            # Jinja prints constants here, once, and not again for each row.
            self._constant_problem = self.output_problem
        except TemplateSyntaxError as error:
            hint = spelling.hint_for(text, names, error.lineno)
            words = _explain(error.message or "", environment.filters)
            raise SpecError(f"{title}, line {error.lineno}: {words}{hint}") from error
        except _TOO_LARGE as error:
            raise SpecError(
                f"{title}: it cannot be read, since something in it is nested too "
                "deeply, or a number in it is too long: write it more simply"
            ) from error
        for name in sorted(row_names - set(columns) - {"row", *environment.globals}):
            hint = did_you_mean(name, columns) + spelling.hint_for(text, names)
            raise SpecError(
                f"{title}: {where} has no column `{name}`{hint} (the columns "
                f"are {listed(columns)})"
            )
        self.gaps = GapFinder(uses)
        self.notices = tuple(
            f"the {title} {notice}"
            for notice in spelling.notices_of(text, literals, names, uses.named)
        )
        self._reads_row = "row" in row_names and "row" not in columns
        self.columns: tuple[str, ...] = tuple(
            name
            for name in columns
            # A column with the name of a Jinja function is not in `row_names`.
            if self._reads_row or name in row_names or name in uses.named
        )

    def render(self, cells: Mapping[str, object]) -> str:
        """Return the prompt of one row.

        Args:
            cells: At least those of `columns`; None is an empty cell.

        Raises:
            TooMuchWork: the template exceeds a limit of work or time.
            ValueError: the template cannot be filled with this row.
        """
        # `""` for an empty cell: `{{ colour }}` must not print the word None.
        values = {
            name: "" if cells[name] is None else cells[name] for name in self.columns
        }
        self.output_problem = self._constant_problem
        self._sandbox.meter.reset()
        try:
            pieces = self._template.generate({"row": Cells(values)} | values)
            prompt = "".join(_limited(pieces))
            prompt.encode()
        except TooMuchWork:
            raise
        except _FAILURES as error:
            reason = str(error) or type(error).__name__
            if "integer string conversion" in reason:
                reason = "a number too large"
            raise ValueError(f"the template cannot be filled: {reason}") from error
        return prompt

    def _check_output(self, value: object) -> object:
        """Record a problem if the output is neither text nor a number."""
        if isinstance(value, Undefined):
            return value
        if callable(value):
            raise TemplateRuntimeError(
                "a function is put out in place of what it returns: write () behind it"
            )
        if not isinstance(value, _PRINTABLE):
            kinds = (kind for kind in _NOT_PRINTABLE if isinstance(value, kind))
            self._sandbox.weighed(value)  # Jinja converts it to text nevertheless
            self.output_problem = f"the template puts out {_NOT_PRINTABLE[next(kinds)]}"
        return value


def _explain(message: str, filters: Collection[str]) -> str:
    """Return a message of Jinja2 in plain words that say what to do.

    Args:
        message: Of Jinja2.
        filters: Names of all filters.
    """
    if no_filter := re.fullmatch(r"No filter named '(.*)'\.", message):
        hint = did_you_mean(no_filter[1], filters) or ": see the filters of Jinja2"
        return f"there is no filter `{no_filter[1]}`{hint}"
    if not_closed := re.search(r"needs to be closed is '(\w+)'", message):
        block = not_closed[1]
        return (
            f"{{% {block} ... %}} is never closed: write {{% end{block} %}} where it "
            "ends"
        )
    return message


def _limited(pieces: Iterator[str]) -> Iterator[str]:
    length = 0
    for piece in pieces:
        length += len(piece)
        check_length(length)
        yield piece


def _row_names(tree: nodes.Template, columns: Sequence[str]) -> set[str]:
    """Return names that the template takes from the row; `row` means all of them."""
    optional = _optional(tree)
    row_names = meta.find_undeclared_variables(tree) - optional
    if "row" in row_names and "row" not in columns:
        row_names |= set(_subscripts(tree))
    # A column with a default is used if it exists.
    return row_names | (optional & set(columns))


def _subscripts(tree: nodes.Template) -> Iterator[str]:
    """Yield columns in expressions such as `row.Title`, without methods of a dict."""
    for item in tree.find_all((nodes.Getitem, nodes.Getattr, nodes.Call)):
        match item:
            case nodes.Getitem(
                node=nodes.Name(name="row"), arg=nodes.Const(value=name)
            ):
                yield str(name)
            case nodes.Getattr(node=nodes.Name(name="row"), attr=name) if not hasattr(
                dict, name
            ):
                yield name
            case nodes.Call(
                node=nodes.Getattr(node=nodes.Name(name="row"), attr="get"),
                args=[nodes.Const(value=name)],
            ):
                yield str(name)
            case _:
                pass


def _optional(tree: nodes.Template) -> set[str]:
    """Return names that may be missing, since the template has a default or a test."""
    tested = [test for test in tree.find_all(nodes.Test) if test.name == "defined"]
    filtered = [
        item for item in tree.find_all(nodes.Filter) if item.name in ("default", "d")
    ]
    return {
        item.node.name
        for item in (*tested, *filtered)
        if isinstance(item.node, nodes.Name)
    }
