"""The prompt template: Jinja2 in its sandbox, over the row's own columns."""

from __future__ import annotations

import re
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from datetime import date, time, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, meta, nodes
from jinja2.exceptions import TemplateError, TemplateRuntimeError
from jinja2.runtime import Context
from jinja2.sandbox import MAX_RANGE, ImmutableSandboxedEnvironment

from batchgen.errors import SpecError
from batchgen.manifest import spelling
from batchgen.manifest.gaps import GapFinder
from batchgen.manifest.missing import is_missing
from batchgen.manifest.template_columns import columns_of
from batchgen.manifest.wording import did_you_mean, listed

LONGEST_PROMPT = 100_000
"""Characters that a template may make; none of the providers takes as many."""

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


_TEXTS = (str, int, float, Decimal, date, time, timedelta)
_LIST = "a whole list: write, for example, {{ tags | join(', ') }}"
_NO_TEXTS: Mapping[type, str] = MappingProxyType(
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
    environment = ImmutableSandboxedEnvironment()
    try:
        used = _used(environment.parse(text), ())
    except TemplateSyntaxError:
        return frozenset()
    return frozenset(used - {"row", *environment.globals})


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
        self.oddity: str | None = None
        """What the last prompt holds that is neither text nor a number."""
        environment = _Environment(self._printed)
        names = spelling.ColumnNames(columns)
        try:
            tree = environment.parse(text)
            self._template = environment.from_string(tree)
            # Jinja puts out constants here, once, and never again.
            self._constant_oddity = self.oddity
        except TemplateSyntaxError as error:
            hint = spelling.hint_for(text, names, error.lineno)
            words = _in_plain_words(error.message or "", environment.filters)
            raise SpecError(
                f"prompt template, line {error.lineno}: {words}{hint}"
            ) from error
        used = _used(tree, columns)
        for name in sorted(used - set(columns) - {"row", *environment.globals}):
            hint = did_you_mean(name, columns) + spelling.hint_for(text, names)
            raise SpecError(
                f"prompt template: {where} has no column `{name}`{hint} (the columns "
                f"are {listed(columns)})"
            )
        uses = columns_of(tree, columns)
        self.gaps = GapFinder(uses)
        literals = [part.data for part in tree.find_all(nodes.TemplateData)]
        self.notices = tuple(spelling.notices_of(text, literals, names, uses.named))
        self._reads_row = "row" in used and "row" not in columns
        self.columns: tuple[str, ...] = tuple(
            name
            for name in columns
            # Not in `used` is a column that has the name of one of Jinja's functions.
            if self._reads_row or name in used or name in uses.named
        )

    def render(self, cells: Mapping[str, object]) -> str:
        """Return the prompt of one row.

        Args:
            cells: At least those of `columns`; None stands for an empty cell.

        Raises:
            ValueError: the template cannot be filled with this row, or not within
                its limits.
        """
        # Empty, not None: `{{ colour }}` must not put the word None into a prompt.
        known = {
            name: "" if cells[name] is None else cells[name] for name in self.columns
        }
        self.oddity = self._constant_oddity
        steps = _Steps()
        scope = {"range": steps.range, "row": _Cells(known)} | known
        try:
            prompt = "".join(_limited(self._template.generate(scope)))
            prompt.encode()
        except _FAILURES as error:
            reason = str(error) or type(error).__name__
            raise ValueError(f"the template cannot be filled: {reason}") from error
        return prompt

    def _printed(self, value: object) -> object:
        """Take note of what is put out and is neither text nor a number."""
        if isinstance(value, Undefined):
            return value
        if callable(value):
            raise TemplateRuntimeError(
                "a function is put out in place of what it returns: write () behind it"
            )
        if not isinstance(value, _TEXTS):
            kinds = (kind for kind in _NO_TEXTS if isinstance(value, kind))
            self.oddity = f"the template puts out {_NO_TEXTS[next(kinds)]}"
        return value


def _in_plain_words(message: str, filters: Collection[str]) -> str:
    """Return what Jinja2 cannot read in words that say what to do, where it is known.

    Args:
        message: Jinja2's.
        filters: Names of those that there are.
    """
    if unknown := re.fullmatch(r"No filter named '(.*)'\.", message):
        near = did_you_mean(unknown[1], filters) or ": see the filters of Jinja2"
        return f"there is no filter `{unknown[1]}`{near}"
    if unclosed := re.search(r"needs to be closed is '(\w+)'", message):
        block = unclosed[1]
        return (
            f"{{% {block} ... %}} is never closed: write {{% end{block} %}} where it "
            "ends"
        )
    return message


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox, with less that makes prompts random or endless."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, finalize: Callable[[object], object]) -> None:
        # A prompt is text, not HTML: nothing in it is to be escaped.
        super().__init__(undefined=StrictUndefined, autoescape=False, finalize=finalize)
        # The same row must make the same prompt, or it would be bought again.
        del self.globals["lipsum"]
        del self.filters["random"]
        self.filters["default"] = self.filters["d"] = _default

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return an attribute; of the row, a column stands above what a dict can do."""
        if isinstance(obj, _Cells) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" and (abs(left) > 1_000_000 or abs(right) > 64):
            raise TemplateRuntimeError("a power too large")
        if operator == "%" and isinstance(left, str):
            raise TemplateRuntimeError("formatting by %; use the filter `format`")
        for text, times in ((left, right), (right, left)):
            if hasattr(text, "__len__") and isinstance(times, int):
                _check_length(len(text) * times)
        return super().call_binop(context, operator, left, right)


def _default(value: Any, default_value: Any = "", boolean: bool = False) -> Any:  # noqa: FBT001, FBT002 - Jinja's own signature
    """Return another value for one that is not there, or has nothing in it."""
    is_cell = isinstance(value, str | float) and is_missing(value)
    if isinstance(value, Undefined) or is_cell or (boolean and not value):
        return default_value
    return value


class _Cells(dict[str, object]):
    """The cells behind `row[...]`; a missing one is named as a column."""

    def __missing__(self, name: str) -> object:
        raise TemplateRuntimeError(f"no column `{name}`{did_you_mean(name, self)}")


class _Steps:
    """Counts what all `range` loops of one prompt do together."""

    def __init__(self) -> None:
        self._left = MAX_RANGE

    def range(self, *bounds: int) -> range:
        """Return a range, and count its steps."""
        steps = range(*bounds)
        self._left -= len(steps)
        if self._left < 0:
            raise TemplateRuntimeError(f"loops of more than {MAX_RANGE} steps")
        return steps


def _limited(pieces: Iterator[str]) -> Iterator[str]:
    length = 0
    for piece in pieces:
        length += len(piece)
        _check_length(length)
        yield piece


def _check_length(length: int) -> None:
    if length > LONGEST_PROMPT:
        raise TemplateRuntimeError(f"it makes more than {LONGEST_PROMPT:,} characters")


def _used(tree: nodes.Template, columns: Sequence[str]) -> set[str]:
    """Return names that the template takes from the row, `row` for all of them."""
    optional = _optional(tree)
    used = meta.find_undeclared_variables(tree) - optional
    if "row" in used and "row" not in columns:
        used |= set(_subscripts(tree))
    # What is asked for with a default is used where it is there.
    return used | (optional & set(columns))


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
