"""Tell apart the kinds of references: URL, data URI, image of a table, path."""

from __future__ import annotations

import re
from typing import Literal

from batchgen.addresses.characters import marked

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # two letters: `C:\` is a path
_ORIGIN_END = re.compile(r"[/?#]")
_STORED = "sha256:"
_STORED_REFERENCE = re.compile(rf"{_STORED}([0-9a-f]{{64}})")
_MAX_SHOWN_CHARACTERS = 200


def kind_of(
    reference: str,
) -> Literal["url", "data_uri", "table_image", "path", "other"]:
    """Return what kind of reference a text is; `other` has an unsupported scheme."""
    if is_url(reference):
        return "url"
    if is_data_uri(reference):
        return "data_uri"
    if table_image_digest(reference) is not None:
        return "table_image"
    return "path" if _SCHEME.match(reference) is None else "other"


def is_url(reference: str) -> bool:
    """Tell whether a reference is an http(s) URL."""
    return reference[:8].lower().startswith(("https://", "http://"))


def is_data_uri(reference: str) -> bool:
    """Tell whether a reference is a data URI."""
    return reference[:5].lower() == "data:"


def is_local(reference: str) -> bool:
    """Tell whether a reference is the path of a file."""
    return kind_of(reference) == "path"


def holds_login(address: str) -> bool:
    """Tell whether an address contains a user name or a password.

    A password with an unescaped `/`, `?` or `#` is recognized, too: by the rules of
    URLs the user would be the host, and the beginning of the password the port.
    """
    rest = address.partition("://")[2] or address
    origin = _ORIGIN_END.split(rest, maxsplit=1)[0]
    if "@" in origin:
        return True
    _, colon, port = origin.rpartition(":")
    is_cut = bool(colon) and not port.isdigit() and not origin.startswith("[")
    return "@" in rest and is_cut


def table_image_reference(digest: str) -> str:
    """Return the reference to an image that came in a cell, by its SHA-256."""
    return f"{_STORED}{digest}"


def table_image_digest(reference: str) -> str | None:
    """Return the SHA-256 of an image that came in a cell; None for other references."""
    match = _STORED_REFERENCE.fullmatch(reference)
    return match[1] if match else None


def shown(reference: str) -> str:
    """Return a reference as messages name it; of a data URI the beginning alone.

    The query and the password of a URL are left out: either may give access.
    """
    match kind_of(reference):
        case "table_image":
            digest = table_image_digest(reference) or ""
            return f"the image {digest[:8]}..."
        case "data_uri":
            return f"{marked(reference[:30])}..."
        case "url":
            reference = _without_login(reference).partition("?")[0]
        case _:
            pass
    return marked(reference[:_MAX_SHOWN_CHARACTERS])


def _without_login(url: str) -> str:
    if not holds_login(url):
        return url
    scheme, _, rest = url.partition("://")
    origin = _ORIGIN_END.split(rest, maxsplit=1)[0]
    end = origin.rfind("@") if "@" in origin else rest.rfind("@")
    return f"{scheme}://...@{rest[end + 1 :]}"
