"""Which columns a prompt template uses, and which of them it needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from jinja2 import nodes

_DEFAULTS = ("default", "d")
_SELECTIONS = ("select", "reject")
_ROW = "row"


@dataclass(frozen=True, slots=True)
class TemplateColumns:
    """Columns that a template uses, in the order of the table.

    Attributes:
        named: All of them.
        required: Columns that are always printed; not those under `if`, `default` or
            `or`, for whose absence the template provides.
        anchors: Columns that are printed, always or under a condition, and for whose
            absence the template does not provide. If there are none, no row can lack
            a value.
        tested: Columns in conditions. For a condition a text such as `nan` is a value,
            so such a text gets into the prompt.
    """

    named: tuple[str, ...]
    required: tuple[str, ...]
    anchors: tuple[str, ...]
    tested: tuple[str, ...]


def columns_of(tree: nodes.Template, columns: Sequence[str]) -> TemplateColumns:
    """Return the columns that a template uses.

    Args:
        tree: The template, parsed by Jinja2.
        columns: The columns of the table.
    """
    walk = _Walk(frozenset(columns))
    walk.visit(tree, _Context())
    return TemplateColumns(
        named=tuple(name for name in columns if name in walk.named),
        required=tuple(name for name in columns if name in walk.required),
        anchors=tuple(name for name in columns if name in walk.anchors),
        tested=tuple(name for name in columns if name in walk.tested),
    )


@dataclass(frozen=True, slots=True)
class _Context:
    """The surroundings of a node of the template.

    Attributes:
        conditional: Whether the node is not always printed.
        provided: Columns for whose absence the template provides here.
    """

    conditional: bool = False
    provided: frozenset[str] = frozenset()

    def under(self, columns: Iterable[str] = ()) -> _Context:
        return _Context(conditional=True, provided=self.provided | set(columns))


@dataclass(frozen=True, slots=True)
class _Value:
    """The columns that an expression prints.

    Attributes:
        required: Columns that are always printed.
    """

    columns: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Walk:
    """Visits each node of a template once.

    Attributes:
        variables: Variables of the template: `{% set name = Title %}`.
    """

    columns: frozenset[str]
    named: set[str] = field(default_factory=set)
    required: set[str] = field(default_factory=set)
    anchors: set[str] = field(default_factory=set)
    tested: set[str] = field(default_factory=set)
    variables: dict[str, _Value] = field(default_factory=dict)

    def visit(self, node: nodes.Node, context: _Context) -> None:
        match node:
            case nodes.Name() | nodes.Getitem() | nodes.Getattr() | nodes.Call():
                self._visit_value(node, context)
            case nodes.If():
                self._visit_if(node, context)
            case nodes.Assign(target=nodes.Name(name=name), node=value):
                self._assign(name, value, context)
            case nodes.For():
                self._visit_for(node, context)
            case nodes.Test() | nodes.Compare() | nodes.Not():
                self.named |= set(self._columns_in(node))
            case nodes.CondExpr() | nodes.And() | nodes.Or():
                self._visit_choice(node, context)
            case nodes.Filter(node=nodes.Node() as value, name=name) if name in (
                *_DEFAULTS,
                *_SELECTIONS,
            ):
                provided = self._columns_in(value) if name in _DEFAULTS else ()
                self.visit(value, context.under(provided))
                self._visit_all(node.args, context.under())
            case _:
                self._visit_all(node.iter_child_nodes(), context)

    def _visit_choice(
        self, node: nodes.CondExpr | nodes.And | nodes.Or, context: _Context
    ) -> None:
        match node:
            case nodes.CondExpr(test=test, expr1=first, expr2=second):
                under = context.under(self._tested(test))
                self._visit_all(filter(None, (first, second)), under)
            case nodes.And(left=left, right=right):
                self.visit(right, context.under(self._tested(left)))
            case nodes.Or(left=left, right=right):
                self.visit(left, context.under(self._tested(left)))
                self.visit(right, context.under())

    def _visit_all(self, parts: Iterable[nodes.Node], context: _Context) -> None:
        for part in parts:
            self.visit(part, context)

    def _visit_value(self, node: nodes.Node, context: _Context) -> None:
        value = self._column(node)
        if value is None:
            self._visit_all(node.iter_child_nodes(), context)
            return
        self._print(value, context)
        if isinstance(node, nodes.Call):  # row.get("Title", Handle)
            self._visit_all(node.args[1:], context.under())

    def _print(self, value: _Value, context: _Context) -> None:
        self.named |= value.columns
        self.anchors |= value.columns - context.provided
        if not context.conditional:
            self.required |= value.required - context.provided

    def _visit_if(self, node: nodes.If, context: _Context) -> None:
        under = context.under(self._tested(node.test))
        self._visit_all((*node.body, *node.elif_, *node.else_), under)

    def _visit_for(self, node: nodes.For, context: _Context) -> None:
        self.visit(node.iter, context)
        if node.test is not None:
            self._tested(node.test)
        targets = [*node.target.find_all(nodes.Name), node.target]
        names = {each.name for each in targets if isinstance(each, nodes.Name)}
        names.add("loop")
        outer = self.variables
        self.variables = outer | dict.fromkeys(names, _Value())
        self._visit_all((*node.body, *node.else_), context)
        self.variables = outer

    def _assign(self, name: str, value: nodes.Node, context: _Context) -> None:
        """Record the columns of a variable: they count where the variable is printed.

        Columns for whose absence the expression provides do not count.
        """
        inner = _Walk(self.columns, variables=self.variables)
        inner.visit(value, _Context(provided=context.provided))
        self.named |= inner.named
        self.tested |= inner.tested
        columns, required = frozenset(inner.anchors), frozenset(inner.required)
        if context.conditional:  # another branch may assign another value
            before = self.variables.get(name, _Value())
            columns, required = columns | before.columns, frozenset()
        self.variables = {**self.variables, name: _Value(columns, required)}

    def _tested(self, node: nodes.Node) -> frozenset[str]:
        """Return the columns in a condition; they are used, but not printed."""
        columns = frozenset(self._columns_in(node))
        self.named |= columns
        self.tested |= columns
        return columns

    def _columns_in(self, node: nodes.Node) -> Iterator[str]:
        value = self._column(node)
        if value is not None:
            yield from value.columns
            return
        for part in node.iter_child_nodes():
            yield from self._columns_in(part)

    def _column(self, node: nodes.Node) -> _Value | None:
        """Return the columns of a value, None if it is no column."""
        match node:
            case nodes.Name(name=name, ctx="load"):
                if name in self.variables:
                    return self.variables[name]
                if name in self.columns:
                    return _Value(frozenset({name}), frozenset({name}))
                # The whole row, in a loop: it is unknown which columns it uses.
                return _Value(self.columns) if name == _ROW else None
            case (
                nodes.Getitem(
                    node=nodes.Name(name="row"), arg=nodes.Const(value=str() as name)
                )
                | nodes.Getattr(node=nodes.Name(name="row"), attr=name)
                | nodes.Call(
                    node=nodes.Getattr(node=nodes.Name(name="row"), attr="get"),
                    args=[nodes.Const(value=str() as name), *_],
                )
            ) if _ROW not in self.columns and name in self.columns:
                return _Value(frozenset({name}), frozenset({name}))
            case _:
                return None
