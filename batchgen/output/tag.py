"""Data about an image's purchase in its local header, as an extra field.

Each extra field of a ZIP is an id, a length and that many bytes; readers skip fields
with an unknown id. Source: PKWARE APPNOTE.TXT 6.3.10, section 4.5.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

TAG_ID = int.from_bytes(b"bg", "little")  # in no list of registered fields

FIELD = struct.Struct("<HH")
CHECK = struct.Struct("<I")
_TAG = struct.Struct("<BBQIIQq")
TAG_ROOM = FIELD.size + _TAG.size + CHECK.size

_TAG_VERSION = 1
_HAS_COST, _HAS_MODIFIED = 1, 2

_MAX_INT = 2**63 - 1  # of what a ledger holds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """The purchase of an image, for a ledger that does not have its delivery.

    Attributes:
        attempt_id: The ledger's number of the attempt, below 2**63.
        image: Number of the image within its row, from 1.
        images: How many images the attempt has.
        cost_nano: Cost of the attempt in nano-dollars; None if not reported.
        modified: When the image was delivered, aware; kept to the microsecond.
    """

    attempt_id: int
    image: int
    images: int
    cost_nano: int | None = None
    modified: datetime | None = None


def pack_tag(tag: Tag) -> bytes:
    """Pack the field up to the CRC of the header, which the caller puts at its end."""
    has_cost = _HAS_COST if tag.cost_nano is not None else 0
    has_modified = _HAS_MODIFIED if tag.modified is not None else 0
    since_epoch = (tag.modified or _EPOCH) - _EPOCH
    payload = _TAG.pack(
        _TAG_VERSION,
        has_cost | has_modified,
        tag.attempt_id,
        tag.image,
        tag.images,
        tag.cost_nano or 0,
        since_epoch // _MICROSECOND,
    )
    return FIELD.pack(TAG_ID, _TAG.size + CHECK.size) + payload


def parse_tag(payload: bytes) -> Tag | None:
    """Parse a field with the id `TAG_ID`; None for padding or another version."""
    if len(payload) != _TAG.size + CHECK.size or payload[0] != _TAG_VERSION:
        return None
    _, has, attempt_id, image, images, cost_nano, modified = _TAG.unpack_from(payload)
    if attempt_id > _MAX_INT or cost_nano > _MAX_INT:
        return None
    try:
        at = _EPOCH + modified * _MICROSECOND
    except OverflowError:
        return None
    return Tag(
        attempt_id=attempt_id,
        image=image,
        images=images,
        cost_nano=cost_nano if has & _HAS_COST else None,
        modified=at if has & _HAS_MODIFIED else None,
    )


def extra_fields(extra: bytes) -> dict[int, bytes]:
    """Split the extra fields of a header by their ids."""
    fields = {}
    position = 0
    while position + FIELD.size <= len(extra):
        field, size = FIELD.unpack_from(extra, position)
        position += FIELD.size
        fields[field] = extra[position : position + size]
        position += size
    return fields
