"""Addresses as people write them: what kind each is, and whether it can be used.

The one place that decides it, for tables, references and everything that is sent.
`batchgen.addresses.url` comes with httpx, so it is not loaded here.
"""

from batchgen.addresses.characters import find_hidden, marked, name_of
from batchgen.addresses.reference_kinds import (
    holds_login,
    is_data_uri,
    is_local,
    is_url,
    shown,
    stored,
    stored_digest,
)

__all__ = [
    "find_hidden",
    "holds_login",
    "is_data_uri",
    "is_local",
    "is_url",
    "marked",
    "name_of",
    "shown",
    "stored",
    "stored_digest",
]
