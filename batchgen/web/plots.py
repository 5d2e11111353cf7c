"""Plots as SVG: a title, two axes with units, and bars or a line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from markupsafe import Markup

from batchgen.engines.timeline import Timeline
from batchgen.model import NANO

_WIDTH, _HEIGHT = 520, 278
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 22, 42, 70
_CHARACTER = 12.5
"""Width of a character of a label where labels are largest: in a narrow drawing, whose
letters the style sheet enlarges, so that they can still be read on a phone [measured:
20 units high in DejaVu Sans, one of the widest]."""
_GAP = 12.0
"""Between two labels on the same line, at least."""
_MOST_BARS = 30
_DAY_S = 86400.0
_TIME_STEPS_S = (
    *(1, 2, 5, 10, 15, 30),
    *(it * 60 for it in (1, 2, 5, 10, 15, 30)),
    *(it * 3600 for it in (1, 2, 3, 6, 12, 24, 48, 96, 168)),
)


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing, and the same as a table for who does not see it."""

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
    """Return what was spent over time; `pretend` marks what a rehearsal charged."""
    title = "Pretend cost over time" if pretend else "Spent over time"
    usd = [it / NANO for it in timeline.spent]
    upright = _upright("US dollars", max(usd))
    time = _time(timeline)
    starts = [timeline.start.timestamp(), *_seconds(timeline)]
    points = " ".join(
        f"{_x(time, at)},{_y(upright, it)}"
        for at, it in zip(starts, [0.0, *usd], strict=True)
    )
    line = Markup('<polyline class="line" points="{}"/>').format(points)
    lines = [
        (_clock(at), f"${it:,.2f}")
        for at, it in zip(timeline.moments(), usd, strict=True)
    ]
    return Plot(
        title,
        f"From $0 to ${usd[-1]:,.2f}, charged for certain, dropped rows included.",
        _drawing(title, time, upright, line),
        ("until (UTC)", "pretend cost" if pretend else "spent"),
        lines,
    )


def throughput(timeline: Timeline, limit: float | None) -> Plot:
    """Return the purchases a minute, against those that were allowed."""
    rates = timeline.per_minute()
    upright = _upright("purchases a minute", max(*rates, limit or 0.0))
    time = _time(timeline)
    starts = [timeline.start.timestamp(), *_seconds(timeline)]
    marks = _bars(time, upright, starts, rates)
    said = "no limit in a minute is known"
    if limit is not None:
        said = f"at most {limit:g} a minute were allowed"
        marks += Markup('<path class="limit" d="M{} {}H{}"/>').format(
            _LEFT, _y(upright, limit), _WIDTH - _RIGHT
        )
    return Plot(
        "Purchases a minute",
        f"{max(timeline.purchases):,} in the busiest {_span(timeline.step_s)}; {said}.",
        _drawing("Purchases a minute", time, upright, marks),
        ("until (UTC)", "purchases a minute"),
        [
            (_clock(at), f"{it:,.1f}")
            for at, it in zip(timeline.moments(), rates, strict=True)
        ],
    )


def latency(latencies_s: Sequence[float]) -> Plot:
    """Return how long purchases took that succeeded.

    Args:
        latencies_s: Ascending, at least one.
    """
    half, most = (_quantile(latencies_s, it) for it in (0.5, 0.95))
    # The few that took far longer would press all others into one bar.
    high = min(latencies_s[-1], 2 * most) or 1.0
    width = _nice(high / _MOST_BARS)
    edges = [width * it for it in range(math.ceil(high / width) + 1)]
    counts = [0] * (len(edges) - 1)
    for it in latencies_s:
        counts[min(int(it / width), len(counts) - 1)] += 1
    upright = _upright("rows", max(counts))
    ticks = [(it, f"{it:g}") for it in _steps(edges[-1])]
    across = _Axis("seconds until delivered", 0.0, edges[-1], ticks)
    beyond = sum(it > edges[-1] for it in latencies_s)
    more = f" The last bar holds {beyond:,} that took longer." if beyond else ""
    return Plot(
        "Latency",
        f"Half took at most {half:.3g} s, 95 of 100 at most {most:.3g} s, the longest "
        f"{latencies_s[-1]:.3g} s.{more}",
        _drawing("Latency", across, upright, _bars(across, upright, edges, counts)),
        ("seconds", "rows"),
        [
            (f"{low:.3g} to {top:.3g}", f"{it:,}")
            for (low, top), it in zip(pairwise(edges), counts, strict=True)
        ],
    )


