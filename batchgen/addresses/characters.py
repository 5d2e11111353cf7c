"""Invisible characters: find them, name them, and make them visible in messages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})
_HIDDEN_LETTERS = re.compile(
    # Fillers and joiners that count as letters, marks or symbols in Unicode.
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0]"
    # A variation selector has a meaning after an emoji, but not after a letter.
    "|(?<=[!-~])(?<![0-9#*])[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
_JOINERS = "\u200c\u200d"
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "\t": "a tab",
        "\n": "a line break",
        "\r": "a line break",
        "\u00a0": "a no-break space",
        "\u2028": "a line break",
        "\u2029": "a line break",
        "\ufeff": "an invisible character (byte order mark)",
    }
)


def find_hidden(text: str) -> int | None:
    """Return the index of the first control, invisible or unusual blank character.

    None if there is none; a plain space is none of these.
    """
    if text.isascii() and text.isprintable():
        return None
    letter = _HIDDEN_LETTERS.search(text)
    end = letter.start() if letter else len(text)
    if text.isprintable():
        return end if letter else None
    for index, character in enumerate(text[:end]):
        if character == " " or character.isprintable() or _is_joined(text, index):
            continue
        if unicodedata.category(character) in _HIDDEN_CATEGORIES:
            return index
    return end if letter else None


def _is_joined(text: str, index: int) -> bool:
    """Tell whether a joiner is where scripts and emoji need one.

    Persian words and emoji of families contain joiners; ASCII text needs none.
    """
    if text[index] not in _JOINERS or index == 0:
        return False
    neighbours = text[index - 1] + text[index + 1 : index + 2]
    return len(neighbours) == 2 and all(
        not character.isascii() and character.isprintable() for character in neighbours
    )


_UNSAFE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line break, DEL, C1
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u3164\ufeff\uffa0"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufff0-\ufffb"
    "\ud800-\udfff"  # surrogates: bytes that could not be decoded
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
    "]"
)
"""Characters that are invisible, or change how a terminal shows the text near them."""

_FLAG = "\U0001f3f4"
_FLAG_TAGS = range(0xE0020, 0xE0080)


def visible(text: str) -> str:
    """Return a text in which control codes for a terminal become `[U+001B]`.

    Letters of all scripts, emoji, line breaks and tabs stay as they are.
    """
    if text.isascii() and text.isprintable():
        return text

    def replaced(match: re.Match[str]) -> str:
        if _belongs_to_emoji(text, match.start()):
            return match[0]
        return f"[U+{ord(match[0]):04X}]"

    return _UNSAFE.sub(replaced, text)


def visible_line(text: str) -> str:
    """Return a foreign text as one line without control codes for a terminal."""
    return visible(" ".join(text.splitlines())).replace("\t", " ")


def _belongs_to_emoji(text: str, index: int) -> bool:
    """Tell whether an invisible character joins emoji, or belongs to a flag."""
    if _is_joined(text, index):
        return True
    start = index
    while start > 0 and ord(text[start]) in _FLAG_TAGS and index - start < 8:
        start -= 1
    return start < index and text[start] == _FLAG


def name_of(character: str) -> str:
    """Return the name of a hidden character, with its Unicode number."""
    number = f"U+{ord(character):04X}"
    if label := _NAMES.get(character):
        return f"{label[:-1]}, {number})" if label[-1] == ")" else f"{label} ({number})"
    if not (name := unicodedata.name(character, "").lower()):
        return f"a control character ({number})"
    kind = "an odd blank" if character.isspace() else "an invisible character"
    return f"{kind} ({name}, {number})"


def marked(text: str) -> str:
    """Return a text in which hidden characters are written as `[U+200B]`."""
    parts = []
    while (index := find_hidden(text)) is not None:
        parts += [text[:index], f"[U+{ord(text[index]):04X}]"]
        text = text[index + 1 :]
    return "".join([*parts, text])
