"""Costs as a table to read, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from io import StringIO
from itertools import islice

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from batchgen.addresses.characters import visible_line
from batchgen.cli.formatting import NO_MONEY, counted, may_have_been_charged
from batchgen.cli.json_writer import exact_json, tagged
from batchgen.model import dollars
from batchgen.output.amounts import Amounts
from batchgen.output.cost_report import REHEARSED, Costs

MAX_GROUPS = 100
"""Groups in the table; the other formats have all of them."""

_MIN_NAME_WIDTH = 12
_ROUND = Decimal("0.000001")


def as_text(costs: Costs, width: int) -> str:
    """Return the groups as a table of this many columns, and the total in words."""
    lines = total_lines(costs.total, rehearsed=costs.rehearsed)
    parts = "\n".join(lines) + "\n"
    return _table(costs, width) + parts if costs.headings else parts


def as_json(parts: Sequence[Costs]) -> Iterator[str]:
    """Yield one JSON object with the totals and all groups; amounts are exact.

    Args:
        parts: Real money, money of rehearsals, or the one and then the other: each
            has a total of its own.
    """
    first, last = parts[0], parts[-1]
    head = tagged(
        "costs",
        {
            "rehearsed": first.rehearsed,
            "total": _amounts(first, first.total),
            "rehearsal_total": None if last is first else _amounts(last, last.total),
        },
    )
    yield f'{exact_json(head)[:-1]}, "groups": ['
    comma = "\n"
    for part in parts:
        for group in part:
            labels = dict(zip(part.headings, group.values, strict=True))
            yield comma + exact_json(labels | _amounts(part, group.amounts))
            comma = ",\n"
    yield "\n]}\n"


def _amounts(costs: Costs, amounts: Amounts) -> dict[str, object]:
    return {**asdict(amounts), REHEARSED: costs.rehearsed}


def total_lines(total: Amounts, *, rehearsed: bool = False) -> list[str]:
    """Return the total as lines; a rehearsal's money is marked."""

    def usd(amount: Decimal) -> str:
        return dollars(amount, pretend=rehearsed)

    parts = [counted(total.rows, "row"), counted(total.images, "image")]
    if total.cost_usd is not None:
        mark = f" ({NO_MONEY})" if rehearsed else ""
        cost = "pretend cost" if rehearsed else "cost"
        parts.append(f"{cost} {dollars(total.cost_usd)}{mark}")
    if total.per_image_usd is not None:
        parts.append(f"{usd(total.per_image_usd.quantize(_ROUND))} an image")
    lines = [f"total: {', '.join(parts)}"]
    if rehearsed and total.cost_usd is None:
        lines.append(NO_MONEY)
    if total.unknown_rows:
        lines.append(
            f"the cost of {counted(total.unknown_rows, 'row')} is unknown: no amount "
            "here holds it"
        )
    if total.wasted_usd:
        lines.append(
            f"wasted on rows that did not succeed: {usd(total.wasted_usd)} "
            f"({_share(total.wasted_share)})"
        )
    if total.at_risk_attempts or total.at_risk_usd:
        lines.append(_risk_line(total, pretend=rehearsed))
    if total.estimated_usd:
        lines.append(
            f"estimated {usd(total.estimated_usd)} for rows that cost "
            f"{usd(total.actual_usd)} ({_change(total)})"
        )
    return lines


def _risk_line(total: Amounts, *, pretend: bool) -> str:
    if total.at_risk_usd is None:
        requests = counted(total.at_risk_attempts, "request")
        return (
            f"{requests} without a known price may have been charged: no answer tells"
        )
    amount = dollars(total.at_risk_usd, pretend=pretend)
    # A table does not tell tasks that are still being made from what is lost.
    line = may_have_been_charged(amount, total.at_risk_attempts, is_open=True)
    if unpriced := total.at_risk_unknown_rows:
        line += f" ({counted(unpriced, 'row')} without a known price not counted)"
    return line


# -- the table