def _drawing(title: str, across: _Axis, upright: _Axis, marks: Markup) -> Markup:
    parts = [
        Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
            _WIDTH, _HEIGHT, f"{title}: {upright.label} by {across.label}"
        )
    ]
    for value, text in upright.ticks:
        y = _y(upright, value)
        parts.append(
            Markup(
                '<path class="grid" d="M{} {}H{}"/>'
                '<text x="{}" y="{}" dy=".35em" text-anchor="end">{}</text>'
            ).format(_LEFT, y, _WIDTH - _RIGHT, _LEFT - 6, y, text)
        )
    parts += _across_labels(across)
    bottom = _HEIGHT - _BOTTOM
    parts += [
        marks,
        Markup('<path class="axis" d="M{} {}V{}H{}"/>').format(
            _LEFT, _TOP, bottom, _WIDTH - _RIGHT
        ),
        Markup('<text class="label" x="{}" y="{}" text-anchor="end">{}</text>').format(
            _WIDTH - _RIGHT, _HEIGHT - 8, across.label
        ),
        Markup('<text class="label" x="0" y="{}">{}</text></svg>').format(
            _TOP - 22, upright.label
        ),
    ]
    return Markup("").join(parts)


def _across_labels(axis: _Axis) -> list[Markup]:
    """Return the labels below the axis; a narrow drawing leaves some of them out.

    One that would stand out at the right end is moved inwards.
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
    across: _Axis, upright: _Axis, edges: Sequence[float], heights: Sequence[float]
) -> Markup:
    base = _y(upright, 0.0)
    return Markup("").join(
        Markup('<path class="bar" d="M{} {}V{}H{}V{}"/>').format(
            _x(across, low), base, _y(upright, it), _x(across, high), base
        )
        for (low, high), it in zip(pairwise(edges), heights, strict=True)
        if it
    )


def _upright(label: str, highest: float) -> _Axis:
    ticks = _steps(highest or 1.0)
    texts = [(tick, _short(tick)) for tick in ticks]
    return _Axis(label, 0.0, max(highest, ticks[-1]), texts)


def _time(timeline: Timeline) -> _Axis:
    low, high = timeline.start.timestamp(), _seconds(timeline)[-1]
    step = next((it for it in _TIME_STEPS_S if (high - low) / it <= 5), 30 * _DAY_S)
    first = math.ceil(low / step) * step
    ticks = [first + step * it for it in range(int((high - first) // step) + 1)]
    pattern = "%H:%M:%S" if step < 60 else "%H:%M" if step < _DAY_S else "%d %b"
    texts = [(it, datetime.fromtimestamp(it, UTC).strftime(pattern)) for it in ticks]
    return _Axis(f"time (UTC), {timeline.start:%Y-%m-%d}", low, high, texts)


def _seconds(timeline: Timeline) -> list[float]:
    return [it.timestamp() for it in timeline.moments()]


def _steps(highest: float) -> list[float]:
    step = _nice(highest / 4)
    return [step * it for it in range(math.floor(highest / step + 1e-9) + 1)]


def _short(value: float) -> str:
    """Return a number for a label, short enough for the margin."""
    if value >= 1e6:
        return f"{value / 1e6:,.10g}M"
    return f"{value / 1e3:.10g}k" if value >= 1e4 else f"{value:,.10g}"


def _nice(step: float) -> float:
    """Return the next number of 1, 2 or 5 with zeros."""
    unit = 10.0 ** math.floor(math.log10(step))
    return next(unit * it for it in (1, 2, 5, 10) if unit * it >= step * (1 - 1e-9))


def _quantile(ascending: Sequence[float], share: float) -> float:
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]


def _x(axis: _Axis, value: float) -> float:
    return round(_LEFT + axis.share(value) * (_WIDTH - _LEFT - _RIGHT), 1)


def _y(axis: _Axis, value: float) -> float:
    return round(_HEIGHT - _BOTTOM - axis.share(value) * (_HEIGHT - _TOP - _BOTTOM), 1)


def _span(seconds: int) -> str:
    for unit, name in ((3600, "hours"), (60, "minutes")):
        if seconds % unit == 0:
            return f"{seconds // unit} {name}" if seconds > unit else name[:-1]
    return f"{seconds} seconds" if seconds > 1 else "second"


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
