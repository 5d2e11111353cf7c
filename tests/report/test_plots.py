"""Plots hold whatever a run may have been: one purchase, none charged, long pauses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from batchgen.report.plots import latency, spending, throughput
from batchgen.report.timeline import Timeline

START = datetime(2026, 11, 20, 23, 59, tzinfo=UTC)


def timeline_of(
    purchases: Sequence[int], spent: Sequence[int], step_s: int = 60
) -> Timeline:
    return Timeline(start=START, step_s=step_s, purchases=purchases, spent=spent)


TIMELINES = [
    pytest.param(timeline_of([1], [0]), id="one-free"),
    pytest.param(timeline_of([0, 7], [0, 92_500_000], 1), id="a-second"),
    pytest.param(timeline_of([3] * 7, [5] * 7, 1), id="seconds"),
    pytest.param(timeline_of([3] * 60, [5_000_000] * 60, 60), id="an-hour"),
    pytest.param(timeline_of([3] + [0] * 118 + [9], [5] * 120, 86_400), id="months"),
    pytest.param(timeline_of([10**6], [10**15]), id="a-million"),
]


@pytest.mark.parametrize("timeline", TIMELINES)
@pytest.mark.parametrize("limit", [None, 60.0, 1e6])
def test_every_point_of_a_plot_lies_on_it(
    timeline: Timeline, limit: float | None
) -> None:
    for plot in (spending(timeline), throughput(timeline, limit)):
        places = re.findall(r"[ML\" ](-?[\d.]+)[ ,](-?[\d.]+)", plot.drawing)
        assert all(0 <= float(x) <= 520 and 0 <= float(y) <= 278 for x, y in places)
        assert len(plot.lines) == len(timeline.purchases)
        assert "nan" not in plot.drawing


_LABEL = re.compile(
    r'<text( class="fine"| class="label")? x="([-\d.]+)" y="([-\d.]+)"( dy="\.35em")?'
    r'(?: text-anchor="(\w+)")?>([^<]*)</text>'
)

Box = tuple[str, float, float, float, float]


def boxes(drawing: str, letter: float, *, is_narrow: bool) -> list[Box]:
    """Return where labels stand: text, left, right, top and bottom."""
    boxes = []
    for kind, x, y, is_middle, anchor, text in _LABEL.findall(drawing):
        if is_narrow and "fine" in kind:
            continue
        width = len(text) * letter * (0.625 if "label" not in kind else 0.58)
        left = float(x) - width * {"middle": 0.5, "end": 1.0}.get(anchor, 0.0)
        base = float(y) + (0.35 * letter if is_middle else 0.0)
        boxes.append((text, left, left + width, base - 0.75 * letter, base))
    assert len(boxes) > 2
    return boxes


@pytest.mark.parametrize("timeline", TIMELINES)
@pytest.mark.parametrize(
    ("letter", "is_narrow"),
    [pytest.param(20.0, True, id="phone"), pytest.param(14.0, False, id="desk")],
)
def test_no_label_lies_upon_another_or_beside_the_drawing(
    timeline: Timeline, letter: float, *, is_narrow: bool
) -> None:
    some = [
        spending(timeline),
        throughput(timeline, 60.0),
        latency([0.1 * n for n in range(300)]),
    ]
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
    drawing = spending(timeline_of([3] * 5, [5] * 5, 1)).drawing

    across = [
        label
        for label in _LABEL.findall(drawing)
        if ":" in label[5] and "UTC" not in label[5]
    ]
    labels = [label[5] for label in across if "fine" not in label[0]]
    assert len(across) > len(labels) >= 2
    assert labels[0] == across[0][5]


def test_the_limit_is_named_and_drawn_where_it_is_known() -> None:
    limited = throughput(timeline_of([30, 60], [0, 0]), 60.0)
    unlimited = throughput(timeline_of([30, 60], [0, 0]), None)

    assert (
        "60 in the busiest minute; at most 60 a minute were allowed" in limited.summary
    )
    assert 'class="limit"' in limited.drawing
    assert "no limit in a minute is known" in unlimited.summary
    assert 'class="limit"' not in unlimited.drawing


@pytest.mark.parametrize(
    "latencies_s",
    [
        pytest.param([0.0], id="no-time"),
        pytest.param([3.0] * 5, id="all-alike"),
        pytest.param([*[2.0] * 99, 3600.0], id="one-took-an-hour"),
        pytest.param([0.1 * number for number in range(1, 300)], id="many"),
    ],
)
def test_every_latency_is_in_one_bar(latencies_s: list[float]) -> None:
    plot = latency(latencies_s)

    assert sum(int(rows) for _, rows in plot.lines) == len(latencies_s)
    assert len(plot.lines) <= 40
