"""`status --watch`: show a run again and again until it ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from batchgen.addresses.characters import visible
from batchgen.cli.standard_streams import unescaped
from batchgen.runner.folder import is_locked

EVERY_S = 2.0

Show = Callable[[str], None]


def watch(
    folder: Path,
    read: Callable[[], str],
    show: Show,
    pause: Callable[[], None] = lambda: time.sleep(EVERY_S),
) -> None:
    """Show the state of a folder until no run works on it, and then once more.

    Args:
        folder: The run folder.
        read: Returns its state as text.
        show: Shows the text in place of the last one.
        pause: Waits between two looks.
    """
    while is_locked(folder):
        show(read())
        pause()
    show(read())


@contextmanager
def screen(*, as_lines: bool) -> Iterator[Show]:
    """Yield what shows a text in place of the last one; in a pipe, each new text.

    Args:
        as_lines: Whether another program reads each text, also in a terminal.
    """
    if as_lines or not sys.stdout.isatty():
        yield _show_changes(separator="" if as_lines else "\n")
        return
    # Imported here: rich is needed in terminals only.
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    last = ""

    def draw(text: str) -> None:
        nonlocal last
        last = visible(text)
        live.update(Text(last), refresh=True)

    console = Console(file=unescaped(sys.stdout))
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield draw
    click.echo(last)  # what is drawn is cut where it is longer than the screen


def _show_changes(separator: str) -> Show:
    last: list[str] = []

    def show(text: str) -> None:
        if [text] == last:
            return
        click.echo(f"{separator if last else ''}{visible(text)}")
        last[:] = [text]

    return show
