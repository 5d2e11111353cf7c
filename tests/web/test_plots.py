"""Plots hold whatever a run may have been: one purchase, none charged, long pauses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from batchgen.engines.course import Course
from batchgen.web.plots import latency, spending, throughput

START = datetime(2026, 11, 20, 23, 59, tzinfo=UTC)


def course(purchases: Sequence[int], spent: Sequence[int], step_s: int = 60) -> Course:
    return Course(start=START, step_s=step_s, purchases=purchases, spent=spent)


@pytest.mark.parametrize(
    "it",
    [
        pytest.param(course([1], [0]), id="one-free"),
        pytest.param(course([0, 7], [0, 92_500_000], 1), id="a-second"),
        pytest.param(course([3] + [0] * 118 + [9], [5] * 120, 86_400), id="months"),
        pytest.param(course([10**6], [10**15]), id="a-million"),
    ],
)
@pytest.mark.parametrize("limit", [None, 60.0, 1e6])
def test_every_point_of_a_plot_lies_on_it(it: Course, limit: float | None) -> None:
    for plot in (spending(it), throughput(it, limit)):
        places = re.findall(r"[ML\" ](-?[\d.]+)[ ,](-?[\d.]+)", plot.drawing)
        assert all(0 <= float(x) <= 520 and 0 <= float(y) <= 250 for x, y in places)
        assert len(plot.lines) == len(it.purchases)
        assert "nan" not in plot.drawing


def test_the_limit_is_named_and_drawn_where_it_is_known() -> None:
    known = throughput(course([30, 60], [0, 0]), 60.0)
    unknown = throughput(course([30, 60], [0, 0]), None)

    assert "60 in the busiest minute; at most 60 a minute were allowed" in known.summary
    assert 'class="limit"' in known.drawing
    assert "no limit in a minute is known" in unknown.summary
    assert 'class="limit"' not in unknown.drawing


@pytest.mark.parametrize(
    "latencies_s",
    [
        pytest.param([0.0], id="no-time"),
        pytest.param([3.0] * 5, id="all-alike"),
        pytest.param([*[2.0] * 99, 3600.0], id="one-took-an-hour"),
        pytest.param([0.1 * it for it in range(1, 300)], id="many"),
    ],
)
def test_every_latency_is_in_one_bar(latencies_s: list[float]) -> None:
    plot = latency(latencies_s)

    assert sum(int(rows) for _, rows in plot.lines) == len(latencies_s)
    assert len(plot.lines) <= 40
