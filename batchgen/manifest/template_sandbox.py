"""The sandbox of templates: that of Jinja2, with a limit for every operation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from types import BuiltinMethodType
from typing import Any, cast

from jinja2 import StrictUndefined, Undefined, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import TemplateRuntimeError
from jinja2.runtime import Context, markup_join, str_join
from jinja2.sandbox import MAX_RANGE, ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from batchgen.manifest.missing_values import is_missing
from batchgen.manifest.slug import slug
from batchgen.manifest.template_costs import (
    FILTERS,
    FORMATS,
    METHODS,
    Use,
    common_cost,
    quick_cost,
)
from batchgen.manifest.template_work import (
    CALL_WORK,
    STEP_WORK,
    WorkMeter,
    weigh,
)
from batchgen.manifest.wording import did_you_mean

MAX_PROMPT_CHARACTERS = 100_000
"""Characters of a prompt; no provider accepts as many."""

_MAX_BITS = 10_000
_MAX_DEPTH = 50
_LOOP = "each step of a loop"
"""Name of a filter that no template can use, since it has blanks."""

_Test = Callable[..., Any]
_COMPARING = (
    *("in", "eq", "equalto", "==", "ne", "!=", "lt", "lessthan", "<"),
    *("le", "<=", "gt", "greaterthan", ">", "ge", ">="),
)


class Cells(dict[str, object]):
    """The cells of `row[...]`; the error for a missing one speaks of a column."""

    def __missing__(self, name: str) -> object:
        raise TemplateRuntimeError(f"no column `{name}`{did_you_mean(name, self)}")


class TemplateSandbox(ImmutableSandboxedEnvironment):
    """The sandbox, without features that make prompts random or endless."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, finalize: Callable[[object], object] | None = None) -> None:
        # A prompt is text, not HTML: nothing is escaped.
        super().__init__(undefined=StrictUndefined, autoescape=False, finalize=finalize)
        self.meter = WorkMeter()
        self._depth = 0
        self.code_generator_class = _CountingCode
        # Equal rows must give equal prompts, or they would be bought again.
        del self.globals["lipsum"]
        self.globals["range"] = self._range
        self.globals["namespace"] = _PlainNamespace
        self.filters["slug"] = slug
        for name in [*self.filters]:
            if name in FILTERS:
                self.filters[name] = self._measured(name, self.filters[name])
            else:
                del self.filters[name]
        self.filters["default"] = self.filters["d"] = _default
        self.filters[_LOOP] = self._each_step
        for name in _COMPARING:
            self.tests[name] = self._measured_test(cast("_Test", self.tests[name]))

    def limited(self, tree: nodes.Template) -> nodes.Template:
        """Make each loop of a template charge its steps."""
        for loop in [*tree.find_all(nodes.For)]:
            loop.iter = nodes.Filter(
                loop.iter, _LOOP, [], [], None, None, lineno=loop.lineno
            )
        tree.set_environment(self)
        return tree

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return an attribute; of the row, a column precedes a method of dict."""
        if isinstance(obj, Cells) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    # -- operations, each charged before it runs

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Evaluate an operator, unless the result would be too large."""
        if operator == "**" and (abs(left) > 1_000_000 or abs(right) > 64):
            raise TemplateRuntimeError("a power too large")
        if operator == "%" and isinstance(left, str):
            raise TemplateRuntimeError("formatting by %; use the filter `format`")
        if operator == "*":
            for text, times in ((left, right), (right, left)):
                if hasattr(text, "__len__") and isinstance(times, int):
                    check_length(len(text) * times)
                    self.meter.charge(weigh(text) * max(0, times))
        elif operator == "+" and hasattr(left, "__len__"):
            self.meter.charge(weigh(left) + weigh(right))
        for number in (left, right):
            if isinstance(number, int) and number.bit_length() > _MAX_BITS:
                raise TemplateRuntimeError("a number too large")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function, a macro, or a method of a text or another value."""
        self.meter.charge(CALL_WORK)
        # The sandbox wraps the method `format` of texts.
        method = getattr(obj, "__wrapped__", obj)
        owner = getattr(method, "__self__", None)
        if (
            not kwargs
            and method.__class__ is BuiltinMethodType
            and method.__name__ not in FORMATS
            and (work := quick_cost(owner, args)) is not None
        ):
            self.meter.charge(work)
        elif isinstance(owner, str | bytes | int | float | list | tuple):
            args = tuple(map(self._as_list, args))
            use = Use(owner, weigh(owner), args, kwargs)
            self._charge_use(use, METHODS.get(method.__name__))
        else:
            cost = METHODS.get(getattr(method, "__name__", ""))
            self._charge_use(Use(None, 1, args, kwargs), cost)
        self._depth += 1
        try:
            if self._depth > _MAX_DEPTH:
                raise TemplateRuntimeError(
                    f"its calls go more than {_MAX_DEPTH} deep: a macro or a block "
                    "that calls itself must end"
                )
            return super().call(context, obj, *args, **kwargs)
        finally:
            self._depth -= 1

    def concat(self, pieces: Iterable[str]) -> str:
        """Join pieces of text: the output of a macro or a block."""
        parts = [*pieces]
        self.meter.charge(sum(map(len, parts)))
        return "".join(parts)

    def joined(self, context: Context, values: tuple[Any, ...]) -> str:
        """Join the operands of `~`."""
        self.meter.charge(sum(map(weigh, values)))
        return (markup_join if context.eval_ctx.autoescape else str_join)(values)

    def weighed(self, value: Any) -> Any:
        """Charge the size of a value and return the value."""
        self.meter.charge(weigh(value))
        return value

    def _charge_use(self, use: Use, cost: Callable[[Use], int] | None) -> None:
        self.meter.charge(use.weight)
        if use.args or use.options:
            self.meter.charge(common_cost(use))
        if cost is not None:
            self.meter.charge(cost(use))

    def _as_list(self, value: Any) -> Any:
        """Return a list in place of an iterator, so that its size is known."""
        if not isinstance(value, Iterator):
            return value
        items = []
        for item in value:
            self.meter.charge(STEP_WORK)
            items.append(item)
        return items

    def _measured(self, name: str, apply: Callable[..., Any]) -> Callable[..., Any]:
        """Return a filter that charges its work before it runs."""
        cost, meter = FILTERS[name], self.meter
        is_format = name in FORMATS
        start = 1 if hasattr(apply, "jinja_pass_arg") else 0

        @wraps(apply)
        def measured(*args: Any, **kwargs: Any) -> Any:
            if not kwargs and not is_format and len(args) > start:
                work = quick_cost(args[start], args[start + 1 :])
                if work is not None:
                    meter.charge(CALL_WORK + work)
                    return apply(*args)
            meter.charge(CALL_WORK)
            context, (value, *others) = args[:start], args[start:]
            value = self._as_list(value)
            self._charge_use(Use(value, weigh(value), others, kwargs), cost)
            return apply(*context, value, *others, **kwargs)

        return measured

    def _measured_test(self, test: _Test) -> _Test:
        @wraps(test)
        def measured(*args: Any) -> Any:
            self.meter.charge(CALL_WORK + weigh(args))
            return test(*args)

        return measured

    @pass_context  # so that Jinja does not evaluate it at compile time
    def _each_step(self, _: Context, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self.meter.charge(STEP_WORK)
            yield item

    def _range(self, *bounds: int) -> range:
        steps = range(*bounds)
        if steps and (steps[-1] - steps[0]) // steps.step >= MAX_RANGE:
            raise TemplateRuntimeError(f"loops of more than {MAX_RANGE:,} steps")
        return steps


def check_length(length: int) -> None:
    """Refuse a text that is too long for a prompt."""
    if length > MAX_PROMPT_CHARACTERS:
        raise TemplateRuntimeError(
            f"it makes more than {MAX_PROMPT_CHARACTERS:,} characters"
        )


class _CountingCode(CodeGenerator):
    """Generates code of a template that charges `~`, lists, dicts and tuples."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - Jinja's
        self.write("environment.joined(context, (")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def visit_List(self, node: nodes.List, frame: Frame) -> None:  # noqa: N802 - Jinja's
        self.write("environment.weighed(")
        super().visit_List(node, frame)
        self.write(")")

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:  # noqa: N802 - Jinja's
        self.write("environment.weighed(")
        super().visit_Dict(node, frame)
        self.write(")")

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:  # noqa: N802 - Jinja's
        if node.ctx != "load":
            super().visit_Tuple(node, frame)
            return
        self.write("environment.weighed(")
        super().visit_Tuple(node, frame)
        self.write(")")


class _PlainNamespace(Namespace):
    """That of Jinja without its content in `repr`, which could be endless."""

    def __repr__(self) -> str:
        return "<Namespace>"


def _default(value: Any, default_value: Any = "", boolean: bool = False) -> Any:  # noqa: FBT001, FBT002 - Jinja's own signature
    """Return the default for a value that is missing or empty."""
    is_cell = isinstance(value, str | float) and is_missing(value)
    if isinstance(value, Undefined) or is_cell or (boolean and not value):
        return default_value
    return value
