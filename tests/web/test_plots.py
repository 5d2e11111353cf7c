"""Plots hold whatever a run may have been: one purchase, none charged, long pauses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from batchgen.engines.timeline import Timeline
from batchgen.web.plots import latency, spending, throughput

START = datetime(2026, 11, 20, 23, 59, tzinfo=UTC)


def timeline(
    purchases: Sequence[int], spent: Sequence[int], step_s: int = 60
) -> Timeline:
    return Timeline(start=START, step_s=step_s, purchases=purchases, spent=spent)


@pytest.mark.parametrize(
    "it",
    [
        pytest.param(timeline([1], [0]), id="one-free"),
        pytest.param(timeline([0, 7], [0, 92_500_000], 1), id="a-second"),
        pytest.param(timeline([3] + [0] * 118 + [9], [5] * 120, 86_400), id="months"),
        pytest.param(timeline([10**6], [10**15]), id="a-million"),
    ],
)
@pytest.mark.parametrize("limit", [None, 60.0, 1e6])
def test_every_point_of_a_plot_lies_on_it(it: Timeline, limit: float | None) -> None:
    for plot in (spending(it), throughput(it, limit)):
        places = re.findall(r"[ML\" ](-?[\d.]+)[ ,](-?[\d.]+)", plot.drawing)
        assert all(0 <= float(x) <= 520 and 0 <= float(y) <= 278 for x, y in places)
        assert len(plot.lines) == len(it.purchases)
        assert "nan" not in plot.drawing


COURSES = [
    pytest.param(timeline([1], [0]), id="one-free"),
    pytest.param(timeline([0, 7], [0, 92_500_000], 1), id="a-second"),
    pytest.param(timeline([3] * 7, [5] * 7, 1), id="seconds"),
    pytest.param(timeline([3] * 60, [5_000_000] * 60, 60), id="an-hour"),
    pytest.param(timeline([3] + [0] * 118 + [9], [5] * 120, 86_400), id="months"),
    pytest.param(timeline([10**6], [10**15]), id="a-million"),
]
_LABEL = re.compile(
    r'<text( class="fine"| class="label")? x="([-\d.]+)" y="([-\d.]+)"( dy="\.35em")?'
    r'(?: text-anchor="(\w+)")?>([^<]*)</text>'
)

Box = tuple[str, float, float, float, float]


def boxes(drawing: str, letter: float, *, is_narrow: bool) -> list[Box]:
    """Return where labels stand: text, left, right, top and bottom."""
    found = []
    for kind, x, y, is_middle, anchor, text in _LABEL.findall(drawing):
        if is_narrow and "fine" in kind:
            continue
        width = len(text) * letter * (0.625 if "label" not in kind else 0.58)
        left = float(x) - width * {"middle": 0.5, "end": 1.0}.get(anchor, 0.0)
        base = float(y) + (0.35 * letter if is_middle else 0.0)
        found.append((text, left, left + width, base - 0.75 * letter, base))
    assert len(found) > 2
    return found


@pytest.mark.parametrize("it", COURSES)
@pytest.mark.parametrize(
    ("letter", "is_narrow"),
    [pytest.param(20.0, True, id="phone"), pytest.param(14.0, False, id="desk")],
)
def test_no_label_lies_upon_another_or_beside_the_drawing(
    it: Timeline, letter: float, *, is_narrow: bool
) -> None:
    some = [spending(it), throughput(it, 60.0), latency([0.1 * n for n in range(300)])]
    for plot in some:
        labels = boxes(plot.drawing, letter, is_narrow=is_narrow)
        for number, (text, left, right, top, bottom) in enumerate(labels):
            assert left >= -1, text
            assert right <= 521, text
            for other in labels[number + 1 :]:
                is_beside = right <= other[1] + 1 or other[2] <= left + 1
                is_above = bottom <= other[3] + 1 or other[4] <= top + 1
                assert is_beside or is_above, (text, other[0])


def test_a_narrow_drawing_leaves_labels_out_and_keeps_the_first() -> None:
    drawing = spending(timeline([3] * 5, [5] * 5, 1)).drawing

    across = [
        it for it in _LABEL.findall(drawing) if ":" in it[5] and "UTC" not in it[5]
    ]
    shown = [it[5] for it in across if "fine" not in it[0]]
    assert len(across) > len(shown) >= 2
    assert shown[0] == across[0][5]


def test_the_limit_is_named_and_drawn_where_it_is_known() -> None:
    known = throughput(timeline([30, 60], [0, 0]), 60.0)
    unknown = throughput(timeline([30, 60], [0, 0]), None)

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
