"""What is shown: no text reaches a terminal as anything but text.

Cells, file names, providers' words and run folders are of other hands. An escape
sequence in them could rename the window, fill the clipboard, or hide what a command
does. So stdout and stderr themselves take control characters out, whoever writes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TextIO

from batchgen.addresses.characters import visible


class Screen:
    """A text stream that shows what it is given, and obeys nothing in it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text."""
        if not isinstance(text, str):  # so that click takes it for a text stream
            raise TypeError(f"text is written here, not {type(text).__name__}")
        visible_text = visible(text)
        try:
            self._stream.write(visible_text)
        except UnicodeEncodeError:
            encoding = self._stream.encoding
            escaped = visible_text.encode(encoding, "backslashreplace")
            self._stream.write(escaped.decode(encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name in ("buffer", "_stream"):  # nobody writes past us
            raise AttributeError(name)
        return getattr(self._stream, name)


def show_text_only() -> None:
    """Let stdout and stderr obey nothing from now on."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, Screen):
            setattr(sys, name, Screen(stream))


def drawable(stream: TextIO) -> TextIO:
    """Return a stream that obeys what is drawn: texts in it must be `visible` ones."""
    return stream._stream if isinstance(stream, Screen) else stream  # noqa: SLF001 - ours
