"""Plots as SVG: a title, two axes with units, and bars or a line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from markupsafe import Markup

from batchgen.model import NANO
from batchgen.report.timeline import STEPS_S, Timeline

_WIDTH, _HEIGHT = 520, 278
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 22, 42, 70
_CHARACTER = 12.5
"""Largest width of a character of a label. In a narrow drawing the style sheet enlarges
the letters, to be readable on a phone [measured: 20 units high in DejaVu Sans, one of
the widest fonts]."""
_GAP = 12.0
"""Minimum distance of two labels on the same line."""
_MAX_BARS = 30
_DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing, and the same data as a table for screen readers."""

    title: str
    summary: str
    drawing: Markup
    heads: tuple[str, str]
    lines: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Axis:
    label: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]

    def share(self, value: float) -> float:
        return (value - self.low) / ((self.high - self.low) or 1.0)


def spending(timeline: Timeline, *, pretend: bool = False) -> Plot:
    """Return the plot of spending over time; `pretend` marks money of a rehearsal."""
    title = "Pretend cost over time" if pretend else "Spent over time"
    usd = [nano / NANO for nano in timeline.spent]
    vertical = _vertical_axis("US dollars", max(usd))
    time = _time_axis(timeline)
    starts = [timeline.start.timestamp(), *_seconds(timeline)]
    points = " ".join(
        f"{_x(time, at)},{_y(vertical, dollars)}"
        for at, dollars in zip(starts, [0.0, *usd], strict=True)
    )
    line = Markup('<polyline class="line" points="{}"/>').format(points)
    lines = [
        (_format_time(at), f"${dollars:,.2f}")
        for at, dollars in zip(timeline.moments(), usd, strict=True)
    ]
    return Plot(
        title,
        f"From $0 to ${usd[-1]:,.2f}, charged for certain, dropped rows included.",
        _drawing(title, time, vertical, line),
        ("until (UTC)", "pretend cost" if pretend else "spent"),
        lines,
    )


def throughput(timeline: Timeline, limit: float | None) -> Plot:
    """Return the plot of purchases a minute, with the limit if there is one."""
    rates = timeline.per_minute()
    vertical = _vertical_axis("purchases a minute", max(*rates, limit or 0.0))
    time = _time_axis(timeline)
    starts = [timeline.start.timestamp(), *_seconds(timeline)]
    marks = _bars(time, vertical, starts, rates)
    limit_text = "no limit in a minute is known"
    if limit is not None:
        limit_text = f"at most {limit:g} a minute were allowed"
        marks += Markup('<path class="limit" d="M{} {}H{}"/>').format(
            _LEFT, _y(vertical, limit), _WIDTH - _RIGHT
        )
    return Plot(
        "Purchases a minute",
        f"{max(timeline.purchases):,} in the busiest {_format_span(timeline.step_s)}; "
        f"{limit_text}.",
        _drawing("Purchases a minute", time, vertical, marks),
        ("until (UTC)", "purchases a minute"),
        [
            (_format_time(at), f"{rate:,.1f}")
            for at, rate in zip(timeline.moments(), rates, strict=True)
        ],
    )


def latency(latencies_s: Sequence[float]) -> Plot:
    """Return the plot of the latencies of successful purchases.

    Args:
        latencies_s: Ascending, at least one.
    """
    median, p95 = (_quantile(latencies_s, share) for share in (0.5, 0.95))
    edges, counts = _histogram(latencies_s, p95)
    vertical = _vertical_axis("rows", max(counts))
    ticks = [(tick, f"{tick:g}") for tick in _steps(edges[-1])]
    horizontal = _Axis("seconds until delivered", 0.0, edges[-1], ticks)
    bars = _bars(horizontal, vertical, edges, counts)
    beyond = sum(latency_s > edges[-1] for latency_s in latencies_s)
    more = f" The last bar holds {beyond:,} that took longer." if beyond else ""
    return Plot(
        "Latency",
        f"Half took at most {median:.3g} s, 95 of 100 at most {p95:.3g} s, the longest "
        f"{latencies_s[-1]:.3g} s.{more}",
        _drawing("Latency", horizontal, vertical, bars),
        ("seconds", "rows"),
        [
            (f"{low:.3g} to {high:.3g}", f"{count:,}")
            for (low, high), count in zip(pairwise(edges), counts, strict=True)
        ],
    )


def _histogram(
    latencies_s: Sequence[float], p95: float
) -> tuple[list[float], list[int]]:
    """Return the edges of the bars and the height of each bar."""
    # A few extreme values would squeeze all others into one bar.
    high = min(latencies_s[-1], 2 * p95) or 1.0
    width = _round_step(high / _MAX_BARS)
    edges = [width * number for number in range(math.ceil(high / width) + 1)]
    counts = [0] * (len(edges) - 1)
    for latency_s in latencies_s:
        counts[min(int(latency_s / width), len(counts) - 1)] += 1
    return edges, counts


