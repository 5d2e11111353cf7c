"""The template filter `slug`: a text as a part of file names."""

from __future__ import annotations

import re
import unicodedata

_SEPARATORS = re.compile(r"[\W_]+")


def slug(value: object) -> str:
    """Return a text in lower case, with one hyphen for all between its words.

    Letters of every script stay: `16:9` becomes `16-9`, `Größe L` becomes `größe-l`.
    """
    text = unicodedata.normalize("NFKC", str(value)).lower()
    return _SEPARATORS.sub("-", unicodedata.normalize("NFC", text)).strip("-")
