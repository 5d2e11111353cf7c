"""Write a line to stdout or stderr, even if the reader is gone.

With `run --json` every line of stderr is a JSON document: what is said in words then
becomes one, too, wherever in the program the words come from. Stdout then has the
summary alone, as one document.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TextIO

from batchgen.addresses.characters import visible
from batchgen.cli.json_writer import exact_json, tagged

Level = Literal["notice", "error"]


@dataclass(slots=True)
class _Mode:
    json_lines: bool = False


_mode = _Mode()


def use_json_lines(*, on: bool) -> None:
    """Choose whether stderr gets JSON Lines, or text."""
    _mode.json_lines = on


def uses_json_lines() -> bool:
    """Say whether stderr gets JSON Lines."""
    return _mode.json_lines


def write_error(text: str) -> None:
    """Write a line to stderr; nothing happens if the reader is gone."""
    _write_text(text, "error")


def write_notice(text: str) -> None:
    """Write a notice to stderr: the user should read it, but nothing failed."""
    _write_text(text, "notice")


def write_document(kind: str, fields: Mapping[str, Any]) -> None:
    """Write a JSON document as a line to stderr."""
    _write(sys.stderr, exact_json(tagged(kind, fields)))


def write_result(text: str) -> None:
    """Write a line to stdout; nothing happens if the reader is gone.

    With `run --json` nothing is written: all of it stands in the summary.
    """
    if not _mode.json_lines:
        _write(sys.stdout, text)


def write_summary(fields: Mapping[str, Any]) -> None:
    """Write the summary of `run --json`: the last line of stderr, and all of stdout."""
    write_document("summary", fields)
    _write(sys.stdout, exact_json(tagged("summary", fields)))


def _write_text(text: str, level: Level) -> None:
    if not _mode.json_lines:
        _write(sys.stderr, text)
    elif text:
        message = text.removeprefix("batchgen: ")
        write_document("notice", {"level": level, "message": message})


def _write(stream: TextIO, text: str) -> None:
    try:
        # The stream may be replaced, such as by the one that draws a bar.
        stream.write(visible(text) + "\n")
        stream.flush()
    except (OSError, ValueError):
        # The terminal or the reader is gone, and the run goes on. What is in the buffer
        # would fail again at the end, and change the exit code.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
