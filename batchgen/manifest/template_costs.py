"""The work of filters and methods whose output can be far larger than their input.

All that are in no table here take linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from jinja2.exceptions import TemplateRuntimeError

from batchgen.manifest.template_work import MAX_WORK, weigh

_MAX_DIGITS = 1000
_DIGITS = re.compile(r"\d+")
_WIDTH_WITHIN = re.compile(r"\{[^{}:]*:[^{}]*\{")
_SORTING = 4
"""Work for each item: of a hundred thousand items, each is compared seventeen times."""
_QUICK_WORK = 2000
"""Below this, an upper bound of the work is charged: it is quick to compute."""


@dataclass(slots=True)
class Use:
    """One use of a filter, or of a method on its object.

    Attributes:
        value: The input of the filter, or the object of the method.
        weight: Of the value.
        args: The arguments in parentheses.
    """

    value: Any
    weight: int
    args: Sequence[Any] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> list[Any]:
        return [*self.args, *self.options.values()]

    def argument(self, index: int, name: str, default: Any) -> Any:
        """Return an argument that may be positional or a keyword."""
        if index < len(self.args):
            return self.args[index]
        return self.options.get(name, default)


Cost = Callable[[Use], int]


def common_cost(use: Use) -> int:
    """Return the work that any filter or method may do beyond the size of its value.

    A number may be a width or a count, and a text may be repeated for each item.
    """
    items = len(use.value) if hasattr(use.value, "__len__") else 1
    times = 1 if isinstance(use.value, str | bytes) else items
    return sum(_size_of(each) + times * weigh(each) for each in use.arguments)


def quick_cost(value: object, arguments: Sequence[Any]) -> int | None:
    """Return an upper bound of the work for a text or a number; None if it is large.

    This is the common case: a short text with short arguments. Do not call it for
    formats: digits in them can make a long output.
    """
    size = 1
    for argument in arguments:
        kind = type(argument)
        if kind is str:
            size += len(argument)
        elif kind is int:
            size += abs(argument)
        elif kind is not bool:
            return None
    if type(value) is str:
        size *= len(value) + 1
    elif type(value) is not float and type(value) is not int:
        return None
    return size if size <= _QUICK_WORK else None


def _size_of(argument: object) -> int:
    return abs(argument) if isinstance(argument, int) else 0


def _times(factor: int) -> Cost:
    return lambda use: use.weight * factor


def _squared(divisor: int) -> Cost:
    return lambda use: use.weight**2 // divisor


def _of_indent(use: Use) -> int:
    width = use.argument(0, "width", 4)
    lines = len(str(use.value).splitlines()) + 1
    return lines * (len(width) if isinstance(width, str) else _size_of(width))


def _of_replace(use: Use) -> int:
    text, old = str(use.value), str(use.argument(0, "old", ""))
    count = text.count(old) if old else len(text) + 1
    return count * weigh(use.argument(1, "new", ""))


def _of_wordwrap(use: Use) -> int:
    width = max(1, _size_of(use.argument(0, "width", 79)))
    lines = use.weight // width + str(use.value).count("\n") + 1
    return lines * weigh(use.argument(2, "wrapstring", "")) + use.weight * lines // 500


def _of_round(use: Use) -> int:
    if _size_of(use.argument(0, "precision", 0)) > _MAX_DIGITS:
        raise TemplateRuntimeError(f"it rounds to more than {_MAX_DIGITS} digits")
    return 0


def _of_sum(use: Use) -> int:
    # Each addition of a list copies the result.
    is_number = isinstance(use.argument(1, "start", 0), int | float | Decimal)
    return 0 if is_number else use.weight**2


def _of_tojson(use: Use) -> int:
    indent = use.argument(0, "indent", None)
    width = _size_of(indent) or weigh(indent or "")
    return use.weight * (8 + width)


def _of_urlize(use: Use) -> int:
    return use.weight**2 // 2000 + use.weight * sum(map(weigh, use.arguments))


def _of_trim(use: Use) -> int:
    return use.weight * sum(map(weigh, use.arguments)) // 16


def _of_striptags(use: Use) -> int:
    """Return the work to copy the text once for each tag."""
    return use.weight * str(use.value).count("<") // 1000


def _of_percent_format(use: Use) -> int:
    """Return the work of `'%5d' | format(x)`."""
    text = str(use.value)
    largest = max(map(weigh, use.arguments), default=0)
    widths = sum(map(_size_of, use.arguments)) if "*" in text else 0
    return _digits_in(text) + text.count("%") * (10 * largest + widths)


def _of_brace_format(use: Use) -> int:
    """Return the work of `'{:5}'.format(x)`."""
    text = str(use.value)
    if _WIDTH_WITHIN.search(text):
        raise TemplateRuntimeError(
            "a format has braces within braces: write its width as a number"
        )
    largest = max(map(weigh, use.arguments), default=0)
    return _digits_in(text) + text.count("{") * 10 * largest


def _digits_in(text: str) -> int:
    """Return the sum of all widths in a format."""
    runs = _DIGITS.findall(text)
    return sum(MAX_WORK if len(run) > 7 else int(run) for run in runs)


def _of_join(use: Use) -> int:
    """Return the work of `', '.join(parts)`."""
    parts = use.argument(0, "", ())
    return len(parts) * use.weight if hasattr(parts, "__len__") else 0


def _of_join_filter(use: Use) -> int:
    """Return the work of `text | join(', ')`: each letter of a text is an item."""
    is_text = isinstance(use.value, str | bytes)
    return use.weight * weigh(use.argument(0, "d", "")) if is_text else 0


def _of_expandtabs(use: Use) -> int:
    tab = b"\t" if isinstance(use.value, bytes) else "\t"
    tabs: int = use.value.count(tab)
    return tabs * _size_of(use.argument(0, "tabsize", 8))


def _of_translate(use: Use) -> int:
    table = use.argument(0, "", {})
    values = table.values() if isinstance(table, Mapping) else ()
    return use.weight * max(map(weigh, values), default=1)


FILTERS: Mapping[str, Cost] = {
    **dict.fromkeys(
        (
            *("abs", "attr", "capitalize", "center", "count", "filesizeformat"),
            *("first", "float", "int", "items", "last", "length", "lower"),
            *("map", "reject", "rejectattr", "reverse", "safe", "select"),
            *("selectattr", "string", "title", "truncate", "upper", "wordcount"),
        ),
        _times(0),
    ),
    **dict.fromkeys(("e", "escape", "forceescape", "xmlattr"), _times(8)),
    **dict.fromkeys(("batch", "list", "slice", "urlencode"), _times(12)),
    "slug": _times(18),  # by which compatible forms of Unicode may be longer
    **dict.fromkeys(
        ("dictsort", "groupby", "max", "min", "sort", "unique"), _times(_SORTING)
    ),
    "format": _of_percent_format,
    "indent": _of_indent,
    "join": _of_join_filter,
    "pprint": _times(100),
    "replace": _of_replace,
    "round": _of_round,
    "striptags": _of_striptags,
    "sum": _of_sum,
    "tojson": _of_tojson,
    "trim": _of_trim,
    "urlize": _of_urlize,
    "wordwrap": _of_wordwrap,
}
"""All filters that a template may use, besides our own `default`. Others, such as
`random`, do not exist."""

FORMATS = ("format", "format_map")

METHODS: Mapping[str, Cost] = {
    **dict.fromkeys(("decode", "encode"), _squared(100)),  # of host names: idna
    **dict.fromkeys(("lstrip", "rstrip", "strip"), _of_trim),
    **dict.fromkeys(("rsplit", "split", "splitlines"), _times(6)),
    **dict.fromkeys(FORMATS, _of_brace_format),
    "expandtabs": _of_expandtabs,
    "join": _of_join,
    "replace": _of_replace,
    "strftime": lambda use: 256 * sum(map(weigh, use.arguments)),
    "striptags": _of_striptags,
    "translate": _of_translate,
}
"""Methods of texts and numbers that do more work than the size of their input."""