def _drawing(title: str, horizontal: _Axis, vertical: _Axis, marks: Markup) -> Markup:
    parts = [
        Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
            _WIDTH, _HEIGHT, f"{title}: {vertical.label} by {horizontal.label}"
        )
    ]
    for value, text in vertical.ticks:
        y = _y(vertical, value)
        parts.append(
            Markup(
                '<path class="grid" d="M{} {}H{}"/>'
                '<text x="{}" y="{}" dy=".35em" text-anchor="end">{}</text>'
            ).format(_LEFT, y, _WIDTH - _RIGHT, _LEFT - 6, y, text)
        )
    parts += _horizontal_labels(horizontal)
    bottom = _HEIGHT - _BOTTOM
    parts += [
        marks,
        Markup('<path class="axis" d="M{} {}V{}H{}"/>').format(
            _LEFT, _TOP, bottom, _WIDTH - _RIGHT
        ),
        Markup('<text class="label" x="{}" y="{}" text-anchor="end">{}</text>').format(
            _WIDTH - _RIGHT, _HEIGHT - 8, horizontal.label
        ),
        Markup('<text class="label" x="0" y="{}">{}</text></svg>').format(
            _TOP - 22, vertical.label
        ),
    ]
    return Markup("").join(parts)


def _horizontal_labels(axis: _Axis) -> list[Markup]:
    """Return the labels below the axis; a narrow drawing hides those that overlap.

    A label that would cross the right edge is moved inwards.
    """
    width = max((len(text) for _, text in axis.ticks), default=0) * _CHARACTER
    labels, free_from = [], -math.inf
    for value, text in axis.ticks:
        x = _x(axis, value)
        is_outside = x + width / 2 > _WIDTH
        left = _WIDTH - width if is_outside else x - width / 2
        anchor, at = ("end", float(_WIDTH)) if is_outside else ("middle", x)
        is_shown_always = left >= free_from
        if is_shown_always:
            free_from = left + width + _GAP
        labels.append(
            Markup('<text{} x="{}" y="{}" text-anchor="{}">{}</text>').format(
                Markup("" if is_shown_always else ' class="fine"'),  # noqa: S704 - ours
                round(at, 1),
                _HEIGHT - _BOTTOM + 34,
                anchor,
                text,
            )
        )
    return labels


def _bars(
    horizontal: _Axis, vertical: _Axis, edges: Sequence[float], heights: Sequence[float]
) -> Markup:
    base = _y(vertical, 0.0)
    return Markup("").join(
        Markup('<path class="bar" d="M{} {}V{}H{}V{}"/>').format(
            _x(horizontal, low), base, _y(vertical, height), _x(horizontal, high), base
        )
        for (low, high), height in zip(pairwise(edges), heights, strict=True)
        if height
    )


def _vertical_axis(label: str, highest: float) -> _Axis:
    ticks = _steps(highest or 1.0)
    texts = [(tick, _format_number(tick)) for tick in ticks]
    return _Axis(label, 0.0, max(highest, ticks[-1]), texts)


def _time_axis(timeline: Timeline) -> _Axis:
    low, high = timeline.start.timestamp(), _seconds(timeline)[-1]
    step = next(
        (step_s for step_s in STEPS_S if (high - low) / step_s <= 5), 30 * _DAY_S
    )
    first = math.ceil(low / step) * step
    ticks = [first + step * number for number in range(int((high - first) // step) + 1)]
    pattern = "%H:%M:%S" if step < 60 else "%H:%M" if step < _DAY_S else "%d %b"
    texts = [
        (tick, datetime.fromtimestamp(tick, UTC).strftime(pattern)) for tick in ticks
    ]
    return _Axis(f"time (UTC), {timeline.start:%Y-%m-%d}", low, high, texts)


def _seconds(timeline: Timeline) -> list[float]:
    return [moment.timestamp() for moment in timeline.moments()]


def _steps(highest: float) -> list[float]:
    step = _round_step(highest / 4)
    return [step * number for number in range(math.floor(highest / step + 1e-9) + 1)]


def _format_number(value: float) -> str:
    """Return a number that is short enough for the margin."""
    if value >= 1e6:
        return f"{value / 1e6:,.10g}M"
    return f"{value / 1e3:.10g}k" if value >= 1e4 else f"{value:,.10g}"


def _round_step(step: float) -> float:
    """Return the next larger 1, 2 or 5 times a power of ten."""
    unit = 10.0 ** math.floor(math.log10(step))
    return next(
        unit * factor for factor in (1, 2, 5, 10) if unit * factor >= step * (1 - 1e-9)
    )


def _quantile(ascending: Sequence[float], share: float) -> float:
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]


def _x(axis: _Axis, value: float) -> float:
    return round(_LEFT + axis.share(value) * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(axis: _Axis, value: float) -> float:
    return round(_HEIGHT - _BOTTOM - axis.share(value) * (_HEIGHT - _TOP - _BOTTOM), 1)


def _format_span(seconds: int) -> str:
    for unit, name in ((3600, "hours"), (60, "minutes")):
        if seconds % unit == 0:
            return f"{seconds // unit} {name}" if seconds > unit else name[:-1]
    return f"{seconds} seconds" if seconds > 1 else "second"


def _format_time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
