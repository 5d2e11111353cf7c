"""Find every whole image of an archive whose ledger is gone, also after damaged bytes.

`walk` stops at the first torn member, because the ledger has all members before it.
Here there is no ledger, so damaged bytes are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from isal import isal_zlib

from batchgen.errors import ArchiveDamaged
from batchgen.output.diskfile import DiskFile
from batchgen.output.tag import Tag
from batchgen.output.walk import header_at
from batchgen.output.zip_directory import METADATA
from batchgen.output.zipformat import LOCAL_SIGNATURE, LocalHeader, Member

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SalvagedImage:
    """A whole image."""

    member: Member
    tag: Tag
    data: bytes


class Salvage:
    """Reads an archive once, from its first byte to its last whole image.

    Attributes:
        end: Offset behind the last whole image, once all were yielded.
        damaged: How many images, or ranges between images, are damaged. A torn member
            at the end, left by a kill, does not count.
    """

    def __init__(self, path: Path) -> None:
        self._file = DiskFile(path)
        self._size_bytes = self._file.size_bytes()
        self.end = 0
        self.damaged = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def images(self) -> Iterator[SalvagedImage]:
        """Yield the whole images in their order.

        Raises:
            ArchiveDamaged: the file was written by another program.
        """
        self._refuse_foreign()
        skipped, offset = 0, 0
        while offset < self._size_bytes:
            header = header_at(self._file, offset)
            if header is not None and header.name == METADATA and header.tag is None:
                return  # the directory follows
            if header is None or header.tag is None:
                next_offset = self._next_header(offset + 1)
                if next_offset is None:
                    return
                skipped, offset = skipped + 1, next_offset
                continue
            data = self._data(offset, header)
            end = offset + header.length + header.size_bytes
            if data is None:
                skipped += end <= self._size_bytes
            else:
                self.damaged, self.end = self.damaged + skipped, end
                skipped = 0
                yield _salvaged(offset, header, header.tag, data)
            offset = end
        self.damaged += skipped

    def _refuse_foreign(self) -> None:
        if self._size_bytes <= 0:
            return
        header = header_at(self._file, 0)
        if header is not None and header.is_ours:
            return
        if header is None and self._next_header(0) is not None:
            return  # its first header is damaged
        is_torn = self._file.read_at(0, 4) == LOCAL_SIGNATURE and header is None
        if not is_torn:
            raise ArchiveDamaged(
                f"{self._file.path} holds no image of batchgen's: another program "
                "wrote it, or all of it is damaged. Move it away and run this again"
            )

    def _data(self, offset: int, header: LocalHeader) -> bytes | None:
        start = offset + header.length
        if start + header.size_bytes > self._size_bytes:
            return None
        data = self._file.read_at(start, header.size_bytes)
        is_whole = len(data) == header.size_bytes
        is_whole = is_whole and isal_zlib.crc32(data) == header.crc32
        return data if is_whole else None

    def _next_header(self, offset: int) -> int | None:
        """Return the offset of the next intact header of an image."""
        overlap = len(LOCAL_SIGNATURE) - 1
        while offset < self._size_bytes:
            piece = self._file.read_at(offset, _PIECE_BYTES + overlap)
            place = piece.find(LOCAL_SIGNATURE)
            while place >= 0:
                header = header_at(self._file, offset + place)
                if header is not None and header.tag is not None:
                    return offset + place
                place = piece.find(LOCAL_SIGNATURE, place + 1)
            offset += _PIECE_BYTES
        return None


def _salvaged(offset: int, header: LocalHeader, tag: Tag, data: bytes) -> SalvagedImage:
    member = Member(header.name, offset, header.size_bytes, header.crc32, tag.modified)
    return SalvagedImage(member, tag, data)
