"""Split a cell with several references, as people and spreadsheets write them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from batchgen.addresses import is_data_uri, is_url

IsFile = Callable[[str], bool]
"""Tells whether a text, unchanged, is the path of an existing file."""

_MAX_DEPTH = 4
"""Levels of nested quotes and brackets that are removed."""
_BREAK = r"[ \t]*[\r\n\u2028\u2029]\s*"
# A comma that is not followed by a URL belongs to a URL or to a file name.
_SEPARATOR = re.compile(
    rf"(?i)[,;]\s*(?=[\"'<\[\u201c\u2018]?(?:https?://|data:))|(?<![ \t]){_BREAK}"
)
_BASE64_URI = re.compile(
    r"(?i)data:[^,\r\n]*;base64,[a-z0-9+/=_%-]*"
    # Programs wrap base64: a line of base64 continues the line before.
    r"(?:[ \t]*\r?\n[ \t]*[a-z0-9+/=_%-]+(?=[ \t]*(?:[\r\n]|$)))*"
)
_AFTER_BASE64 = re.compile(
    rf"(?i)\s*[,;]\s*(?=[\"'<]?(?:https?://|data:))|{_BREAK}|\s*$"
)
_AFTER_DATA = re.compile(rf"(?i){_BREAK}(?=https?://|data:)")
_QUOTED = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)')\s*(?:[,;]|$)""")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SEPARATORS_AND_QUOTES = re.compile(r"[|,;\r\n\u2028\u2029\[\]\"'<\u201c\u2018]")
"""A cell without any of these is one reference."""
_PAIRS = (
    *(("[", "]"), ('"', '"'), ("'", "'"), ("<", ">")),
    *(("\u201c", "\u201d"), ("\u2018", "\u2019")),
)


def split_references(cell: str, is_file: IsFile) -> tuple[str, ...]:
    """Return the references of a cell of text, without empty ones.

    Separators are `|`, line breaks, and commas or semicolons before a URL. A JSON list
    is accepted, and quotes and brackets around references are removed. If the whole
    text is the path of an existing file, it is not split.

    Raises:
        ValueError: a JSON list contains something that is no text.
    """
    cell = cell.strip()
    if _SEPARATORS_AND_QUOTES.search(cell) is None:
        return (cell,) if cell else ()
    bars = [part.strip() for part in cell.split("|")]
    is_single = is_url(cell) or is_data_uri(cell) or is_file(bars[0])
    if not is_single and (items := _json_items(cell)) is not None:
        return items
    return tuple(_split(cell, is_file, _MAX_DEPTH))


def split_by_bars(cell: str) -> tuple[str, ...]:
    """Return the references of a cell as earlier versions split it."""
    return tuple(part for each in cell.split("|") if (part := each.strip()))


def _json_items(cell: str) -> tuple[str, ...] | None:
    """Return the items of a JSON list, None if the cell is no list.

    Raises:
        ValueError: an item is no text, or contains half of a surrogate pair, which JSON
            allows, but no file system or database.
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
    if any(_SURROGATE.search(text) for text in texts):
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
    if may_be_wrapped and (content := _without_quotes(text)):
        for part in content:
            yield from _split(part, is_file, depth - 1)
        return
    parts = bars if len(bars) > 1 else [*_split_text(text)]
    if len(parts) == 1:
        yield from (part for part in parts if part.strip(",; "))
        return
    for part in parts:
        # A comma at the end of a list belongs to no URL.
        yield from _split(part.rstrip(",; ") if is_url(part) else part, is_file, depth)


def _without_quotes(text: str) -> list[str]:
    """Return the texts in quotes or brackets; nothing if there is text outside."""
    for begin, end in _PAIRS:
        content = text
        for _ in range(_MAX_DEPTH):
            if len(content) > 1 and content.startswith(begin) and content.endswith(end):
                content = content[1:-1]
        if content != text and begin not in content and end not in content:
            return [content]
    parts, at = [], 0
    while at < len(text) and (match := _QUOTED.match(text, at)):
        parts.append(match[1] if match[1] is not None else match[2])
        at = match.end()
    return parts if at == len(text) else []


def _split_text(text: str) -> Iterator[str]:
    """Yield the parts of a text without bars; a data URI is never split."""
    rest = text.strip()
    while rest:
        if (match := _BASE64_URI.match(rest)) is not None:
            separator = _AFTER_BASE64.match(rest, match.end())
            # If no separator follows, the rest belongs to this reference.
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
