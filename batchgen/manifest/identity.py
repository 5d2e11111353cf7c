"""What makes a row the same row: its fingerprint and its key.

Both are stored in users' ledgers. If they were computed in another way, every image of
every job would be bought again: a change needs a new version number and a migration.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from batchgen.addresses import is_local, parent_of, table_image_digest
from batchgen.model import ImageRequest

VERSION = 1

Contents = Callable[[str], str | None]
"""Returns the hexadecimal SHA-256 of a local reference, None if there is no file."""

_to_json = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode


def fingerprint(request: ImageRequest, contents: Contents) -> bytes:
    """Return 16 bytes that identify what a row requests, and nothing else.

    Values that are not stated are left out. So a new option, or another provider, base
    URL or default, does not change existing fingerprints.
    """
    content: dict[str, object] = {"version": VERSION, "prompt": request.prompt}
    if request.references:
        content["references"] = [
            _canonical_reference(each, contents) for each in request.references
        ]
    if request.aspect_ratio is not None:
        content["aspect_ratio"] = request.aspect_ratio
    if request.resolution is not None:
        content["resolution"] = request.resolution
    if request.n != 1:
        content["n"] = request.n
    if request.model is not None:
        content["model"] = request.model
    if request.options:
        content["options"] = dict(request.options)
    return hashlib.sha256(_to_json(content).encode()).digest()[:16]


def key_of(id: str | None, fingerprint: bytes, occurrence: int) -> int:
    """Return a row's key: a digest of its identity, from 0 to 2**63 - 1.

    Args:
        id: The row's id; None in a manifest without ids.
        fingerprint: Used only without an id.
        occurrence: How many earlier rows have this fingerprint; 0 with an id.
    """
    if id is not None:
        identity = b"id:" + id.encode("utf-8", "surrogatepass")
    else:
        identity = b"fingerprint:%b:%d" % (fingerprint, occurrence)
    digest = hashlib.sha256(identity).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _canonical_reference(reference: str, contents: Contents) -> object:
    if (digest := table_image_digest(reference)) is not None:
        return {"sha256": digest}
    if (parent := parent_of(reference)) is not None:
        # Neither its id nor its image: a row that is renamed, or bought again, leaves
        # those that build on it as they are.
        return {"row": parent[0].hex()}
    if is_local(reference) and (digest := contents(reference)):
        return {"sha256": digest}
    return reference
