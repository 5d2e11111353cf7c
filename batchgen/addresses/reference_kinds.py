"""Tell apart the kinds of references: URL, data URI, path, image of a table or row."""

from __future__ import annotations

import re
from typing import Literal

from batchgen.addresses.characters import marked

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # two letters: `C:\` is a path
_ORIGIN_END = re.compile(r"[/?#]")
_STORED = "sha256:"
_STORED_REFERENCE = re.compile(rf"{_STORED}([0-9a-f]{{64}})")
_ROW = "row:"
_PARENT = re.compile(rf"{_ROW}([0-9a-f]{{32}}):(.*)", re.DOTALL)
_IMAGE = "row-image:"
_MAX_SHOWN_CHARACTERS = 200


def kind_of(
    reference: str,
) -> Literal["url", "data_uri", "table_image", "row", "path", "other"]:
    """Return what kind of reference a text is; `other` has an unsupported scheme."""
    if is_url(reference):
        return "url"
    if is_data_uri(reference):
        return "data_uri"
    if table_image_digest(reference) is not None:
        return "table_image"
    if reference.startswith(_ROW):
        return "row"
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


def row_id_of(reference: str) -> str | None:
    """Return the id of the row whose image `row:<id>` means; None for other texts."""
    if kind_of(reference) != "row":
        return None
    return reference[len(_ROW) :].strip()


def row_reference(row_id: str) -> str:
    """Return the reference to the image of a row, as tables have it."""
    return f"{_ROW}{row_id}"


def parent_reference(fingerprint: bytes, row_id: str) -> str:
    """Return the reference to a row's image as a request holds it."""
    return f"{_ROW}{fingerprint.hex()}:{row_id}"


def parent_of(reference: str) -> tuple[bytes, str] | None:
    """Return fingerprint and id of the row whose image a request needs, or None."""
    match = _PARENT.fullmatch(reference)
    return (bytes.fromhex(match[1]), match[2]) if match else None


def row_image(digest: bytes, place: int) -> str:
    """Return the reference to an image in the archive, by its SHA-256 and its place."""
    return f"{_IMAGE}{digest.hex()}:{place}"


def row_image_at(reference: str) -> tuple[bytes, int] | None:
    """Return SHA-256 and place of an image in the archive; None for others."""
    if not reference.startswith(_IMAGE):
        return None
    digest, _, place = reference.removeprefix(_IMAGE).partition(":")
    return bytes.fromhex(digest), int(place)


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
        case "row":
            parent = parent_of(reference)
            reference = f"{_ROW}{parent[1]}" if parent else reference
        case "other" if row_image_at(reference) is not None:
            return "the image of the other row"
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
