"""Find whole members in the archive by their own headers, without a directory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from isal import isal_zlib

from batchgen.output.diskfile import DiskFile
from batchgen.output.tag import Tag
from batchgen.output.zipformat import (
    LOCAL,
    LocalHeader,
    Member,
    header_length,
    parse_local,
)

_PIECE_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class UncommittedMember:
    """A whole member behind the end that the ledger has committed."""

    member: Member
    tag: Tag


def header_at(file: DiskFile, offset: int) -> LocalHeader | None:
    """Return the local header at `offset`; None if there is no whole one."""
    start = file.read_at(offset, LOCAL.size)
    length = header_length(start)
    if length is None:
        return None
    rest = file.read_at(offset + LOCAL.size, length - LOCAL.size)
    return parse_local(start + rest)


def whole_members(
    file: DiskFile, offset: int, size_bytes: int
) -> Iterator[tuple[UncommittedMember, int]]:
    """Yield each member from `offset` on and the offset behind it.

    Stops at the first member that is torn or foreign: where the next one begins is
    unknown.
    """
    while (header := header_at(file, offset)) is not None and header.tag is not None:
        start = offset + header.length
        end = start + header.size_bytes
        if end > size_bytes or _crc32(file, start, end) != header.crc32:
            return
        member = Member(
            header.name, offset, header.size_bytes, header.crc32, header.tag.modified
        )
        yield UncommittedMember(member, header.tag), end
        offset = end


def image_at(file: DiskFile, offset: int) -> bytes | None:
    """Return the data of the member at `offset`; None if there is no whole one."""
    header = header_at(file, offset)
    if header is None or header.tag is None:
        return None
    data = file.read_at(offset + header.length, header.size_bytes)
    is_whole = len(data) == header.size_bytes and isal_zlib.crc32(data) == header.crc32
    return data if is_whole else None


def _crc32(file: DiskFile, start: int, end: int) -> int:
    crc32 = 0
    for offset in range(start, end, _PIECE_BYTES):
        piece = file.read_at(offset, min(_PIECE_BYTES, end - offset))
        crc32 = isal_zlib.crc32(piece, crc32)
    return crc32
