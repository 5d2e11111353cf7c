"""What makes a row the same row: its fingerprint and its key.

Both are on users' disks, in ledgers. Another way to compute them would buy every image
of every job again: it needs a new version number and a migration of the ledger.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from batchgen.addresses import is_local, stored_digest
from batchgen.model import ImageRequest

VERSION = 1

Contents = Callable[[str], str | None]
"""Gives the hexadecimal SHA-256 of a local reference, None where there is no file."""

_canonical = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode


def fingerprint(request: ImageRequest, contents: Contents) -> bytes:
    """Return 16 bytes that stand for what was asked for, and for nothing else.

    What is not stated is left out, so a new option leaves old fingerprints as they
    are, and so does a provider, base URL or default that changes.
    """
    stated: dict[str, object] = {"version": VERSION, "prompt": request.prompt}
    if request.references:
        stated["references"] = [_named(each, contents) for each in request.references]
    if request.aspect_ratio is not None:
        stated["aspect_ratio"] = request.aspect_ratio
    if request.resolution is not None:
        stated["resolution"] = request.resolution
    if request.n != 1:
        stated["n"] = request.n
    if request.model is not None:
        stated["model"] = request.model
    if request.options:
        stated["options"] = dict(request.options)
    return hashlib.sha256(_canonical(stated).encode()).digest()[:16]


def key_of(id: str | None, fingerprint: bytes, occurrence: int) -> int:
    """Return a row's key: a digest of its identity, from 0 to 2**63 - 1.

    Args:
        id: The row's id; None in a manifest without ids.
        fingerprint: Counts only where there is no id.
        occurrence: How often this fingerprint stood above the row; 0 with an id.
    """
    if id is not None:
        identity = b"id:" + id.encode("utf-8", "surrogatepass")
    else:
        identity = b"fingerprint:%b:%d" % (fingerprint, occurrence)
    digest = hashlib.sha256(identity).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _named(reference: str, contents: Contents) -> object:
    if (digest := stored_digest(reference)) is not None:
        return {"sha256": digest}
    if is_local(reference) and (digest := contents(reference)):
        return {"sha256": digest}
    return reference
