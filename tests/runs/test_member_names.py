"""Whatever the manifest names its files, the ZIP can be unpacked anywhere."""

from __future__ import annotations

import ntpath
import unicodedata
import zipfile
from collections import Counter
from pathlib import Path, PureWindowsPath

import pytest

from tests.runs.desk import Desk

# The same question has another name from Python 3.13 on, and its old one goes.
is_reserved = getattr(
    ntpath, "isreserved", lambda name: PureWindowsPath(name).is_reserved()
)

LONGEST_BYTES = 255
"""Of one name, on the file systems of all three."""

AWKWARD = [
    "CON",
    "nul.txt",
    "com1.png",
    "lpt\u00b9",
    "aux /x",
    "../../outside",
    "/etc/passwd",
    "C:\\Windows\\x",
    "\\\\server\\share\\x",
    "a:b",
    "a\tb",
    "trailing. . ",
    "trailing",
    ".hidden",
    "~",
    "x" * 300,
    "x" * 299 + "y",
    "日" * 200,
    "/".join(["deep"] * 60),
    "Cup",
    "cUP",
    "caf\u00e9",
    "cafe\u0301",
    "STRASSE",
    "stra\u00dfe",
    "\ufb01sh",  # a ligature, which is `fi` once case is folded
    "fish",
    "zero\u200djoined",
    "zerojoined",
    "metadata.jsonl",
    "metadata.jsonl/x",
    "cup.png/x",
    "a\u202egnp.exe",
    "...",
]


@pytest.mark.anyio
async def test_every_member_has_a_file_of_its_own_on_every_system(
    desk: Desk, tmp_path: Path
) -> None:
    desk.write_columns(prompt=[f"p {value}" for value in AWKWARD], filename=AWKWARD)

    await desk.run(terms=desk.wide("foxapi", 16))

    names = [row["files"][0]["name"] for row in desk.table()]
    into = tmp_path / "unpacked"
    with zipfile.ZipFile(desk.out / "images.zip") as archive:
        assert sorted(archive.namelist()) == sorted([*names, "metadata.jsonl"])
        archive.extractall(into)
    files = sorted(path.relative_to(into).as_posix() for path in into.rglob("*.png"))
    assert files == sorted(names), "they stand where their names say"
    seen_by_others = Counter(as_seen(name) for name in names)
    assert max(seen_by_others.values()) == 1
    folders = {str(parent) for name in seen_by_others for parent in Path(name).parents}
    assert not folders & seen_by_others.keys()
    for name in names:
        check_for_windows(name)


def as_seen(name: str) -> str:
    """Return a name as macOS tells it from others: whatever case and composition.

    Its older file system passes over joiners, too.
    """
    visible = name.replace("\u200c", "").replace("\u200d", "")
    folded = unicodedata.normalize("NFD", visible).casefold()
    return unicodedata.normalize("NFC", folded)


def check_for_windows(name: str) -> None:
    path = PureWindowsPath(name)
    assert not path.drive
    assert not path.is_absolute()
    assert len(name) <= 200 + len(".png")
    for part in path.parts:
        assert not is_reserved(part), part
        assert not set(part) & set('<>:"|?*'), part
        assert part.replace("\u200d", "").isprintable(), part
        assert part == part.strip().rstrip("."), part
        assert part != ".."
        assert len(part.encode()) <= LONGEST_BYTES
