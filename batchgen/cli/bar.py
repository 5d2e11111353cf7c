"""Progress as a bar in a terminal."""

from __future__ import annotations

import sys

import anyio
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from batchgen.addresses.characters import visible
from batchgen.cli.display import BAR_EVERY_S, LineDisplay
from batchgen.cli.messages import write_notice
from batchgen.cli.meter import Meter, View
from batchgen.cli.standard_streams import unescaped
from batchgen.runner.progress import Progress


class BarDisplay:
    """A bar in a terminal; it disappears before the summary."""

    async def show(self, progress: Progress) -> None:
        """Draw the bar until cancelled."""
        console = Console(file=unescaped(sys.stderr))
        meter = Meter(progress)
        # No bar yet: it would be drawn over the question for consent.
        await LineDisplay().follow(progress, meter, until="running")
        try:
            with Live(console=console, auto_refresh=False, transient=True) as live:
                progress.notice = lambda text: console.print(
                    visible(text), markup=False
                )
                while progress.phase not in ("stopping", "writing"):
                    view = meter.view(anyio.current_time())
                    live.update(_rendered(view), refresh=True)
                    await anyio.sleep(BAR_EVERY_S)
        except OSError:
            pass  # the terminal was closed
        progress.notice = write_notice
        await LineDisplay().follow(progress, meter)


def _rendered(view: View) -> RenderableType:
    bar = Table.grid(padding=(0, 1), expand=True)
    bar.add_column(no_wrap=True)
    bar.add_column(ratio=1)
    bar.add_column(no_wrap=True)
    total = view.total or None
    progress_bar = ProgressBar(total, view.ended, pulse=not total)
    beside = view.beside_the_bar() if total else ""
    bar.add_row(Text(view.phase), progress_bar, Text(visible(beside)))
    return Group(bar, Text(visible(view.below_the_bar())))
