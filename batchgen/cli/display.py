"""Progress on stderr: a bar in a terminal, plain lines elsewhere, or JSON Lines."""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Protocol, TextIO

import anyio

from batchgen.model import Status, dollars, to_usd
from batchgen.runner.progress import Progress

if TYPE_CHECKING:
    from rich.console import RenderableType

BAR_EVERY_S = 0.25
LINES_EVERY_S = 10.0
STILL_EVERY_S = 60.0
"""A line that says nothing new is written this often: it says that we are alive."""
PLANNING_SILENT_S = 2.0
JSON_EVERY_S = 1.0
RATE_OVER_S = 60.0
RATE_OVER_ROWS = 5
STOPPING = "stopping: replies in flight come in; a second signal stops at once"


def write_error(text: str) -> None:
    """Write a line to stderr, if there still is anybody to read it."""
    _write(sys.stderr, text)


def write_result(text: str) -> None:
    """Write a line to stdout, if there still is anybody to read it."""
    _write(sys.stdout, text)


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text + "\n")
        stream.flush()
    except (OSError, ValueError):
        # The terminal or the reader is gone, and the run goes on without. What is left
        # in the buffer would fail once more at the end, and change the exit code.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One moment of a run, worked out for showing.

    Attributes:
        per_minute: Images stored a minute, of late.
        left_s: Seconds to the end at this pace; None if unknown.
        projected: Nano-dollars at the end at what a row costs; None if unknown.
    """

    phase: str
    done: int
    failed: int
    pending: int
    total: int
    in_flight: int
    images: int
    per_minute: float
    spent: int
    at_risk: int
    projected: int | None
    left_s: float | None
    budgets: tuple[str, ...] = ()

    @property
    def is_early(self) -> bool:
        """Whether nothing can have been bought yet."""
        return self.phase in ("starting", "planning")

    def line(self) -> str:
        """Return the view as one line of text."""
        if self.is_early:
            return f"{self.phase}: {self.total} rows read" if self.total else self.phase
        words = [f"{self.done} of {self.total} done", *self._words(), *self._left()]
        return f"{self.phase}: {', '.join(words)}"

    def below_the_bar(self) -> str:
        """Return the words that stand below a bar, which shows rows and time itself."""
        return ", ".join([f"{self.done} done", *self._words()])

    def beside_the_bar(self) -> str:
        """Return how far the bar is, and how long it will take."""
        ended = self.done + self.failed
        return ", ".join([f"{ended} of {self.total} rows", *self._left()])

    def _words(self) -> list[str]:
        words = [f"{self.failed} failed", f"{self.in_flight} in flight"]
        whole = ""
        if self.phase == "running":
            digits = 0 if self.per_minute >= 10 else 1
            words.append(f"{self.per_minute:.{digits}f} images/min")
            if self.projected is not None:
                whole = f" of about {_cents(self.projected)}"
        words.append(_cents(self.spent) + whole)
        if self.at_risk:
            words.append(f"{_cents(self.at_risk)} at risk")
        return [*words, *self.budgets]

    def _left(self) -> list[str]:
        if self.left_s is None or self.phase != "running":
            return []
        return [f"{_clock(self.left_s)} left"]


class Meter:
    """Turns counters into views: rate, time left, money projected."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._seen: deque[tuple[float, int, int]] = deque()
        self._began: tuple[int, int] | None = None

    def view(self, now: float) -> View:
        """Return how things stand now (monotonic seconds)."""
        progress = self._progress
        rows = progress.rows
        done = rows[Status.SUCCEEDED]
        tried = done + sum(rows[it] for it in (Status.FAILED, Status.REFUSED))
        tried += rows[Status.HELD]
        ended = tried + rows[Status.INVALID]
        pending = max(0, progress.total - ended)
        images_per_s, rows_per_s = self._pace(now, tried)
        return View(
            phase=progress.phase,
            done=done,
            failed=ended - done,
            pending=pending,
            total=progress.total,
            in_flight=progress.in_flight(),
            images=progress.bought,
            per_minute=images_per_s * 60,
            spent=progress.spent,
            at_risk=progress.at_risk,
            projected=self._projected(pending, tried),
            left_s=pending / rows_per_s if rows_per_s > 0 and pending else None,
            budgets=tuple(progress.budgets()),
        )

    def _pace(self, now: float, tried: int) -> tuple[float, float]:
        """Return images and rows a second, over the last minute.

        A slow job is measured over more than that: a few rows at least.
        """
        counts = self._progress.bought, tried
        if not self._seen or self._seen[-1][1:] != counts:
            self._seen.append((now, *counts))
        while len(self._seen) > 1 and (
            self._seen[1][0] < now - RATE_OVER_S
            and tried - self._seen[1][2] >= RATE_OVER_ROWS
        ):
            self._seen.popleft()
        then, bought, ended = self._seen[0]
        span_s = now - then
        if span_s <= 1:
            return 0.0, 0.0
        return (self._progress.bought - bought) / span_s, (tried - ended) / span_s

    def _projected(self, pending: int, tried: int) -> int | None:
        """Return what the folder will have cost: the rest as dear as what was tried."""
        progress = self._progress
        if self._began is None and progress.phase == "running":
            self._began = progress.spent, tried
        if self._began is None or tried <= self._began[1]:
            return None
        each = (progress.spent - self._began[0]) // (tried - self._began[1])
        return progress.spent + pending * each


