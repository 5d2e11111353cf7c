"""Several references in one cell, as people and spreadsheets write them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from batchgen.addresses import is_data_uri, is_url

IsFile = Callable[[str], bool]
"""Tells whether a local reference names a file as it stands."""

_DEPTH = 4
"""Quotes within brackets within quotes: deeper nothing is looked for."""
_BREAK = r"[ \t]*[\r\n\u2028\u2029]\s*"
# A comma that no URL follows is part of a URL, or of a file's name.
_SEPARATOR = re.compile(
    rf"(?i)[,;]\s*(?=[\"'<\[\u201c\u2018]?(?:https?://|data:))|(?<![ \t]){_BREAK}"
)
_BASE64_URI = re.compile(
    r"(?i)data:[^,\r\n]*;base64,[a-z0-9+/=_%-]*"
    # Programs wrap base64; a line of nothing else goes on with the one above.
    r"(?:[ \t]*\r?\n[ \t]*[a-z0-9+/=_%-]+(?=[ \t]*(?:[\r\n]|$)))*"
)
_AFTER_BASE64 = re.compile(
    rf"(?i)\s*[,;]\s*(?=[\"'<]?(?:https?://|data:))|{_BREAK}|\s*$"
)
_AFTER_DATA = re.compile(rf"(?i){_BREAK}(?=https?://|data:)")
_QUOTED = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)')\s*(?:[,;]|$)""")
_HALF = re.compile("[\ud800-\udfff]")
_MARKS = re.compile(r"[|,;\r\n\u2028\u2029\[\]\"'<\u201c\u2018]")
"""Without any of these a cell is one reference."""
_PAIRS = (
    *(("[", "]"), ('"', '"'), ("'", "'"), ("<", ">")),
    *(("\u201c", "\u201d"), ("\u2018", "\u2019")),
)


def split_references(cell: str, is_file: IsFile) -> tuple[str, ...]:
    """Return the references of a cell of text, empty ones left out.

    They are parted by `|`, by line breaks, or by commas or semicolons that a URL
    follows; a JSON list is taken, and quotes and brackets around references are taken
    away. A file that has such a name stays one reference.

    Raises:
        ValueError: a JSON list holds something that is no text.
    """
    cell = cell.strip()
    if _MARKS.search(cell) is None:
        return (cell,) if cell else ()
    bars = [part.strip() for part in cell.split("|")]
    is_plain = is_url(cell) or is_data_uri(cell) or is_file(bars[0])
    if not is_plain and (items := _json_items(cell)) is not None:
        return items
    return tuple(_split(cell, is_file, _DEPTH))


def split_by_bars(cell: str) -> tuple[str, ...]:
    """Return the references of a cell as earlier versions read it."""
    return tuple(part for each in cell.split("|") if (part := each.strip()))


def _json_items(cell: str) -> tuple[str, ...] | None:
    """Return the items of a JSON list, None where the cell is none.

    Raises:
        ValueError: one of them is no text, or holds half a character, which JSON can
            write, and which no file or database takes.
    """
    if not (cell.startswith("[") and cell.endswith("]")):
        return None
    try:
        items = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    if not isinstance(items, list):
        return None
    texts = [item for item in items if item is not None]
    if not all(isinstance(item, str) for item in texts):
        raise ValueError('the JSON list must hold texts only: ["a.png", "b.png"]')
    if any(_HALF.search(text) for text in texts):
        raise ValueError("the JSON list holds half a character; write it anew")
    return tuple(stripped for text in texts if (stripped := text.strip()))


def _split(text: str, is_file: IsFile, depth: int) -> Iterator[str]:
    text = text.strip()
    bars = text.split("|")
    is_path = not is_url(text) and not is_data_uri(text)
    if is_path and len(bars) == 1 and is_file(text):
        yield text
        return
    may_be_wrapped = is_path and depth > 0 and not is_file(bars[0].strip())
    if may_be_wrapped and (inner := _unwrapped(text)):
        for part in inner:
            yield from _split(part, is_file, depth - 1)
        return
    parts = bars if len(bars) > 1 else [*_parted(text)]
    if len(parts) == 1:
        yield from (part for part in parts if part.strip(",; "))
        return
    for part in parts:
        # The last comma of a list that ends with one.
        yield from _split(part.rstrip(",; ") if is_url(part) else part, is_file, depth)


def _unwrapped(text: str) -> list[str]:
    """Return what stands in quotes or brackets, nothing where not all of it does."""
    for begin, end in _PAIRS:
        inner = text
        for _ in range(_DEPTH):
            if len(inner) > 1 and inner.startswith(begin) and inner.endswith(end):
                inner = inner[1:-1]
        if inner != text and begin not in inner and end not in inner:
            return [inner]
    parts, at = [], 0
    while at < len(text) and (match := _QUOTED.match(text, at)):
        parts.append(match[1] if match[1] is not None else match[2])
        at = match.end()
    return parts if at == len(text) else []


def _parted(text: str) -> Iterator[str]:
    """Yield the parts of a text without bars, never parting a data URI."""
    rest = text.strip()
    while rest:
        if (match := _BASE64_URI.match(rest)) is not None:
            separator = _AFTER_BASE64.match(rest, match.end())
            # Something that is no base64 follows: what it is, is judged with it.
            separator = separator or _AFTER_DATA.search(rest, match.end())
        elif is_data_uri(rest):
            separator = _AFTER_DATA.search(rest)
        else:
            separator = _SEPARATOR.search(rest)
        if separator is None:
            yield rest
            return
        if part := rest[: separator.start()].strip():
            yield part
        rest = rest[separator.end() :].strip()
