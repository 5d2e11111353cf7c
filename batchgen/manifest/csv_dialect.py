"""How a CSV file is written: its delimiter, and where the header is."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from batchgen.manifest.table_kind import table_suffix
from batchgen.manifest.text_file import TextFile
from batchgen.manifest.wording import listed, same_but_for_spelling, shown

LINE_LIMIT = 128 * 1024 * 1024
"""Bytes of a line, and characters of a cell: room for reference images as data URIs."""

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars (|)"}

_SEP_LINE = re.compile(r'"?sep=(.|\\t)"?[,;\t|]*\s*', re.IGNORECASE | re.DOTALL)
_QUOTED_CELL = re.compile(rb'"(?:[^"]|"")*"')
_SAMPLE_LINES = 40
_SAMPLE_BYTES = 64 * 1024
"""A longer line after the header ends the sample."""
_HEADER_RECORDS = 10
"""A header below a title is searched in this many records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a CSV file is written.

    Attributes:
        skipped: How many lines above the header are no part of the table: `sep=;`, or
            a title.
        notices: Notices for the user.
        is_raw: Whether quotes are characters like any other.
        problem: The error message about what may be a title; None if there is none.
    """

    delimiter: str
    skipped: int = 0
    is_raw: bool = False
    notices: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Sample:
    """The first records of a file, split by one delimiter, and their lines."""

    delimiter: str
    records: Sequence[tuple[int, Sequence[str]]]

    @property
    def header(self) -> Sequence[str]:
        return self.records[0][1] if self.records else ()


def find_dialect(
    text: TextFile, expected: frozenset[str], delimiter: str | None = None
) -> Dialect:
    """Find the dialect by the first lines of a file.

    Args:
        text: The file.
        expected: Names that its header must have.
        delimiter: Between cells, if the user said so.
    """
    lines, is_cut = _first_lines(text)
    sep_line = _SEP_LINE.fullmatch(lines[0]) if lines else None
    if sep_line is not None:
        sign = delimiter or ("\t" if sep_line[1] == "\\t" else sep_line[1])
        name = DELIMITERS.get(sign, f"`{sign}`")
        notice = f"{shown(text.path)}: its first line says that {name} part the cells"
        dialect = Dialect(
            delimiter=sign, skipped=1, notices=() if delimiter else (notice,)
        )
        samples = [_sample(lines, sign, is_cut=is_cut, above=1)]
        return _below_title(text.path, dialect, samples, expected)
    signs = [delimiter] if delimiter else _possible_signs(text.path, lines)
    samples = [_sample(lines, sign, is_cut=is_cut) for sign in signs]
    best = max(samples, key=lambda sample: _rank(sample, expected))
    dialect = Dialect(delimiter=best.delimiter)
    dialect = _below_title(text.path, dialect, samples, expected)
    is_raw = dialect.delimiter == "\t" and has_raw_quotes(text, dialect.skipped)
    notices = []
    if dialect.delimiter != "," and len(signs) > 1:
        name = DELIMITERS[dialect.delimiter]
        notices.append(f"{shown(text.path)}: read with {name} between the cells")
    if is_raw:
        notices.append(
            f"{shown(text.path)}: each quote stands for itself, since some are not "
            "closed"
        )
    return replace(dialect, is_raw=is_raw, notices=(*notices, *dialect.notices))


def _possible_signs(path: Path, lines: Sequence[str]) -> Sequence[str]:
    header = lines[0] if lines else ""
    is_tsv = table_suffix(path) in (".tsv", ".tab")
    if is_tsv and ("\t" in header or not any(sign in header for sign in DELIMITERS)):
        return ("\t",)
    return tuple(DELIMITERS)


def has_header(text: TextFile, expected: frozenset[str]) -> bool:
    """Tell whether a text begins with the header of a table, and no prompt.

    A header has several names, one of which is needed; or tabs part each line alike.
    """
    lines, is_cut = _first_lines(text)
    if not lines:
        return False
    for sign in DELIMITERS:
        sample = _sample(lines, sign, is_cut=is_cut)
        if len(sample.header) < 2:
            continue
        widths = {len(cells) for _, cells in sample.records}
        is_even = sign == "\t" and len(widths) == 1 and len(sample.records) > 1
        if is_even or _has_expected_name(sample.header, expected):
            return True
    return False


def single_name(text: TextFile, expected: frozenset[str]) -> str | None:
    """Return the first line of a text if it is exactly a needed name, else None."""
    lines, _ = _first_lines(text)
    name = lines[0].strip().removeprefix('"').removesuffix('"') if lines else ""
    return name if name in expected else None


def is_single_column(text: TextFile) -> bool:
    """Tell whether a text is a CSV of one column, by its first lines."""
    lines, is_cut = _first_lines(text)
    try:
        return all(len(cells) < 2 for cells in csv.reader(lines, strict=True))
    except csv.Error as error:
        return is_cut and "unexpected end of data" in str(error)


def has_raw_quotes(text: TextFile, skipped: int = 0) -> bool:
    """Tell whether a file with tabs does not quote its cells.

    Programs that write prompts often do not. It is certain if each line has as many
    tabs as the first, and the table breaks where quotes hold cells together.
    """
    tabs, is_open = -1, False
    with text.open() as file, suppress(UnicodeDecodeError):
        for _ in range(skipped):
            file.readline(LINE_LIMIT)
        while raw := file.readline(LINE_LIMIT):
            count = raw.count(b"\t")
            if raw.strip() and count != tabs:
                if tabs >= 0:
                    return False
                tabs = count
            is_open = is_open or (b'"' in raw and _has_open_quote(raw))
    return is_open and not _is_quoted(text, skipped)


def _is_quoted(text: TextFile, skipped: int) -> bool:
    """Tell whether a file with tabs is an even table where quotes hold cells."""
    with text.open() as file:
        lines = (raw.decode(errors="replace") for raw in islice(file, skipped, None))
        records = csv.reader(lines, delimiter="\t", strict=True)
        try:
            return len({len(cells) for cells in records if cells}) == 1
        except csv.Error:
            return False


def _has_open_quote(line: bytes) -> bool:
    cells = line.rstrip(b"\r\n").split(b"\t")
    return any(cell[:1] == b'"' and not _QUOTED_CELL.fullmatch(cell) for cell in cells)


def _first_lines(text: TextFile) -> tuple[list[str], bool]:
    """Return the first lines, all complete, and whether there may be more."""
    lines: list[str] = []
    raw = b""
    # A wrong byte is reported when the file is read.
    with text.open() as file, suppress(UnicodeDecodeError):
        # The header is needed to its end, however long: `prompt` may be there.
        raw = file.readline(LINE_LIMIT)
        while raw and len(lines) < _SAMPLE_LINES:
            lines.append(raw.decode("utf-8", errors="replace"))
            raw = file.readline(_SAMPLE_BYTES)
            if len(raw) == _SAMPLE_BYTES:
                break
    if lines:
        lines[0] = lines[0].removeprefix("\ufeff")
    return lines, bool(raw)


def _sample(
    lines: Sequence[str], delimiter: str, *, is_cut: bool, above: int = 0
) -> _Sample:
    """Parse lines leniently, without the first `above`."""
    reader = csv.reader(lines[above:], delimiter=delimiter)
    records: list[tuple[int, Sequence[str]]] = []
    begin = above + 1
    try:
        for cells in reader:
            if "".join(cells).strip():
                records.append((begin, cells))
            begin = above + reader.line_num + 1
    except csv.Error:
        pass  # the error is reported when the file is read
    if is_cut and len(records) > 1:
        records.pop()  # a quoted cell may continue after the sample
    return _Sample(delimiter, records)


def _rank(
    sample: _Sample, expected: frozenset[str]
) -> tuple[bool, bool, int, int, int]:
    """Return the sort key of a delimiter: the likeliest has the highest."""
    header = sample.header
    is_even = all(len(cells) == len(header) for _, cells in sample.records[1:])
    others = "".join(map(re.escape, set(DELIMITERS) - {sample.delimiter}))
    inside = sum(len(re.findall(rf"[{others}](?=\S)", name)) for name in header)
    priority = -[*DELIMITERS, sample.delimiter].index(sample.delimiter)
    parts = len(header) > 1
    return parts, parts and is_even, _matches(header, expected), -inside, priority


def _matches(names: Sequence[str], expected: frozenset[str]) -> int:
    return sum(name.strip() in expected for name in names)


def _below_title(
    path: Path, dialect: Dialect, samples: Sequence[_Sample], expected: frozenset[str]
) -> Dialect:
    """Return the dialect with the header below a title, if there is one.

    It is certain if no line of the title has as many cells as the header. Else the
    dialect has a problem.
    """
    if any(_has_expected_name(sample.header, expected) for sample in samples):
        return dialect
    for sample in samples:
        for line, names in _lower_records(sample):
            if not _has_expected_name(names, expected):
                continue
            filled = [name for name in names if name.strip()]
            above = [cells for begin, cells in sample.records if begin < line]
            title = next(filter(None, (cell.strip() for cell in above[0])), "")
            if all(_filled(cells) < len(filled) for cells in above):
                notice = (
                    f"{shown(path)}: line {line} is read as the header; what stands "
                    f"above, such as {title[:60]!r}, is left out"
                )
                return replace(
                    dialect,
                    delimiter=sample.delimiter,
                    skipped=line - 1,
                    notices=(*dialect.notices, notice),
                )
            problem = (
                f"{shown(path)}, line {sample.records[0][0]}: {title[:60]!r} seems to "
                "be a title above the table, and the header to stand in line "
                f"{line} ({listed(filled, 6)}): delete what stands above line {line}"
            )
            return replace(dialect, problem=problem)
    return dialect


def _filled(cells: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in cells)


def _lower_records(sample: _Sample) -> Iterator[tuple[int, Sequence[str]]]:
    for line, cells in islice(sample.records, 1, _HEADER_RECORDS):
        if _filled(cells) > 1:
            yield line, cells


def _has_expected_name(names: Sequence[str], expected: frozenset[str]) -> bool:
    """Tell whether a record contains an expected name, in any spelling."""
    return any(
        same_but_for_spelling(name, other) for name in names for other in expected
    )
