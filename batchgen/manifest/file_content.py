"""What a file contains, told by its first bytes and not by its name."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

from batchgen.errors import SpecError
from batchgen.manifest.wording import shown

EXCEL = "an Excel workbook"
CSV = "a text table (CSV)"
PARQUET = "a Parquet table"
TABLES = (EXCEL, CSV, PARQUET)
TOML = "a job file (TOML)"

_HEAD_BYTES = 8192
_DELIMITERS = ",;\t|"
_MAGIC = (
    (b"PAR1", PARQUET),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "an image (PNG)"),
    (b"\xff\xd8\xff", "an image (JPEG)"),
    (b"GIF8", "an image (GIF)"),
    (b"\x1f\x8b", "a compressed file (gzip)"),
    (b"BZh", "a compressed file (bzip2)"),
    (b"\x28\xb5\x2f\xfd", "a compressed file (zstd)"),
    (b"\xfd7zXZ\0", "a compressed file (xz)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"ARROW1", "an Arrow (Feather) table"),
    (b"ORC", "an ORC table"),
    (b"Obj\x01", "an Avro table"),
    (b"{\\rtf", "a text document (RTF)"),
    (b"\xd0\xcf\x11\xe0", f"{EXCEL} of an old version (.xls) or another Office file"),
)
_TEXTS = ("a PDF", "a text document (RTF)")
_ADVICE = {
    EXCEL: "open it there and save it as `CSV UTF-8`",
    PARQUET: "rename it to end with .parquet",
    CSV: "rename it to end with .csv",
    "a compressed file": "unpack it first",
    "a ZIP archive": "unpack it first",
    "a web page (HTML)": "it may be a page that asks to log in: get the table anew",
    "JSON": "write the table as CSV or Parquet",
    "YAML": "write the table as CSV or Parquet",
    TOML: "rename it to end with .toml",
}
_YAML_LINE = re.compile(r"(- )?[\w\"' -]+:(\s.*)?|---.*|#.*|\s*|\s+- .*|- .*")
_TOML_LINE = re.compile(r"\s*(\[\[?[\w.\"-]+\]\]?|[\w.\"-]+\s*=\s*\S.*|#.*|)\s*")


def refuse_other_content(path: Path, expected: str) -> None:
    """Refuse a file whose content clearly differs from what its name says.

    Args:
        path: Of the file.
        expected: By its name: `CSV` or `Parquet`.

    Raises:
        SpecError: the message says what the file is and what to do.
    """
    kind = kind_of(path)
    is_right = kind is None or kind == {"CSV": CSV, "Parquet": PARQUET}[expected]
    if not is_right:
        raise SpecError(f"{shown(path)} is {kind}, not {expected}: {what_to_do(kind)}")


def hint_for_suffix(path: Path) -> str:
    """Return `; FILE is ...` for a file with an unsupported suffix."""
    kind = kind_of(path)
    if path.suffix.lower() in (".xlsx", ".xls", ".xlsm", ".ods"):
        kind = kind or EXCEL
    if kind is None:
        return ""
    return f"; {path.name} is {kind}: {what_to_do(kind)}"


def what_to_do(kind: str | None) -> str:
    """Return how to turn a file of some kind into a table."""
    for start, advice in _ADVICE.items():
        if kind is not None and kind.startswith(start):
            return advice
    return "a manifest is a CSV or Parquet table"


def kind_of(path: Path) -> str | None:
    """Return what a file contains, as text; None if its first bytes do not tell.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
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


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return "a ZIP archive"
    if any(name.startswith("xl/") for name in names):
        return EXCEL
    if any(name.startswith("word/") for name in names):
        return "a Word document"
    if "content.xml" in names:
        return "an OpenDocument file, such as LibreOffice writes it"
    if any(name.startswith("Index/") for name in names):
        return "a Numbers or Pages document"
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
    if _is_json(text):
        return "JSON"
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


def _is_json(text: str) -> bool:
    if not text.startswith(("{", "[")):
        return False
    first = text.splitlines()[0]
    try:
        json.loads(first)
    except RecursionError:
        return True
    except ValueError:
        # A document of many lines, of which this is only the beginning.
        return bool(re.match(r"[{\[]\s*([{\[\"\]}]|$)", text))
    return True
