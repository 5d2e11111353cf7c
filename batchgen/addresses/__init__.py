"""Addresses as people write them: which kind each is, and whether it can be used.

Tables, references and everything that is sent go by these functions alone.
`batchgen.addresses.url` needs httpx, so it is not imported here.
"""

from batchgen.addresses.characters import find_hidden, marked, name_of
from batchgen.addresses.reference_kinds import (
    holds_login,
    is_data_uri,
    is_local,
    is_url,
    kind_of,
    shown,
    table_image_digest,
    table_image_reference,
)

__all__ = [
    "find_hidden",
    "holds_login",
    "is_data_uri",
    "is_local",
    "is_url",
    "kind_of",
    "marked",
    "name_of",
    "shown",
    "table_image_digest",
    "table_image_reference",
]
