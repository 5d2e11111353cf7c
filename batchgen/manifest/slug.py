"""A text as a part of file names and ids."""

from __future__ import annotations

import hashlib
import re
import unicodedata

_SEPARATORS = re.compile(r"[\W_]+")
_RATIO_SIGN = re.compile(r"(?<=\d)\s*[:\u00d7]\s*(?=\d)")
_ID_CHARACTERS = 40
_DIGEST_CHARACTERS = 6


def slug(value: object) -> str:
    """Return a text in lower case, with one hyphen for all between its words.

    Letters of every script stay: `16:9` becomes `16-9`, `Größe L` becomes `größe-l`.
    """
    text = unicodedata.normalize("NFKC", str(value)).lower()
    return _SEPARATORS.sub("-", unicodedata.normalize("NFC", text)).strip("-")


def id_part(value: str) -> str:
    """Return what a value adds to an id: its slug, but `16:9` becomes `16x9`.

    A long one is cut, and ends with a digest of the whole.
    """
    part = slug(_RATIO_SIGN.sub("x", value))
    if not part or len(part) > _ID_CHARACTERS:
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
        head = part[:_ID_CHARACTERS].rstrip("-")
        part = f"{head}-{digest[:_DIGEST_CHARACTERS]}".lstrip("-")
    return part
