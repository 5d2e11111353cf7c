"""What a file contains, told by its first bytes and not by its name."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

from batchgen.errors import SpecError
from batchgen.manifest.text_file import TextFile, compression_of

EXCEL = "an Excel workbook"
OLD_OFFICE = f"{EXCEL} of an old version (.xls) or another Office file"
ODS = "an OpenDocument spreadsheet"
CSV = "a text table (CSV)"
PARQUET = "a Parquet table"
ARROW = "an Arrow (Feather) table"
JSON = "JSON"
JSON_LINES = "JSON Lines"
TABLES = (EXCEL, ODS, CSV, PARQUET, ARROW, JSON_LINES, JSON)
TOML = "a job file (TOML)"

_HEAD_BYTES = 8192
_DELIMITERS = ",;\t|"
_MAGIC = (
    (b"PAR1", PARQUET),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "an image (PNG)"),
    (b"\xff\xd8\xff", "an image (JPEG)"),
    (b"GIF8", "an image (GIF)"),
    (b"BZh", "a compressed file (bzip2)"),
    (b"\xfd7zXZ\0", "a compressed file (xz)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"ARROW1", ARROW),
    (b"FEA1", "an Arrow (Feather) table of an old version"),
    (b"ORC", "an ORC table"),
    (b"Obj\x01", "an Avro table"),
    (b"{\\rtf", "a text document (RTF)"),
    (b"\xd0\xcf\x11\xe0", OLD_OFFICE),
)
_BY_MEMBER = {
    "xl/": EXCEL,
    "word/": "a Word document",
    "content.xml": "an OpenDocument file, such as LibreOffice writes it",
    "Index/": "a Numbers or Pages document",
}
"""What a ZIP archive is, by how the name of a member begins."""
_TEXTS = ("a PDF", "a text document (RTF)")
_ADVICE = {
    OLD_OFFICE: "if it is a workbook, rename it to end with .xls",
    EXCEL: "rename it to end with .xlsx",
    ODS: "rename it to end with .ods",
    PARQUET: "rename it to end with .parquet",
    ARROW: "rename it to end with .feather",
    CSV: "rename it to end with .csv",
    "a compressed file": "unpack it first",
    "a ZIP archive": "unpack it first",
    "a web page (HTML)": "it may be a page that asks to log in: get the table anew",
    JSON_LINES: "rename it to end with .jsonl",
    JSON: "rename it to end with .json",
    "YAML": "write the table as CSV or JSON",
    TOML: "rename it to end with .toml",
}
_YAML_LINE = re.compile(r"(- )?[\w\"' -]+:(\s.*)?|---.*|#.*|\s*|\s+- .*|- .*")
_TOML_LINE = re.compile(r"\s*(\[\[?[\w.\"-]+\]\]?|[\w.\"-]+\s*=\s*\S.*|#.*|)\s*")


def what_to_do(kind: str | None) -> str:
    """Return how to turn a file of some kind into a table."""
    for start, advice in _ADVICE.items():
        if kind is not None and kind.startswith(start):
            return advice
    return "write the table as CSV, for example"


def kind_of(path: Path) -> str | None:
    """Return what a file contains, as text; None if its first bytes do not tell.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if compression := compression_of(head):
        return _kind_of_packed(TextFile(path, compression))
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_zip(path)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "an image (WebP)"
    is_binary = any(byte < 9 or 13 < byte < 32 for byte in head)
    for magic, kind in _MAGIC:
        # The first column may be called ORCID, but a text has no such bytes.
        if head.startswith(magic) and (is_binary or kind in _TEXTS):
            return kind
    return _kind_of_text(head)


def _kind_of_packed(text: TextFile) -> str | None:
    """Return the kind of a compressed text, or that something is compressed."""
    try:
        with text.open_bytes() as file:
            head = file.read(_HEAD_BYTES)
    except SpecError:
        return f"a compressed file ({text.compression}), damaged or not whole"
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return f"a compressed file ({text.compression})"
    return _kind_of_text(head)


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "mimetype" in names and b"spreadsheet" in archive.read("mimetype"):
                return ODS
    except (zipfile.BadZipFile, OSError, ValueError):
        return "a ZIP archive"
    for begin, kind in _BY_MEMBER.items():
        if any(name.startswith(begin) for name in names):
            return kind
    return "a ZIP archive"


def _kind_of_text(head: bytes) -> str | None:
    try:
        # The last character may be incomplete.
        text = head.decode("utf-8-sig", errors="ignore").lstrip()
    except UnicodeDecodeError:
        return None
    low = text[:200].lower()
    if low.startswith(("<!doctype html", "<html", "<head", "<body", "<table")):
        return "a web page (HTML)"
    if low.startswith(("<?xml", "<svg", "<rss", "<feed")):
        return "XML"
    if kind := _kind_of_json(text):
        return kind
    if "\0" in text or not text:
        return None
    lines = text.splitlines()[:20]
    if len(lines) > 1 and len(head) == _HEAD_BYTES:
        lines = lines[:-1]  # the last line may be incomplete
    return _kind_of_lines(lines)


def _kind_of_lines(lines: list[str]) -> str | None:
    if not _is_even_table(lines):
        if all(map(_TOML_LINE.fullmatch, lines)) and any("=" in line for line in lines):
            return TOML
        if all(map(_YAML_LINE.fullmatch, lines)) and _has_keys(lines):
            return "YAML"
    is_table = any(sign in lines[0] for sign in _DELIMITERS)
    return CSV if is_table and len(lines) > 1 else None


def _is_even_table(lines: list[str]) -> bool:
    """Tell whether each line has as many cells as the first one."""
    return any(
        lines[0].count(sign) and len({line.count(sign) for line in lines if line}) == 1
        for sign in _DELIMITERS
    )


def _has_keys(lines: list[str]) -> bool:
    keys = [line for line in lines if re.match(r"(- )?[\w\"' -]+:(\s|$)", line)]
    return len(keys) > 1 or (bool(keys) and lines[0].startswith("---"))


def _kind_of_json(text: str) -> str | None:
    if not text.startswith(("{", "[")):
        return None
    first = text.splitlines()[0]
    try:
        json.loads(first)
    except RecursionError:
        return JSON
    except ValueError:
        # A document of many lines, of which this is only the beginning.
        is_begun = re.match(r"[{\[]\s*([{\[\"\]}]|$)", text)
        return JSON if is_begun else None
    return JSON_LINES if text.startswith("{") else JSON
