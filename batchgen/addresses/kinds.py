"""What kind of reference a text is: a URL, a data URI or a path."""

from __future__ import annotations

import re

from batchgen.addresses.characters import marked

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # two letters: `C:\` is a path
_USER_INFO = re.compile(r"(?i)^(https?://)[^/?#]*@")
_SHOWN = 200


def is_url(reference: str) -> bool:
    """Tell whether a reference is an http(s) URL."""
    return reference[:8].lower().startswith(("https://", "http://"))


def is_data_uri(reference: str) -> bool:
    """Tell whether a reference is a data URI."""
    return reference[:5].lower() == "data:"


def is_local(reference: str) -> bool:
    """Tell whether a reference is a file path, having no scheme."""
    return _SCHEME.match(reference) is None


def shown(reference: str) -> str:
    """Return a reference as messages name it, a data URI by its beginning.

    What follows the `?` of a URL is left out, and so is a password: each often lets
    anybody in.
    """
    if is_data_uri(reference):
        return f"{marked(reference[:30])}..."
    if is_url(reference):
        reference = _USER_INFO.sub(r"\1...@", reference.partition("?")[0])
    return marked(reference[:_SHOWN])
