"""Progress on stderr: a bar in a terminal, plain lines elsewhere, or JSON Lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Any

import anyio

from batchgen.addresses.characters import visible
from batchgen.cli.json_fields import budget_fields, rows_by_status
from batchgen.cli.messages import write_document, write_error, write_notice
from batchgen.cli.meter import Meter, View
from batchgen.cli.signals import stopping_line
from batchgen.cli.standard_streams import unescaped
from batchgen.model import now_micros, to_usd, utc
from batchgen.runner.progress import Progress

if TYPE_CHECKING:
    from rich.console import RenderableType

BAR_EVERY_S = 0.25
LINES_EVERY_S = 10.0
STILL_EVERY_S = 60.0
"""An unchanged line is written again after this time, as a sign of life."""
PLANNING_SILENT_S = 2.0
JSON_EVERY_S = 1.0


Display = Callable[[Progress], Coroutine[Any, Any, None]]
"""Shows a run until it is cancelled."""


async def show_nothing(progress: Progress) -> None:
    """Show no progress; notices are written all the same."""


class LineDisplay:
    """Plain lines, for a stderr that is no terminal."""

    def __init__(self) -> None:
        self._last = ""
        self._last_at = -inf

    async def show(self, progress: Progress) -> None:
        """Write lines until cancelled, and a last one at the end."""
        meter = Meter(progress)
        try:
            await self.follow(progress, meter)
        finally:
            now = anyio.current_time()
            view = meter.view(now)
            if not view.is_early:
                self._write(view, now)

    async def follow(self, progress: Progress, meter: Meter, until: str = "") -> None:
        """Write a line every few seconds, and at once when a new phase begins."""
        last_state, due_at = ("starting", True), inf
        while progress.phase != until:
            now = anyio.current_time()
            view = meter.view(now)
            state = view.phase, view.is_early
            if state != last_state:
                # Most plans are made in a moment, which is not worth a line.
                due_at = now + (PLANNING_SILENT_S if view.is_early else 0.0)
                if view.phase == "stopping" and progress.stop is not None:
                    write_error(stopping_line(progress.stop))
            if now >= due_at:
                self._write(view, now)
                due_at = now + LINES_EVERY_S
            last_state = state
            await anyio.sleep(BAR_EVERY_S)

    def _write(self, view: View, now: float) -> None:
        line = view.line()
        if line != self._last or now - self._last_at >= STILL_EVERY_S:
            write_error(line)
            self._last_at = now
        self._last = line


async def show_json_lines(progress: Progress) -> None:
    """Write a JSON document every second until cancelled, and a last one at the end."""
    meter = Meter(progress)

    def write() -> None:
        view = meter.view(anyio.current_time())
        write_document("progress", progress_fields(view, utc(now_micros())))

    try:
        while True:
            write()
            await anyio.sleep(JSON_EVERY_S)
    finally:
        write()


async def show_bar(progress: Progress) -> None:
    """Draw a bar until cancelled; it disappears before the summary."""
    # Imported here: rich is needed in terminals only.
    from rich.console import Console
    from rich.live import Live

    console = Console(file=unescaped(sys.stderr))
    meter = Meter(progress)
    # No bar yet: it would be drawn over the question for consent.
    await LineDisplay().follow(progress, meter, until="running")
    try:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            progress.notice = lambda text: console.print(visible(text), markup=False)
            while progress.phase not in ("stopping", "writing"):
                live.update(_bar(meter.view(anyio.current_time())), refresh=True)
                await anyio.sleep(BAR_EVERY_S)
    except OSError:
        pass  # the terminal was closed
    progress.notice = write_notice
    await LineDisplay().follow(progress, meter)


def _bar(view: View) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(no_wrap=True)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    total = view.total or None
    beside = view.beside_the_bar() if total else ""
    progress_bar = ProgressBar(total, view.ended, pulse=not total)
    bar.add_row(Text(view.phase), progress_bar, Text(visible(beside)))
    return Group(bar, Text(visible(view.below_the_bar())))


def choose_display(*, quiet: bool, json_lines: bool) -> Display:
    """Return the display for this run."""
    if quiet:
        return show_nothing
    if json_lines:
        return show_json_lines
    return show_bar if _may_draw() else LineDisplay().show


def _may_draw() -> bool:
    """Tell whether stderr is a terminal on which colours and motion are welcome."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stderr.isatty() and not is_plain


def progress_fields(view: View, at: datetime) -> dict[str, Any]:
    """Return the progress at one moment; unknown values are null."""
    return {
        "at": at,
        "phase": view.phase,
        "rehearsed": view.rehearsed,
        "rows": rows_by_status(view.rows),
        "in_flight": view.in_flight,
        "images_this_run": view.images,
        "images_per_minute": round(view.per_minute, 1),
        "spent_usd": to_usd(view.spent - view.superseded),
        "retired_usd": to_usd(view.superseded),
        "at_risk_usd": to_usd(view.at_risk),
        "projected_usd": None if view.projected is None else to_usd(view.projected),
        "left_s": None if view.left_s is None else round(view.left_s),
        "left_reason": view.left_reason or None,
        "budgets": [budget_fields(*level) for level in view.budget_levels],
    }
