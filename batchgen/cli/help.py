"""`batchgen help`: show one of the pages that come with the package."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib.resources import files

import click

from batchgen.addresses.characters import visible_line
from batchgen.cli import HELP
from batchgen.cli.messages import write_result
from batchgen.errors import UsageError

_SUFFIX = ".md"
_SCHEMA = "job.schema.json"
_DOCS = files("batchgen").joinpath("docs")


@click.command("help")
@click.argument(
    "topic",
    required=False,
    shell_complete=lambda _context, _parameter, text: [
        name for name in read_pages() if name.startswith(text)
    ],
)
def command(topic: str | None) -> None:
    """Show the page on TOPIC; without it, list the pages.

    In a terminal the page is laid out for its width, and a long one is shown in your
    pager ($PAGER, else less). Elsewhere it is written as it stands, in Markdown:
    batchgen help results > results.md

    The topic schema is the JSON Schema of job files, for editors.
    """
    pages = read_pages()
    if topic is None:
        write_result("\n".join(_list_of(pages)))
        return
    name = topic.lower().removesuffix(_SUFFIX).replace("_", "-")
    if name == "schema":
        write_result(_DOCS.joinpath(_SCHEMA).read_text("utf-8").removesuffix("\n"))
        return
    if name not in pages:
        raise UsageError(f"no page {visible_line(topic)!r}: {_hint(name, pages)}")
    _show(pages[name])


def read_pages() -> Mapping[str, str]:
    """Return the text of each page by its name, in the order of the names."""
    return {
        page.name.removesuffix(_SUFFIX): page.read_text("utf-8")
        for page in sorted(_DOCS.iterdir(), key=lambda page: page.name)
        if page.name.endswith(_SUFFIX)
    }


def _list_of(pages: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines that list the pages."""
    width = max(map(len, pages))
    yield "batchgen help TOPIC shows one of these pages:"
    yield ""
    for name, text in pages.items():
        yield f"  {name:<{width}}  {_title_of(text)}"


def _title_of(text: str) -> str:
    return text.partition("\n")[0].lstrip("# ")


def _hint(name: str, pages: Mapping[str, str]) -> str:
    """Return what to write instead of a name that no page has."""
    candidates = [
        f"batchgen help {page}" for page in get_close_matches(name, pages, n=1)
    ]
    if name in HELP:
        candidates.append(f"batchgen {name} -h")
    if not candidates:
        word = name.replace("-", "_")
        candidates = [
            f"batchgen help {page}"
            for page, text in pages.items()
            if f"`{word}`" in text or f"`{name}`" in text
        ]
    if candidates:
        return f"did you mean {' or '.join(candidates)}?"
    return f"choose from {', '.join(pages)}"


def _show(text: str) -> None:
    """Show a page: laid out in a terminal, else as it stands."""
    if not sys.stdout.isatty():
        write_result(text.removesuffix("\n"))
        return
    columns, lines = shutil.get_terminal_size()
    laid_out = _lay_out(text, columns, sys.stdout.encoding)
    if laid_out.count("\n") < lines:
        write_result(laid_out.removesuffix("\n"))
    else:
        click.echo_via_pager(laid_out)


def _lay_out(text: str, columns: int, encoding: str) -> str:
    """Return a page as plain text of a width, in characters that a terminal has."""
    # Only here: a page that goes into a file or a pipe is not laid out.
    from rich.console import Console
    from rich.markdown import Markdown

    screen = io.TextIOWrapper(io.BytesIO(), encoding, "replace", newline="\n")
    Console(file=screen, width=columns, color_system=None).print(Markdown(text))
    screen.seek(0)
    return "".join(f"{line.rstrip()}\n" for line in screen)
