"""Check or copy members, reading them in pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from isal import isal_zlib

from batchgen.output.diskfile import DiskFile, Stream
from batchgen.output.walk import header_at
from batchgen.output.zipformat import LocalHeader

PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ExpectedMember:
    """A member as the ledger has it.

    Attributes:
        sha256: None if it is not to be checked.
    """

    name: str
    offset: int
    size_bytes: int
    crc32: int
    sha256: bytes | None = None


def damage_of(file: DiskFile, expected: ExpectedMember) -> str | None:
    """Read a whole member; return its damage, None if there is none."""
    header = header_at(file, expected.offset)
    if header is None or (damage := header_damage(header, expected)):
        return damage if header is not None else _without_header(file, expected)
    crc32, sha256 = 0, hashlib.sha256()
    for piece in _data(file, expected, header):
        crc32 = isal_zlib.crc32(piece, crc32)
        if expected.sha256 is not None:
            sha256.update(piece)
    if crc32 != expected.crc32:
        return "its bytes have changed (CRC)"
    if expected.sha256 not in (None, sha256.digest()):
        return "its bytes have changed (SHA-256)"
    return None


def copy_member(
    file: DiskFile, expected: ExpectedMember, target: Stream
) -> tuple[int, str | None]:
    """Copy a member with its header, unchanged.

    Returns:
        Its offset in the target, and its damage, None if there is none.
    """
    offset = target.offset
    header = header_at(file, expected.offset)
    if header is None:
        return offset, _without_header(file, expected)
    if damage := header_damage(header, expected):
        return offset, damage
    target.write(file.read_at(expected.offset, header.length))
    crc32 = 0
    for piece in _data(file, expected, header):
        crc32 = isal_zlib.crc32(piece, crc32)
        target.write(piece)
    if crc32 != expected.crc32:
        return offset, "its bytes have changed (CRC)"
    return offset, None


def header_damage(header: LocalHeader, expected: ExpectedMember) -> str | None:
    """Return the damage of a local header; None if there is none."""
    if header.tag is None:
        return "its header has changed"
    facts = (header.name, header.size_bytes, header.crc32)
    if facts != (expected.name, expected.size_bytes, expected.crc32):
        return f"the header of another image stands in its place ({header.name})"
    return None


def _without_header(file: DiskFile, expected: ExpectedMember) -> str:
    if file.size_bytes() <= expected.offset:
        return "the file ends before it"
    return "no header stands where it begins"


def _data(
    file: DiskFile, expected: ExpectedMember, header: LocalHeader
) -> Iterator[bytes]:
    start = expected.offset + header.length
    end = start + expected.size_bytes
    for offset in range(start, end, PIECE_BYTES):
        yield file.read_at(offset, min(PIECE_BYTES, end - offset))
