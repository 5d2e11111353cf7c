"""Write the end of the ZIP: `metadata.jsonl`, the directory, the end record."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from isal import isal_zlib

from batchgen.errors import ArchiveDamaged
from batchgen.output.diskfile import DiskFile, Stream
from batchgen.output.member_names import leads_out
from batchgen.output.zipformat import (
    LOCAL,
    Member,
    central_header,
    end_records,
    plain_header,
)

METADATA = "metadata.jsonl"
"""The member that makes the ZIP an `imagefolder` for Hugging Face `datasets`."""


def write_metadata(
    file: DiskFile, offset: int, lines: Iterable[bytes], modified: datetime | None
) -> tuple[Member, int]:
    """Write the member; return it and the offset behind it.

    The header before the lines is written last, because it contains their length. Until
    then there are zeros, which are no member's header.
    """
    blank = Member(METADATA, offset, 0, 0, modified)
    start = offset + len(plain_header(blank))
    stream = Stream(file, start)
    crc32 = 0
    for line in lines:
        whole = line if line.endswith(b"\n") else line + b"\n"
        crc32 = isal_zlib.crc32(whole, crc32)
        stream.write(whole)
    stream.flush()
    member = blank._replace(size_bytes=stream.offset - start, crc32=crc32)
    file.write_at([plain_header(member)], offset)
    return member, stream.offset


def write_directory(
    file: DiskFile, metadata: tuple[Member, int], entries: Iterable[Member]
) -> None:
    """List the metadata, then the entries, and end the ZIP; on disk when it returns.

    Raises:
        ArchiveDamaged: an entry lies behind the last image, or its name leads out.
    """
    metadata_member, start = metadata
    stream = Stream(file, start)
    stream.write(central_header(metadata_member))
    count = 1
    for entry in entries:
        if entry.offset + LOCAL.size + entry.size_bytes > metadata_member.offset:
            raise ArchiveDamaged(
                f"{file.path} ends before its image {entry.name!r}, "
                f"which the ledger has at byte {entry.offset}"
            )
        if leads_out(entry.name):
            raise ArchiveDamaged(
                f"{file.path}: the ledger has an image by the name {entry.name!r}, "
                "which leads out of the folder that a ZIP is unpacked in: batchgen "
                "never gave it. Restore run.db from a copy"
            )
        stream.write(central_header(entry))
        count += 1
    stream.flush()
    # The end record is written when everything before it is on disk: a ZIP that has
    # one is whole.
    file.sync()
    size_bytes = stream.offset - start
    file.write_at([end_records(count, size_bytes, start)], stream.offset)
    file.sync()
