"""Types of the values that say which table is read, and how it is written."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from batchgen.job.declaration import ValueType
from batchgen.job.values import NAMES, read_text
from batchgen.manifest.wording import did_you_mean

_SIGNS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "bar": "|"}
_USUAL = ("utf-8", "utf-16", "windows-1252", "iso-8859-1", "mac-roman", "shift-jis")
_PATTERN = re.compile(r"[*?\[]")


def _read_paths(value: object) -> list[Path]:
    parts = value if isinstance(value, list | tuple) else [value]
    if not parts:
        raise ValueError("the list is empty: name at least one table")
    return [part if isinstance(part, Path) else Path(read_text(part)) for part in parts]


def files_of(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Return the files that paths and patterns name, each once.

    Files of a pattern are in the order of their names, `part-2` before `part-10`.

    Raises:
        ValueError: a pattern matches no file.
    """
    files = [file for path in paths for file in _files(folder / path)]
    return [*dict.fromkeys(files)]


def is_pattern(path: Path) -> bool:
    """Tell whether a path is a pattern that may stand for several files."""
    return bool(_PATTERN.search(str(path))) and not path.exists()


def _files(path: Path) -> Iterator[Path]:
    match = _PATTERN.search(str(path))
    if match is None or path.exists():
        yield path.resolve()
        return
    root = Path(str(path)[: match.start()]).parent
    pattern = str(path.relative_to(root))
    files = sorted(filter(Path.is_file, root.glob(pattern)), key=_natural_order)
    if not files:
        raise ValueError(f"no file matches {path}")
    yield from (file.resolve() for file in files)


def _natural_order(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"([0-9]+)", str(path))
    return [
        (int(part), "") if part.isdecimal() else (0, part.casefold()) for part in parts
    ]


def _read_encoding(value: object) -> str:
    name = read_text(value).strip()
    try:
        codec = codecs.lookup(name)
        b"".decode(codec.name)
    except LookupError as error:
        raise ValueError(
            f"{name!r} is no encoding that is known"
            f"{did_you_mean(name, _USUAL) or '; usual ones are ' + ', '.join(_USUAL)}"
        ) from error
    return codec.name


def _read_delimiter(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("it is empty: write one character, such as ;")
    sign = _SIGNS.get(value.strip().lower() or value, value)
    if len(sign) != 1 or sign in '"\r\n':
        raise ValueError(f"{value!r} is not one character, such as ; or tab")
    return sign


def _read_positions(value: object) -> tuple[range, ...]:
    text = str(value) if isinstance(value, int) else read_text(value)
    return tuple(_range(part.strip()) for part in text.split(","))


def _range(part: str) -> range:
    match = re.fullmatch(r"([0-9]{1,10})(?:\s*-\s*([0-9]{1,10}))?", part)
    if match is None:
        raise ValueError(f"{part!r} is no row and no range, such as 10-20,35")
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise ValueError(f"{part!r} ends before it begins: write {last}-{first}")
    return range(first, last + 1)


POSITIONS = ValueType(
    _read_positions,
    {
        "type": "string",
        "pattern": r"^[\d\s,-]+$",
    },
    "rows such as `10-20,35`",
)
TABLES = ValueType(_read_paths, NAMES.schema, "path or list")
ENCODING = ValueType(
    _read_encoding, {"type": "string", "pattern": r"\S"}, "name of an encoding"
)
DELIMITER = ValueType(
    _read_delimiter, {"type": "string", "minLength": 1}, "one character, or `tab`"
)
