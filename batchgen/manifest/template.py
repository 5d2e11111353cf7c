"""The prompt template: Jinja2 in its sandbox, over the row's own columns."""

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

# Whatever a template's own words can raise while they work on a row's cells.
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


# What Jinja and Python raise for a template that they cannot take in, though nothing
# in it is written wrongly: nested too deeply, or a number of thousands of digits.
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
"""What is wrong with a value that is put out, by the first kind that it is."""


def needed_names(text: str) -> frozenset[str]:
    """Return columns without which a template cannot be used on any table.

    None are returned for one that does not parse: `PromptTemplate` says why.
    """
    environment = TemplateSandbox()
    try:
        row_names = _row_names(environment.parse(text), ())
    except (TemplateSyntaxError, *_TOO_LARGE):
        return frozenset()
    return frozenset(row_names - {"row", *environment.globals})


class PromptTemplate:
    """A template that was compiled once and checked against the columns."""

    def __init__(self, text: str, columns: Sequence[str], where: str) -> None:
        """Compile a template.

        Args:
            text: Jinja2.
            columns: Names that the manifest's rows have.
            where: The manifest's path, for messages.

        Raises:
            SpecError: it does not parse, or asks for a column that is not there.
        """
        self.output_problem: str | None = None
        """What the last prompt holds that is neither text nor a number."""
        self._sandbox = environment = TemplateSandbox(self._check_output)
        names = spelling.ColumnNames(columns)
        try:
            tree = environment.parse(text)
            uses = columns_of(tree, columns)
            row_names = _row_names(tree, columns)
            literals = [part.data for part in tree.find_all(nodes.TemplateData)]
            self._template = environment.from_string(environment.limited(tree))
            # Jinja puts out constants here, once, and never again.
            self._constant_problem = self.output_problem
        except TemplateSyntaxError as error:
            hint = spelling.hint_for(text, names, error.lineno)
            words = _explain(error.message or "", environment.filters)
            raise SpecError(
                f"prompt template, line {error.lineno}: {words}{hint}"
            ) from error
        except _TOO_LARGE as error:
            raise SpecError(
                "prompt template: it cannot be read, since something in it is nested "
                "too deeply, or a number in it is too long: write it more simply"
            ) from error
        for name in sorted(row_names - set(columns) - {"row", *environment.globals}):
            hint = did_you_mean(name, columns) + spelling.hint_for(text, names)
            raise SpecError(
                f"prompt template: {where} has no column `{name}`{hint} (the columns "
                f"are {listed(columns)})"
            )
        self.gaps = GapFinder(uses)
        self.notices = tuple(spelling.notices_of(text, literals, names, uses.named))
        self._reads_row = "row" in row_names and "row" not in columns
        self.columns: tuple[str, ...] = tuple(
            name
            for name in columns
            # Not in `used` is a column that has the name of one of Jinja's functions.
            if self._reads_row or name in row_names or name in uses.named
        )

    def render(self, cells: Mapping[str, object]) -> str:
        """Return the prompt of one row.

        Args:
            cells: At least those of `columns`; None stands for an empty cell.

        Raises:
            TooMuchWork: the template passes a limit of work or time with this row.
            ValueError: it cannot be filled with this row.
        """
        # Empty, not None: `{{ colour }}` must not put the word None into a prompt.
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
        """Take note of what is put out and is neither text nor a number."""
        if isinstance(value, Undefined):
            return value
        if callable(value):
            raise TemplateRuntimeError(
                "a function is put out in place of what it returns: write () behind it"
            )
        if not isinstance(value, _PRINTABLE):
            kinds = (kind for kind in _NOT_PRINTABLE if isinstance(value, kind))
            self._sandbox.weighed(value)  # Jinja makes text of it nevertheless
            self.output_problem = f"the template puts out {_NOT_PRINTABLE[next(kinds)]}"
        return value


def _explain(message: str, filters: Collection[str]) -> str:
    """Return what Jinja2 cannot read in words that say what to do, where it is known.

    Args:
        message: Jinja2's.
        filters: Names of those that there are.
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
    """Return names that the template takes from the row, `row` for all of them."""
    optional = _optional(tree)
    row_names = meta.find_undeclared_variables(tree) - optional
    if "row" in row_names and "row" not in columns:
        row_names |= set(_subscripts(tree))
    # What is asked for with a default is used where it is there.
    return row_names | (optional & set(columns))


def _subscripts(tree: nodes.Template) -> Iterator[str]:
    """Yield names that the template asks of the row; none that the row itself has."""
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
    """Return names that the template itself provides for the absence of."""
    tested = [test for test in tree.find_all(nodes.Test) if test.name == "defined"]
    filtered = [
        item for item in tree.find_all(nodes.Filter) if item.name in ("default", "d")
    ]
    return {
        item.node.name
        for item in (*tested, *filtered)
        if isinstance(item.node, nodes.Name)
    }
