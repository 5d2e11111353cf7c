"""Make names of ZIP members that every system can unpack.

The rules of Windows are the strictest, so they decide. Source: Microsoft, "Naming
Files, Paths, and Namespaces".
"""

from __future__ import annotations

import re
import unicodedata

_SEGMENT_BYTES = 96
_STEM_BYTES = 200

# Control characters, characters that Windows forbids, surrogates, noncharacters, and
# marks that hide or reverse the text beside them.
_FORBIDDEN = re.compile(
    r'[\x00-\x1f\x7f-\x9f<>:"|?*\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff'
    r"\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
# Some scripts and emoji need joiners; an older file system of macOS ignores them
# (Apple, TN1150, "Case-Insensitive String Comparison Algorithm").
_JOINERS = re.compile(r"[\u200c\u200d]")
_RESERVED = re.compile(
    r"(con|prn|aux|nul|(com|lpt)[0-9\u00b9\u00b2\u00b3]|conin\$|conout\$)\s*(\.|$)",
    re.IGNORECASE,
)
# Matched once for each run of blanks and dots: a name may consist of blanks.
_WEAK_END = re.compile(r"(?<![\s.])[\s.]+$")
_IMAGE_EXTENSION = re.compile(r"(?<=[^/\\])\.(png|jpe?g|webp|gif|avif)$", re.IGNORECASE)
# A folder and a file cannot have the same name.
_FILE_LIKE = re.compile(r"\.(?=(png|jpe?g|webp|gif|avif|jsonl)$)", re.IGNORECASE)


def safe_base_name(raw: str) -> str:
    """Return a member's path without extension, safe on Windows, macOS and Linux.

    `/` and the backslash make folders. The result is relative, has no `..`, no hidden
    and no reserved part, is in NFC and at most 200 bytes long in UTF-8. Two names may
    become the same: the caller has to make them differ.
    """
    text = unicodedata.normalize("NFC", raw).replace("\\", "/")
    segments = [_safe_segment(segment) for segment in text.split("/")]
    *folders, last = [segment for segment in segments if segment] or ["_"]
    folders = [_FILE_LIKE.sub("_", folder) for folder in folders]
    # The file's own name matters most, so the deepest folders are dropped.
    while len("/".join([*folders, last]).encode()) > _STEM_BYTES:
        folders.pop()
    return "/".join([*folders, last])


def leads_out(name: str) -> bool:
    """Say whether a member of this name would leave the folder of the unpacked ZIP.

    No name of batchgen does; but others may have changed a ledger or a ZIP.
    """
    is_absolute = name.startswith("/") or "\\" in name or ":" in name[:2]
    return not name or is_absolute or (".." in name and ".." in name.split("/"))


def strip_image_extension(filename: str) -> str:
    """Return the user's file name without the extension of an image, if it has one.

    Only one extension is removed, never the whole name: the content decides which
    extension the member gets.
    """
    return _IMAGE_EXTENSION.sub("", filename)


def member_name(base_name: str, image: int, images: int, extension: str) -> str:
    """Return the name of image number `image`, from 1, out of a row's `images`."""
    number = f"-{image}" if images > 1 else ""
    return f"{base_name}{number}.{extension}"


def folded_base_names(base_name: str, images: int) -> list[str]:
    """Return the folded base names of a row's members, for clash checks.

    `cup` with two images uses `cup-1`, which another row may have as its own name.
    """
    numbered = [f"{base_name}-{image}" for image in range(1, images + 1)]
    return [fold(name) for name in (numbered if images > 1 else [base_name])]


def fold(base_name: str) -> str:
    """Return the same text for base names that are the same file on some system."""
    decomposed = unicodedata.normalize("NFD", _JOINERS.sub("", base_name))
    return unicodedata.normalize("NFC", decomposed.casefold())


def _safe_segment(raw: str) -> str:
    """Return one safe part of a path; it may be empty."""
    segment = _WEAK_END.sub("", _FORBIDDEN.sub("_", raw).strip())
    segment = _WEAK_END.sub("", _cut(segment, _SEGMENT_BYTES))
    if segment.startswith("."):
        segment = "_" + segment[1:]
    if _RESERVED.match(segment):
        segment = "_" + _WEAK_END.sub("", _cut(segment, _SEGMENT_BYTES - 1))
    return segment


def _cut(text: str, size_bytes: int) -> str:
    return text.encode()[:size_bytes].decode(errors="ignore")
