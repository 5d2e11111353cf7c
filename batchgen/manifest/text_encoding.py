"""The encoding of a text that does not state one: found where certain, else asked for.

UTF-8 and UTF-16 prove themselves. The code pages of single bytes do not: the same bytes
are letters in each of them. So one is taken only if no other makes sense, the notice
shows a word as it was read, and everything else is refused with the candidates.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from batchgen.errors import SpecError
from batchgen.manifest.text_file import UTF8, TextFile
from batchgen.manifest.wording import shown

WINDOWS = "cp1252"

_BLOCK_BYTES = 1 << 20
_SAMPLE_BYTES = 64 * 1024
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark is its beginning
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: UTF8,
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_CODE_PAGES = [
    *(WINDOWS, "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"),
    *("iso8859_2", "iso8859_7", "iso8859_15", "koi8_r"),  # of Unix, where they differ
    *("mac_roman", "cp437", "cp850", "cp932", "gb18030", "big5", "cp949", "euc_jp"),
]
"""What spreadsheets of the last thirty years write [assumed]."""
_MAX_DISTANCE = 0.05
"""How much more chaotic than the best reading one may be and still be possible."""

_LETTERS = "äöüÄÖÜßéèêëàâîïôûùçÉÈÀÂÊÇÎÔñÑáíóúÁÍÓÚãõåæøÅÆØœŒìò"
_SIGNS = "€„‚“”‘’‹›«»…–—•™®©°²³¹½¼¾·×±µ§£¥¢¿¡ªº¶ \u00a0\u00ad"
_MISREAD = re.compile(
    # Letters of Central Europe and Turkey, as Windows-1252 shows them.
    r"[²³¹ºª§µ¶×·½¼¾£¥¢±](?=[a-zà-ÿ])(?<![0-9][²³µ])|[a-zà-ÿ][¿¡¶¥¢±§]"
    r"|¿(?![^?]*\?)|õ(?!es?\b)|(?<!ç)ã(?![oe])|\bè(?=\w)|[ùòì](?=\w)|û(?![trl])"
)


_WORD = re.compile(r"[^\s,;|\"]+")


@dataclass(frozen=True, slots=True)
class _Suspect:
    """The lines of a text that are not UTF-8, and the number of the first."""

    sample: bytes
    line: int


def find_encoding(text: TextFile) -> tuple[str, str | None]:
    """Return the encoding of a text, and a notice for the user about it.

    Raises:
        SpecError: several encodings are possible; the message shows a word in each.
    """
    with text.open_bytes() as file:
        head = file.read(4096)
        for mark, name in _MARKS.items():
            if head.startswith(mark):
                return name, _utf16_notice(text, name)
        if wide := _wide_encoding(head):
            return wide, _utf16_notice(text, wide)
        suspect = _suspect(head, file)
    return (UTF8, None) if suspect is None else _choose(text, suspect)


def with_byte_order(text: TextFile, encoding: str) -> str:
    """Return an encoding that the user stated, with the byte order of the file."""
    if encoding not in ("utf-16", "utf-32"):
        return encoding
    with text.open_bytes() as file:
        head = file.read(4)
    orders = [name for mark, name in _MARKS.items() if head.startswith(mark)]
    return next(
        (name for name in orders if name.startswith(encoding)), f"{encoding}-le"
    )


def _utf16_notice(text: TextFile, name: str) -> str | None:
    return None if name == UTF8 else f"{shown(text.path)}: read as {display_name(name)}"


def _wide_encoding(head: bytes) -> str | None:
    """Recognize UTF-16 without a mark: every second byte of most letters is NUL."""
    half = len(head) // 2
    if half < 2:
        return None
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > half * 0.4 and not even:
        return "utf-16-le"
    return "utf-16-be" if even > half * 0.4 and not odd else None


def _suspect(block: bytes, file: BinaryIO) -> _Suspect | None:
    """Return the first lines that are not UTF-8; None if there are none.

    Where other letters are UTF-8, a wrong byte is damage and no other encoding: the
    reader reports its line.
    """
    decoder = codecs.getincrementaldecoder(UTF8)()
    lines = 0
    while block:
        try:
            decoded = decoder.decode(block)
        except UnicodeDecodeError as error:
            whole = bytes(error.object)
            before = whole[: error.start]
            if not before.isascii():
                return None
            begin = before.rfind(b"\n") + 1
            sample = whole[begin:] + file.read(_SAMPLE_BYTES)
            return _Suspect(
                b"\n".join(_other_lines(sample[: 4 * _SAMPLE_BYTES])),
                lines + before.count(b"\n") + 1,
            )
        if not decoded.isascii():
            return None
        lines += block.count(b"\n")
        block = file.read(_BLOCK_BYTES)
    return None


def _other_lines(sample: bytes) -> Iterator[bytes]:
    size = 0
    for line in sample.splitlines():
        if not line.isascii() and size < _SAMPLE_BYTES:
            yield line
            size += len(line)


def _choose(text: TextFile, suspect: _Suspect) -> tuple[str, str | None]:
    readings = _readings(suspect.sample)
    western = _decoded(suspect.sample, WINDOWS)
    if western is not None and _is_western(western):
        readings = {western: WINDOWS}
    if len(readings) == 1:
        ((reading, name),) = readings.items()
        return name, (
            f"{shown(text.path)}: read as {display_name(name)}, since it is not UTF-8 "
            f"(line {suspect.line}: {_word(reading)}); if such words look wrong, say "
            "--encoding NAME"
        )
    if not readings:
        return UTF8, None  # the reader reports the line of the first wrong byte
    words = zip(readings.values(), _telling_words([*readings]), strict=True)
    examples = ", ".join(f"{name} ({word})" for name, word in words)
    raise SpecError(
        f"{shown(text.path)}, line {suspect.line}: not UTF-8, and its encoding is not "
        f"certain: say --encoding NAME, with the name that shows the right word: "
        f"{examples}; or save it as `CSV UTF-8`"
    )


def _readings(sample: bytes) -> dict[str, str]:
    """Return each text that the sample may be, with an encoding that reads it so."""
    # Imported here: it takes long to load, and most tables are UTF-8.
    from charset_normalizer import from_bytes

    matches = from_bytes(sample, cp_isolation=_CODE_PAGES, enable_fallback=False)
    best = min((match.chaos for match in matches), default=0.0)
    readings: dict[str, str] = {}
    for match in matches:
        if match.encoding == "koi8_r" and _is_shouted(str(match)):
            continue  # small letters of Windows-1251 are capitals there
        if match.chaos <= best + _MAX_DISTANCE:
            equal = [match.encoding, *match.could_be_from_charset]
            name = WINDOWS if WINDOWS in equal else match.encoding
            readings.setdefault(str(match), name)
    return readings


def _is_shouted(text: str) -> bool:
    """Tell whether most letters that are not ASCII are capitals."""
    letters = [sign for sign in text if _is_letter(sign)]
    return sum(map(str.isupper, letters)) * 2 > len(letters)


def _decoded(sample: bytes, encoding: str) -> str | None:
    try:
        return sample.decode(encoding)
    except UnicodeDecodeError:
        return None


def _is_western(text: str) -> bool:
    """Tell whether a text of Windows-1252 has the letters of Western Europe alone."""
    others = {sign for sign in text if not sign.isascii()}
    return others <= {*_LETTERS, *_SIGNS} and not _MISREAD.search(text.lower())


def _word(text: str) -> str:
    """Return the first word with a letter that is not ASCII, else a sign, quoted."""
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    letters = [word for word in words if any(map(_is_letter, word))]
    word = next(iter(letters or words), "")
    return f"`{word[:40]}`"


def _is_letter(sign: str) -> bool:
    return sign.isalpha() and not sign.isascii()


def _telling_words(texts: Sequence[str]) -> Sequence[str]:
    """Return the first word that differs in all texts, or else in some, quoted."""
    columns = [*zip(*map(_WORD.findall, texts), strict=False)]
    best = max(columns, key=lambda words: len(set(words)), default=texts)
    return [f"`{word[:40]}`" for word in best]


def display_name(encoding: str) -> str:
    """Return the usual name of an encoding."""
    page = re.fullmatch(r"cp(125\d)", encoding)
    return f"Windows-{page[1]}" if page else encoding.upper().removesuffix("-LE")