@dataclass(frozen=True, slots=True)
class _Column:
    heading: str
    cells: list[str]

    @property
    def width(self) -> int:
        """Width of the whole column, with the blank that follows."""
        return max(map(cell_len, [self.heading, *self.cells])) + 1


def _table(costs: Costs, width: int) -> str:
    lines = _lines(costs)
    names = [
        _Column(_label(heading), [labels[at] for labels, _ in lines])
        for at, heading in enumerate(costs.headings)
    ]
    figures = _figures([value for _, value in lines], costs)
    # Names are cut where the line is too short; amounts never, they rather wrap.
    free_width = (width - sum(figure.width for figure in figures)) // len(names)
    room = max(free_width, _MIN_NAME_WIDTH) - 1
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(Text(name.heading), no_wrap=True, max_width=room)
    for figure in figures:
        table.add_column(figure.heading, no_wrap=True, justify="right")
    columns = [*names, *figures]
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*map(Text, cells))
    page = StringIO()
    table_width = sum(min(name.width, room + 1) for name in names) + sum(
        figure.width for figure in figures
    )
    Console(file=page, width=table_width).print(table)
    return "".join(line.rstrip() + "\n" for line in page.getvalue().splitlines())


def _lines(costs: Costs) -> list[tuple[list[str], Amounts]]:
    """Return the first groups, and one line for all others together."""
    lines = [
        ([_label(value) for value in cost.values], cost.amounts)
        for cost in islice(costs, MAX_GROUPS)
    ]
    if (hidden := len(costs) - MAX_GROUPS) > 0:
        blanks = [""] * (len(costs.headings) - 1)
        others = [f"({counted(hidden, 'other')})", *blanks]
        lines.append((others, costs.after(MAX_GROUPS)))
    return lines


def _figures(groups: Sequence[Amounts], costs: Costs) -> list[_Column]:
    """Return the columns of figures; where all would be 0, there is none."""
    total = costs.total
    cost = "pretend cost" if costs.rehearsed else "cost"
    unknown = _Column("unknown", [str(group.unknown_rows) for group in groups])
    at_risk = _Column("at risk", [_at_risk(group) for group in groups])
    per_image = [group.per_image_usd for group in groups]
    rounded = [None if entry is None else entry.quantize(_ROUND) for entry in per_image]
    return [
        _Column("rows", [str(group.rows) for group in groups]),
        *([unknown] if total.unknown_rows else []),
        _Column("images", [str(group.images) for group in groups]),
        _Column(cost, _aligned([amounts.cost_usd for amounts in groups], "unknown")),
        _Column("per image", _aligned(rounded, "-")),
        _Column("wasted", [_share(group.wasted_share) for group in groups]),
        *([at_risk] if total.at_risk_attempts or total.at_risk_usd else []),
        _Column("vs estimate", [_change(group) for group in groups]),
    ]


def _aligned(amounts: Sequence[Decimal | None], unknown: str) -> list[str]:
    """Write amounts exactly, with as many decimals as the longest of them needs."""
    texts = [unknown if amount is None else dollars(amount) for amount in amounts]
    decimals = max((len(text.partition(".")[2]) for text in texts), default=0)
    return [
        text if key is None else f"${key:.{decimals}f}"
        for key, text in zip(amounts, texts, strict=True)
    ]


def _label(value: object) -> str:
    """Return a value as a name on one line, letters of all scripts as they are."""
    if value is None:
        return "-"
    return visible_line(str(value)) or '""'


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _at_risk(amounts: Amounts) -> str:
    unknown = f"{counted(amounts.at_risk_unknown_rows, 'row')} unpriced"
    if amounts.at_risk_usd is None:
        return unknown
    amount = dollars(amounts.at_risk_usd)
    return f"{amount} + {unknown}" if amounts.at_risk_unknown_rows else amount


def _change(amounts: Amounts) -> str:
    if not amounts.estimated_usd:
        return "-"
    return f"{amounts.actual_usd / amounts.estimated_usd - 1:+.1%}"
