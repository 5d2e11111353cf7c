"""The records of a ZIP file, packed and parsed by hand: pure functions on bytes.

Only what the archive needs: stored members, UTF-8 names, no data descriptors, ZIP64
only for values that need it. Source: PKWARE APPNOTE.TXT 6.3.10, section 4.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from isal import isal_zlib

from batchgen.output.tag import (
    CHECK,
    TAG_ID,
    TAG_ROOM,
    Tag,
    extra_fields,
    pack_tag,
    parse_tag,
)

LOCAL = struct.Struct("<4sHHHHHIIIHH")
END = struct.Struct("<4sHHHHIIH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<4sIQI")
_ZIP64_SIZES = struct.Struct("<HHQQ")

LOCAL_SIGNATURE = b"PK\x03\x04"
END_SIGNATURE = b"PK\x05\x06"
CENTRAL_SIGNATURE = b"PK\x01\x02"
_END64_SIGNATURE = b"PK\x06\x06"

# A field that holds its largest value says "look in the ZIP64 record".
LIMIT_16 = 0xFFFF
LIMIT_32 = 0xFFFFFFFF

_UTF8_NAME = 1 << 11
_STORED = 0
_NEEDS, _NEEDS_ZIP64 = 20, 45
_MADE_BY_UNIX = 3 << 8 | 63
_REGULAR_FILE_0644 = 0o100644 << 16
_ZIP64_ID = 1

_FIRST_DOS_TIME = (0, 1 << 5 | 1)
_LAST_DOS_TIME = (23 << 11 | 59 << 5 | 29, 127 << 9 | 12 << 5 | 31)


class Member(NamedTuple):
    """One member of the archive; a tuple, because a directory may need a million.

    `offset` is that of its local header. `modified` is aware.
    """

    name: str
    offset: int
    size_bytes: int
    crc32: int
    modified: datetime | None = None


DirectoryEntry: TypeAlias = Member


class LocalHeader(NamedTuple):
    """A parsed local header.

    `length` includes its name and extra fields. `tag` is None unless it and the whole
    header are intact; `is_ours` says that the header has a field for a tag.
    """

    name: str
    length: int
    size_bytes: int
    crc32: int
    is_ours: bool
    tag: Tag | None


@lru_cache(maxsize=64)
def dos_time(modified: datetime | None) -> tuple[int, int]:
    """Return time and date in UTC, in steps of 2 s, clamped to 1980..2107."""
    if modified is None:
        return _FIRST_DOS_TIME
    at = modified.astimezone(UTC)
    if at.year < 1980:
        return _FIRST_DOS_TIME
    if at.year > 2107:
        return _LAST_DOS_TIME
    return (
        at.hour << 11 | at.minute << 5 | at.second // 2,
        (at.year - 1980) << 9 | at.month << 5 | at.day,
    )


def local_header(member: Member, tag: Tag) -> bytes:
    """Pack the local header of an image, checked by a CRC of its own at its end.

    The ZIP's CRC covers only the data. After a power loss the header may have any
    content, too, and it says to which attempt the image belongs.
    """
    sizes = _zip64_sizes(member.size_bytes) if member.size_bytes >= LIMIT_32 else b""
    head = _local(member, sizes, TAG_ROOM) + sizes + pack_tag(tag)
    return head + CHECK.pack(isal_zlib.crc32(head))


def plain_header(member: Member) -> bytes:
    """Pack a header without a tag, whose length does not depend on the size.

    So the data can be written first, by a writer that does not know its size yet.
    """
    extra = (
        _zip64_sizes(member.size_bytes)
        if member.size_bytes >= LIMIT_32
        else _ZIP64_SIZES.pack(TAG_ID, 16, 0, 0)  # version 0: padding, no tag
    )
    return _local(member, extra, 0) + extra


def header_length(start: bytes) -> int | None:
    """Return the length of a local header with this start; None if it is no header."""
    if len(start) < LOCAL.size or start[:4] != LOCAL_SIGNATURE:
        return None
    *_, name_size, extra_size = LOCAL.unpack_from(start)
    return LOCAL.size + int(name_size) + int(extra_size)


def parse_local(header: bytes) -> LocalHeader | None:
    """Parse a local header; None if the bytes are not a whole one."""
    length = header_length(header)
    if length is None or len(header) < length:
        return None
    *_, crc32, size, _, name_size, _ = LOCAL.unpack_from(header)
    name = header[LOCAL.size : LOCAL.size + name_size].decode(errors="replace")
    fields = extra_fields(header[LOCAL.size + name_size : length])
    wide = fields.get(_ZIP64_ID, b"")
    if size == LIMIT_32 and len(wide) >= 16:
        (size,) = struct.unpack_from("<Q", wide)
    (check,) = CHECK.unpack_from(header, length - CHECK.size)
    is_intact = check == isal_zlib.crc32(header[: length - CHECK.size])
    tag = parse_tag(fields.get(TAG_ID, b"")) if is_intact else None
    return LocalHeader(name, length, size, crc32, TAG_ID in fields, tag)


def central_header(member: Member) -> bytes:
    """Pack the directory's entry, with a ZIP64 field for values that do not fit."""
    name, offset, size, crc32, modified = member
    wide: list[int] = []
    if size >= LIMIT_32:
        wide += (size, size)
        size = LIMIT_32
    if offset >= LIMIT_32:
        wide.append(offset)
        offset = LIMIT_32
    extra = (
        struct.pack(f"<HH{len(wide)}Q", _ZIP64_ID, 8 * len(wide), *wide)
        if wide
        else b""
    )
    encoded = name.encode()
    head = _CENTRAL.pack(
        CENTRAL_SIGNATURE,
        _MADE_BY_UNIX,
        _NEEDS_ZIP64 if wide else _NEEDS,
        _UTF8_NAME,
        _STORED,
        *dos_time(modified),
        crc32,
        size,
        size,
        len(encoded),
        len(extra),
        0,  # comment
        0,  # disk
        0,  # internal attributes
        _REGULAR_FILE_0644,
        offset,
    )
    return head + encoded + extra


