"""The state of a run folder as OpenMetrics text, which monitoring systems read.

Source: OpenMetrics 1.0, prometheus.io/docs/specs/om/open_metrics_spec.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from batchgen.cli.json_fields import money_fields, rows_by_status
from batchgen.ledger import Reader
from batchgen.ledger.estimate import EVERY_ROW
from batchgen.model import State
from batchgen.runner.folder import is_locked

Number = int | Decimal | None
Labels = Mapping[str, str]

_OPEN = (State.SENT, State.ACCEPTED, State.DELIVERED, State.OVERDUE)


class _Metric(NamedTuple):
    """One metric: its name, its meaning, and its values by their labels."""

    name: str
    meaning: str
    samples: Sequence[tuple[Labels, Number]]


def as_open_metrics(folder: Path, ledger: Reader) -> str:
    """Return the state of a folder; amounts that nobody knows are left out."""
    labels = {"folder": folder.resolve().name}
    lines = [
        line for metric in _metrics(folder, ledger) for line in _lines(metric, labels)
    ]
    return "\n".join([*lines, "# EOF", ""])


def _metrics(folder: Path, ledger: Reader) -> Iterator[_Metric]:
    totals = ledger.totals(EVERY_ROW)
    rows = rows_by_status(totals.rows)
    states = Counter(attempt.state for attempt in ledger.open_attempts())
    money = money_fields(totals)
    # Another name, so that no sum over folders adds pretend money to real money.
    prefix = "batchgen_rehearsed" if totals.rehearsed else "batchgen"
    yield _one(
        "batchgen_running", "Whether a run works on the folder.", is_locked(folder)
    )
    yield _Metric(
        "batchgen_rows",
        "Rows by status.",
        [({"status": status}, count) for status, count in rows.items()],
    )
    yield _one("batchgen_images", "Images in the ZIP.", totals.images)
    yield _Metric(
        "batchgen_open_attempts",
        "Purchases without an end, by state.",
        [({"state": state.value}, states[state]) for state in _OPEN],
    )
    yield _one(
        f"{prefix}_spent_usd", "What the rows of the table cost.", money["spent_usd"]
    )
    yield _one(
        f"{prefix}_retired_usd",
        "Paid earlier for rows that were changed or removed.",
        money["retired_usd"],
    )
    yield _one(
        f"{prefix}_at_risk_usd",
        "Up to this much more may have been charged.",
        money["at_risk_usd"],
    )


def _one(name: str, meaning: str, value: Number) -> _Metric:
    return _Metric(name, meaning, [({}, value)])


def _lines(metric: _Metric, labels: Labels) -> Iterator[str]:
    samples = [sample for sample in metric.samples if sample[1] is not None]
    if not samples:
        return
    yield f"# TYPE {metric.name} gauge"
    yield f"# HELP {metric.name} {metric.meaning}"
    for own_labels, value in samples:
        pairs = {**labels, **own_labels}.items()
        text = ",".join(f'{name}="{_escaped(label)}"' for name, label in pairs)
        yield f"{metric.name}{{{text}}} {_number(value)}"


def _number(value: Number) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(int(value or 0))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