class Display(Protocol):
    """Shows a run until it is cancelled."""

    async def show(self, progress: Progress) -> None:
        """Show progress until cancelled."""
        ...


class Silence:
    """Shows nothing."""

    async def show(self, progress: Progress) -> None:
        """Show nothing; what must be read now is still said."""
        progress.notice = write_error


class Lines:
    """Plain lines, for a stderr that is no terminal."""

    def __init__(self) -> None:
        self._last = ""
        self._last_at = -inf

    async def show(self, progress: Progress) -> None:
        """Write lines until cancelled, and a last one at the end."""
        progress.notice = write_error
        meter = Meter(progress)
        try:
            await self.follow(progress, meter)
        finally:
            now = anyio.current_time()
            view = meter.view(now)
            if not view.is_early:
                self._write(view, now)

    async def follow(self, progress: Progress, meter: Meter, until: str = "") -> None:
        """Write a line every few seconds, and at once when something else begins."""
        phase, due_at = "starting", inf
        while progress.phase != until:
            now = anyio.current_time()
            view = meter.view(now)
            if view.phase != phase:
                # Most plans are made in a moment, which is not worth a line.
                due_at = now + (PLANNING_SILENT_S if view.is_early else 0.0)
                if view.phase == "stopping":
                    write_error(STOPPING)
            if now >= due_at:
                self._write(view, now)
                due_at = now + LINES_EVERY_S
            phase = view.phase
            await anyio.sleep(BAR_EVERY_S)

    def _write(self, view: View, now: float) -> None:
        line = view.line()
        if line != self._last or now - self._last_at >= STILL_EVERY_S:
            write_error(line)
            self._last_at = now
        self._last = line


class JsonLines:
    """One JSON object a second, for programs."""

    async def show(self, progress: Progress) -> None:
        """Write a JSON line every second, and a last one at the end."""
        progress.notice = lambda text: write_error(json.dumps({"notice": text}))
        meter = Meter(progress)
        try:
            while True:
                self._write(meter)
                await anyio.sleep(JSON_EVERY_S)
        finally:
            self._write(meter)

    @staticmethod
    def _write(meter: Meter) -> None:
        write_error(json.dumps(as_json(meter.view(anyio.current_time()))))


def as_json(view: View) -> dict[str, object]:
    """Return a view as JSON values; money as text, exact."""
    return {
        "phase": view.phase,
        "rows": view.total,
        "done": view.done,
        "failed": view.failed,
        "pending": view.pending,
        "in_flight": view.in_flight,
        "images": view.images,
        "images_per_minute": round(view.per_minute, 1),
        "spent_usd": dollars(view.spent)[1:],
        "at_risk_usd": dollars(view.at_risk)[1:],
        "projected_usd": view.projected and dollars(view.projected)[1:],
        "left_s": view.left_s and round(view.left_s),
        "budgets": list(view.budgets),
    }


class Bar:
    """A bar in a terminal, gone when the summary comes."""

    async def show(self, progress: Progress) -> None:
        """Draw the bar until cancelled."""
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        meter = Meter(progress)
        progress.notice = write_error
        # No bar yet: a question may come, and the bar would be drawn over it.
        await Lines().follow(progress, meter, until="running")
        try:
            with Live(console=console, auto_refresh=False, transient=True) as live:
                progress.notice = lambda text: console.print(text, markup=False)
                while progress.phase not in ("stopping", "writing"):
                    view = meter.view(anyio.current_time())
                    live.update(_drawn(view), refresh=True)
                    await anyio.sleep(BAR_EVERY_S)
        except OSError:
            pass  # the terminal was closed
        progress.notice = write_error
        await Lines().follow(progress, meter)


def _drawn(view: View) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(no_wrap=True)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    total = view.total or None
    drawn = ProgressBar(total, view.done + view.failed, pulse=not total)
    beside = view.beside_the_bar() if total else ""
    bar.add_row(Text(view.phase), drawn, Text(beside))
    return Group(bar, Text(view.below_the_bar()))


def choose_display(*, quiet: bool, json_lines: bool) -> Display:
    """Return how progress is to be shown."""
    if quiet:
        return Silence()
    if json_lines:
        return JsonLines()
    return Bar() if sys.stderr.isatty() else Lines()


def _cents(nano: int) -> str:
    """Write money as it is shown in passing; sums at the end are exact."""
    return f"${to_usd(nano):.2f}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