def end_records(count: int, size_bytes: int, offset: int) -> bytes:
    """Pack the records behind a directory of `count` entries that begins at `offset`.

    Each value that does not fit refers the reader to the ZIP64 record; if all values
    fit, there is no such record.
    """
    end = END.pack(
        END_SIGNATURE,
        0,  # this disk
        0,  # the directory's disk
        min(count, LIMIT_16),
        min(count, LIMIT_16),
        min(size_bytes, LIMIT_32),
        min(offset, LIMIT_32),
        0,  # comment
    )
    if count < LIMIT_16 and size_bytes < LIMIT_32 and offset < LIMIT_32:
        return end
    end64 = _END64.pack(
        _END64_SIGNATURE,
        _END64.size - 12,  # what follows this field
        _MADE_BY_UNIX,
        _NEEDS_ZIP64,
        0,
        0,
        count,
        count,
        size_bytes,
        offset,
    )
    locator = _LOCATOR64.pack(b"PK\x06\x07", 0, offset + size_bytes, 1)
    return end64 + locator + end


class Directory(NamedTuple):
    """Place of a ZIP's directory, and its number of entries."""

    entries: int
    size_bytes: int
    offset: int


def parse_central(data: bytes) -> tuple[Member, int] | None:
    """Parse the directory's entry at the start of some bytes.

    Returns:
        The entry, without its time, and its length; None if it is not whole, or not of
        the kind that the archive writes.
    """
    if len(data) < _CENTRAL.size or data[:4] != CENTRAL_SIGNATURE:
        return None
    (_, _, _, flags, method, _, _, crc32, packed, size, *sizes, disk, _, _, offset) = (
        _CENTRAL.unpack_from(data)
    )
    name_size, extra_size, comment_size = sizes
    if (flags, method, packed, disk) != (_UTF8_NAME, _STORED, size, 0):
        return None
    name_end = _CENTRAL.size + name_size
    length = name_end + extra_size + comment_size
    if len(data) < length:
        return None
    wide = extra_fields(data[name_end : name_end + extra_size]).get(_ZIP64_ID, b"")
    values = [
        record[0] for record in struct.iter_unpack("<Q", wide[: len(wide) // 8 * 8])
    ]
    if size == LIMIT_32 and len(values) >= 2:
        size, values = values[0], values[2:]
    if offset == LIMIT_32 and values:
        offset = values[0]
    name = data[_CENTRAL.size : name_end].decode(errors="replace")
    return Member(name, offset, size, crc32), length


def parse_end(data: bytes) -> Directory | None:
    """Parse the records at the end of a ZIP's bytes; None if torn."""
    if len(data) < END.size or data[-END.size :][:4] != END_SIGNATURE:
        return None
    _, *disks, on_disk, count, size_bytes, offset, comment = END.unpack(
        data[-END.size :]
    )
    if (*disks, on_disk, comment) != (0, 0, count, 0):
        return None
    if count < LIMIT_16 and size_bytes < LIMIT_32 and offset < LIMIT_32:
        return Directory(count, size_bytes, offset)
    start = len(data) - END.size - _LOCATOR64.size - _END64.size
    if start < 0 or data[start : start + 4] != _END64_SIGNATURE:
        return Directory(count, size_bytes, offset)
    *_, count, size_bytes, offset = _END64.unpack_from(data, start)
    return Directory(count, size_bytes, offset)


def _local(member: Member, extra: bytes, more_extra_size: int) -> bytes:
    encoded = member.name.encode()
    needs_zip64 = member.size_bytes >= LIMIT_32
    size = min(member.size_bytes, LIMIT_32)
    head = LOCAL.pack(
        LOCAL_SIGNATURE,
        _NEEDS_ZIP64 if needs_zip64 else _NEEDS,
        _UTF8_NAME,
        _STORED,
        *dos_time(member.modified),
        member.crc32,
        size,
        size,
        len(encoded),
        len(extra) + more_extra_size,
    )
    return head + encoded


def _zip64_sizes(size_bytes: int) -> bytes:
    return _ZIP64_SIZES.pack(_ZIP64_ID, 16, size_bytes, size_bytes)
