"""Compare the directory of a finished archive with the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest

from isal import isal_zlib

from batchgen.errors import ArchiveDamaged
from batchgen.output.diskfile import DiskFile
from batchgen.output.member_copy import PIECE_BYTES
from batchgen.output.walk import header_at
from batchgen.output.zip_directory import METADATA
from batchgen.output.zipformat import (
    CENTRAL_SIGNATURE,
    END,
    Directory,
    Member,
    parse_central,
    parse_end,
)

_END_BYTES = 1 << 7
"""The end record with both ZIP64 records before it, which have no comments."""


def directory_damage(
    file: DiskFile, committed: int, entries: Iterable[Member]
) -> str | None:
    """Say where the directory of a finished ZIP differs from the ledger.

    Args:
        file: The ZIP.
        committed: Where the last image ends, and `metadata.jsonl` begins.
        entries: The expected entries behind `metadata.jsonl`, in order.

    Returns:
        The damage; None if there is none.
    """
    try:
        members = _read_directory(file)
        first = next(members, None)
        if first is None or first.name != METADATA or first.offset != committed:
            return f"the directory does not begin with {METADATA}"
        if damage := _metadata_damage(file, first):
            return damage
        for member, entry in zip_longest(members, entries):
            if member is None or entry is None or member[:4] != entry[:4]:
                name = (entry or member or first).name
                return f"the directory has {name} otherwise than the ledger"
    except ArchiveDamaged as error:
        return str(error)
    return None


def _read_directory(file: DiskFile) -> Iterator[Member]:
    directory = _find(file)
    position = directory.offset
    end = directory.offset + directory.size_bytes
    held = b""
    for _ in range(directory.entries):
        while (entry := parse_central(held)) is None:
            piece = file.read_at(position, min(PIECE_BYTES, end - position))
            if not piece or not CENTRAL_SIGNATURE.startswith(held[:4]):
                raise ArchiveDamaged("the directory cannot be read")
            held += piece
            position += len(piece)
        member, length = entry
        held = held[length:]
        yield member
    if held or position != end:
        raise ArchiveDamaged("the directory holds more than it counts")


def _find(file: DiskFile) -> Directory:
    size = file.size_bytes()
    start = max(0, size - _END_BYTES)
    directory = (
        parse_end(file.read_at(start, size - start)) if size >= END.size else None
    )
    if directory is None or directory.offset + directory.size_bytes > size:
        raise ArchiveDamaged("the directory is missing")
    return directory


def _metadata_damage(file: DiskFile, member: Member) -> str | None:
    header = header_at(file, member.offset)
    if header is None or header.name != METADATA:
        return f"{METADATA} is missing"
    crc32, start = 0, member.offset + header.length
    for offset in range(start, start + member.size_bytes, PIECE_BYTES):
        length = min(PIECE_BYTES, start + member.size_bytes - offset)
        crc32 = isal_zlib.crc32(file.read_at(offset, length), crc32)
    is_same = (header.size_bytes, header.crc32) == (member.size_bytes, member.crc32)
    if not is_same or crc32 != member.crc32:
        return f"{METADATA} has changed"
    return None
