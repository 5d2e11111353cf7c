"""The code blocks of the pages: README, CONTRIBUTING and `batchgen/docs`.

Tests load, parse or run each of them, so that no example on a page can go wrong:
`tests/test_code_blocks.py` does so, except for the Python of `docs/python.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "batchgen/docs").glob("*.md")),
)

_FENCE = re.compile(r"^ {0,3}```(.*)$")
_INDENT = "    "
_COMMAND = re.compile(
    r"(\$ )?(batchgen|python3?|pytest|pip|ruff|mypy|lint-imports|export|[A-Z_]+=)\b"
)


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """One code block.

    Attributes:
        page: Name of its file.
        line: Where its first line of code stands, counted from 1.
        language: What stands behind the fence, in lower case. An indented block is
            `shell` if it begins with a command, else `text`.
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def code_blocks(*languages: str, page: str | None = None) -> list[CodeBlock]:
    """Return the blocks in these languages, of one page (`python.md`) or of all."""
    return [
        block
        for path in PAGES
        if page in (None, path.name)
        for block in blocks_of(path)
        if block.language in languages
    ]


def blocks_of(path: Path) -> Iterator[CodeBlock]:
    """Yield the blocks of a page, from its top to its end."""
    lines = path.read_text("utf-8").splitlines()
    number = 0
    while number < len(lines):
        if fence := _FENCE.match(lines[number]):
            begin = number + 1
            code = list(takewhile(lambda line: not _FENCE.match(line), lines[begin:]))
            language = fence[1].strip().lower() or "text"
            yield CodeBlock(path.name, begin + 1, language, _joined(code))
            number = begin + len(code) + 1  # behind the closing fence
        elif _begins_indented(lines, number):
            code = list(
                takewhile(lambda line: line.startswith(_INDENT), lines[number:])
            )
            text = _joined([line.removeprefix(_INDENT) for line in code])
            language = "shell" if _COMMAND.match(text) else "text"
            yield CodeBlock(path.name, number + 1, language, text)
            number += len(code)
        else:
            number += 1


def _begins_indented(lines: list[str], number: int) -> bool:
    """Tell an indented block from a list item that goes on: a blank line is above."""
    is_after_blank = number == 0 or not lines[number - 1].strip()
    return is_after_blank and lines[number].startswith(_INDENT)


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
