"""Cells of a CSV that no spreadsheet interprets as formulas.

A cell that begins like a formula gets an apostrophe before it, as OWASP advises
(owasp.org/www-community/attacks/CSV_Injection, read 2026-11-30): the cells of a
catalogue, and so of a report about it, may come from others. Numbers stay numbers.
"""

from __future__ import annotations

import re

BEGIN = r"=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20\u2212"
"""Characters with which a formula may begin, for a class of a regular expression."""
_RISKY = re.compile(rf"'*[{BEGIN}]")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d+)*|[.,]\d+)(?:[eE][+-]?\d+)?%?", re.ASCII)
_INNER = re.compile(rf"([;\t\n])(?=[{BEGIN}])")
"""To a program that splits cells at another character, a cell begins here."""


def safe_cell(text: str) -> str:
    """Return a text as a cell that no spreadsheet interprets as a formula."""
    if _NUMBER.fullmatch(text):
        return text
    text = _INNER.sub(r"\1'", text)
    return f"'{text}" if _RISKY.match(text) else text


def plain_cell(text: str) -> str:
    """Return the text of a safe cell, if only its beginning was risky."""
    is_safe = text.startswith("'") and _RISKY.match(text) is not None
    return text[1:] if is_safe else text


def is_risky(text: str) -> bool:
    """Say whether a spreadsheet could interpret a text as a formula."""
    return _RISKY.match(text) is not None and _NUMBER.fullmatch(text) is None
