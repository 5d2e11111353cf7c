"""Make names of ZIP members that every system can unpack, wherever they come from.

What Windows cannot store is the strictest, so its rules decide. Source: Microsoft,
"Naming Files, Paths, and Namespaces".
"""

from __future__ import annotations

import re
import unicodedata

_SEGMENT_BYTES = 96
_STEM_BYTES = 200

# Controls, what Windows forbids, halves of characters, code points that are none,
# and marks that hide or turn round what stands beside them.
_FORBIDDEN = re.compile(
    r'[\x00-\x1f\x7f-\x9f<>:"|?*\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff'
    r"\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
# Scripts and emoji need them; an older file system of macOS passes over them (Apple,
# TN1150, "Case-Insensitive String Comparison Algorithm").
_JOINERS = re.compile(r"[\u200c\u200d]")
_RESERVED = re.compile(
    r"(con|prn|aux|nul|(com|lpt)[0-9\u00b9\u00b2\u00b3]|conin\$|conout\$)\s*(\.|$)",
    re.IGNORECASE,
)
# Tried once for each run of blanks and dots: a name may be nothing but blanks.
_WEAK_END = re.compile(r"(?<![\s.])[\s.]+$")
_IMAGE_EXTENSION = re.compile(r"(?<=[^/\\])\.(png|jpe?g|webp|gif|avif)$", re.IGNORECASE)
# A folder of this name would stand in the way of a file of this name.
_FILE_LIKE = re.compile(r"\.(?=(png|jpe?g|webp|gif|avif|jsonl)$)", re.IGNORECASE)


def safe_base_name(raw: str) -> str:
    """Return a member's path without extension, safe on Windows, macOS and Linux.

    `/` and the backslash make folders. The result is relative, has no `..`, no hidden
    and no reserved part, is in NFC and at most 200 bytes long in UTF-8. Two names may
    become one: the caller keeps them apart.
    """
    text = unicodedata.normalize("NFC", raw).replace("\\", "/")
    segments = [_safe_segment(segment) for segment in text.split("/")]
    *folders, last = [segment for segment in segments if segment] or ["_"]
    kept = [_FILE_LIKE.sub("_", folder) for folder in folders]
    # The file's own name says most: the deepest folders give way to it.
    while len("/".join([*kept, last]).encode()) > _STEM_BYTES:
        kept.pop()
    return "/".join([*kept, last])


def leads_out(name: str) -> bool:
    """Say whether a member of this name would not stay where it is unpacked.

    No name that batchgen makes does; but others may have changed a ledger or a ZIP.
    """
    is_absolute = name.startswith("/") or "\\" in name or ":" in name[:2]
    return not name or is_absolute or (".." in name and ".." in name.split("/"))


def strip_image_extension(filename: str) -> str:
    """Return the user's file name without the extension of an image, if it has one.

    Only one extension, and never the whole name: the content decides the extension.
    """
    return _IMAGE_EXTENSION.sub("", filename)


def member_name(base_name: str, image: int, images: int, extension: str) -> str:
    """Return the name of image number `image`, from 1, out of a row's `images`."""
    number = f"-{image}" if images > 1 else ""
    return f"{base_name}{number}.{extension}"


def folded_base_names(base_name: str, images: int) -> list[str]:
    """Return, folded, every stem that a row's members take, for clash checks.

    `cup` with two images takes `cup-1`, which another row may have as its own name.
    """
    numbered = [f"{base_name}-{image}" for image in range(1, images + 1)]
    return [fold(name) for name in (numbered if images > 1 else [base_name])]


def fold(base_name: str) -> str:
    """Return the same text for base names that some system takes for the same file."""
    decomposed = unicodedata.normalize("NFD", _JOINERS.sub("", base_name))
    return unicodedata.normalize("NFC", decomposed.casefold())


def _safe_segment(raw: str) -> str:
    """Return one part of a path; empty where nothing is left of it."""
    segment = _WEAK_END.sub("", _FORBIDDEN.sub("_", raw).strip())
    segment = _WEAK_END.sub("", _cut(segment, _SEGMENT_BYTES))
    if segment.startswith("."):
        segment = "_" + segment[1:]
    if _RESERVED.match(segment):
        segment = "_" + _WEAK_END.sub("", _cut(segment, _SEGMENT_BYTES - 1))
    return segment


def _cut(text: str, size_bytes: int) -> str:
    return text.encode()[:size_bytes].decode(errors="ignore")
