"""Progress on stderr: a bar in a terminal, plain lines elsewhere, or JSON Lines."""

from __future__ import annotations

import json
import sys
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import anyio

from batchgen.cli.money import dollars
from batchgen.model import Status
from batchgen.runner.progress import Progress

BAR_EVERY_S = 0.25
LINES_EVERY_S = 10.0
JSON_EVERY_S = 1.0
RATE_OVER_S = 60.0


def write_error(text: str) -> None:
    """Write a line to stderr, if there still is anybody to read it."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # the terminal was closed: the run goes on without it


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One moment of a run, worked out for showing.

    Attributes:
        per_minute: Images stored in the last minute.
        left_s: Seconds to the end at this pace; None if unknown.
        projected: Nano-dollars at the end at this price an image; None if unknown.
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

    def line(self) -> str:
        """Return the view as one line of text."""
        left = "" if self.left_s is None else f", {_clock(self.left_s)} left"
        whole = "" if self.projected is None else f" of about {dollars(self.projected)}"
        risk = f", {dollars(self.at_risk)} at risk" if self.at_risk else ""
        return (
            f"{self.phase}: {self.done} of {self.total} done, {self.failed} failed, "
            f"{self.in_flight} in flight, {self.per_minute:.0f} images/min, "
            f"{dollars(self.spent)}{whole}{risk}{left}"
        )


class Meter:
    """Turns counters into views: rate, time left, money projected."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._seen: deque[tuple[float, int]] = deque()
        self._began_at_spent: int | None = None

    def view(self, now: float) -> View:
        """Return how things stand now (monotonic seconds)."""
        progress = self._progress
        rows = progress.rows
        done = rows[Status.SUCCEEDED]
        failed = sum(rows[it] for it in (Status.FAILED, Status.REFUSED, Status.HELD))
        failed += rows[Status.INVALID]
        pending = max(0, progress.total - done - failed)
        per_minute = self._rate(now)
        left_s = pending / per_minute * 60 if per_minute and pending else None
        return View(
            phase=progress.phase,
            done=done,
            failed=failed,
            pending=pending,
            total=progress.total,
            in_flight=progress.in_flight(),
            images=progress.bought,
            per_minute=per_minute,
            spent=progress.spent,
            at_risk=progress.at_risk,
            projected=self._projected(pending),
            left_s=left_s,
        )

    def _rate(self, now: float) -> float:
        self._seen.append((now, self._progress.bought))
        while self._seen[0][0] < now - RATE_OVER_S:
            self._seen.popleft()
        then, bought = self._seen[0]
        span_s = now - then
        return (self._progress.bought - bought) / span_s * 60 if span_s > 1 else 0.0

    def _projected(self, pending: int) -> int | None:
        progress = self._progress
        if self._began_at_spent is None and progress.phase == "running":
            self._began_at_spent = progress.spent
        if not progress.bought or self._began_at_spent is None:
            return None
        each = (progress.spent - self._began_at_spent) // progress.bought
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

    async def show(self, progress: Progress) -> None:
        """Write a line every few seconds."""
        progress.notice = write_error
        meter, last = Meter(progress), ""
        while True:
            line = meter.view(anyio.current_time()).line()
            if line != last:
                write_error(line)
            last = line
            await anyio.sleep(LINES_EVERY_S)


class JsonLines:
    """One JSON object a second, for programs."""

    async def show(self, progress: Progress) -> None:
        """Write a JSON line every second."""
        progress.notice = lambda text: write_error(json.dumps({"notice": text}))
        meter = Meter(progress)
        while True:
            view = meter.view(anyio.current_time())
            write_error(json.dumps(as_json(view)))
            await anyio.sleep(JSON_EVERY_S)


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
    }


class Bar:
    """A bar in a terminal."""

    async def show(self, progress: Progress) -> None:
        """Draw the bar until cancelled."""
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        console = Console(stderr=True)
        bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[words]}"),
            console=console,
            auto_refresh=False,
        )
        meter = Meter(progress)
        try:
            with bar:
                progress.notice = lambda text: bar.console.print(text, markup=False)
                task = bar.add_task("", total=None, words="")
                while progress.phase != "stopping":
                    view = meter.view(anyio.current_time())
                    bar.update(
                        task,
                        description=view.phase,
                        completed=view.done + view.failed,
                        total=view.total or None,
                        words=view.line().partition(": ")[2],
                    )
                    bar.refresh()
                    await anyio.sleep(BAR_EVERY_S)
        except OSError:
            pass  # the terminal was closed
        progress.notice = write_error
        await Lines().show(progress)


def choose_display(*, quiet: bool, json_lines: bool) -> Display:
    """Return how progress is to be shown."""
    if quiet:
        return Silence()
    if json_lines:
        return JsonLines()
    return Bar() if sys.stderr.isatty() else Lines()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
