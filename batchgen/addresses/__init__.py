"""Addresses as people write them: their kind, and whether they can be used.

All other code uses these functions to tell a URL, a data URI and a path apart.
`batchgen.addresses.url` is not imported here, because it needs httpx.
"""

from batchgen.addresses.characters import find_hidden, marked, name_of
from batchgen.addresses.reference_kinds import (
    holds_login,
    is_data_uri,
    is_local,
    is_url,
    kind_of,
    parent_of,
    parent_reference,
    row_id_of,
    row_image,
    row_image_at,
    row_reference,
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
    "parent_of",
    "parent_reference",
    "row_id_of",
    "row_image",
    "row_image_at",
    "row_reference",
    "shown",
    "table_image_digest",
    "table_image_reference",
]
