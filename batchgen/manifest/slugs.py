"""Short forms of values for ids and names of files."""

from __future__ import annotations

import hashlib
import re
import unicodedata

_CHARACTERS = 40
_DIGEST_CHARACTERS = 6


def slug(text: str) -> str:
    """Return a text in lower case, with hyphens for all but letters and digits.

    `16:9` becomes `16x9`. A long text is cut, and ends with a digest of the whole.
    """
    plain = unicodedata.normalize("NFC", text).lower()
    plain = re.sub(r"(?<=\d)\s*[:\u00d7]\s*(?=\d)", "x", plain)
    plain = re.sub(r"[^\w.]+", "-", plain).strip("-._")
    if not plain or len(plain) > _CHARACTERS:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        head = plain[:_CHARACTERS].rstrip("-._")
        plain = f"{head}-{digest[:_DIGEST_CHARACTERS]}".lstrip("-")
    return plain
