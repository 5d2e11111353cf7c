"""What kind of reference a text is: a URL, a data URI or a path."""

from __future__ import annotations

import re

from batchgen.addresses.characters import marked

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # two letters: `C:\` is a path
_ORIGIN_ENDS = re.compile(r"[/?#]")
_STORED = "sha256:"
_STORED_REFERENCE = re.compile(rf"{_STORED}([0-9a-f]{{64}})")
_SHOWN = 200


def is_url(reference: str) -> bool:
    """Tell whether a reference is an http(s) URL."""
    return reference[:8].lower().startswith(("https://", "http://"))


def holds_login(address: str) -> bool:
    """Tell whether a user or password stands in an address.

    Also one with a sign, such as `#`, that must be escaped there: by the rules of URLs
    the host would be the user, and its port the password's beginning.
    """
    rest = address.partition("://")[2] or address
    origin = _ORIGIN_ENDS.split(rest, maxsplit=1)[0]
    if "@" in origin:
        return True
    _, colon, port = origin.rpartition(":")
    is_cut = bool(colon) and not port.isdigit() and not origin.startswith("[")
    return "@" in rest and is_cut


def is_data_uri(reference: str) -> bool:
    """Tell whether a reference is a data URI."""
    return reference[:5].lower() == "data:"


def is_local(reference: str) -> bool:
    """Tell whether a reference is a file path, having no scheme."""
    return _SCHEME.match(reference) is None


def stored(digest: str) -> str:
    """Return the reference to an image that stood in the table, by its SHA-256."""
    return f"{_STORED}{digest}"


def stored_digest(reference: str) -> str | None:
    """Return the SHA-256 of an image that stood in the table; None for others."""
    match = _STORED_REFERENCE.fullmatch(reference)
    return match[1] if match else None


def shown(reference: str) -> str:
    """Return a reference as messages name it, a data URI by its beginning.

    What follows the `?` of a URL is left out, and so is a password: each often lets
    anybody in.
    """
    if (digest := stored_digest(reference)) is not None:
        return f"the image {digest[:8]}..."
    if is_data_uri(reference):
        return f"{marked(reference[:30])}..."
    if is_url(reference):
        if holds_login(reference):
            scheme, _, rest = reference.partition("://")
            origin = _ORIGIN_ENDS.split(rest, maxsplit=1)[0]
            end = origin.rfind("@") if "@" in origin else rest.rfind("@")
            reference = f"{scheme}://...@{rest[end + 1 :]}"
        reference = reference.partition("?")[0]
    return marked(reference[:_SHOWN])
