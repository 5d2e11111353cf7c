"""A PDF whose pages are pictures, written a page at a time.

Pillow writes such files, too, but holds all pages in memory, or reads the whole file
again for each. Source: ISO 32000-1 (PDF 1.7), section 7.5.
"""

from __future__ import annotations

from typing import BinaryIO

POINTS_PER_INCH = 72

_CATALOG, _PAGES = 1, 2
_FIRST = 3


class PdfPages:
    """Writes a PDF to a file that is open; `end` completes it."""

    def __init__(self, file: BinaryIO, dpi: int) -> None:
        self._file = file
        self._dpi = dpi
        self._offset = 0
        self._places: dict[int, int] = {}
        self._pages: list[int] = []
        self._write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")

    def add(self, jpeg: bytes, width_px: int, height_px: int) -> None:
        """Add a page that shows one JPEG (in RGB) and is as large as that."""
        image = _FIRST + len(self._places)
        content, page = image + 1, image + 2
        self._object(
            image,
            b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace "
            b"/DeviceRGB /BitsPerComponent 8 /Filter /DCTDecode /Length %d >>"
            % (width_px, height_px, len(jpeg)),
            jpeg,
        )
        width, height = (
            side * POINTS_PER_INCH / self._dpi for side in (width_px, height_px)
        )
        drawing = b"q %.2f 0 0 %.2f 0 0 cm /Picture Do Q" % (width, height)
        self._object(content, b"<< /Length %d >>" % len(drawing), drawing)
        self._object(
            page,
            b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 %.2f %.2f] /Contents %d 0 R "
            b"/Resources << /XObject << /Picture %d 0 R >> >> >>"
            % (_PAGES, width, height, content, image),
        )
        self._pages.append(page)

    def end(self) -> None:
        """Write the list of pages and the table of objects."""
        pages = b" ".join(b"%d 0 R" % page for page in self._pages)
        self._object(
            _PAGES,
            b"<< /Type /Pages /Kids [%b] /Count %d >>" % (pages, len(self._pages)),
        )
        self._object(_CATALOG, b"<< /Type /Catalog /Pages %d 0 R >>" % _PAGES)
        start, count = self._offset, len(self._places) + 1
        self._write(b"xref\n0 %d\n0000000000 65535 f \n" % count)
        for number in range(1, count):
            self._write(b"%010d 00000 n \n" % self._places[number])
        self._write(
            b"trailer\n<< /Size %d /Root %d 0 R >>\nstartxref\n%d\n%%%%EOF\n"
            % (count, _CATALOG, start)
        )

    def _object(self, number: int, head: bytes, stream: bytes | None = None) -> None:
        self._places[number] = self._offset
        self._write(b"%d 0 obj\n%b\n" % (number, head))
        if stream is not None:
            self._write(b"stream\n%b\nendstream\n" % stream)
        self._write(b"endobj\n")

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._offset += len(data)
