"""Archives for the tests: real files, and the readers that judge them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from batchgen.output.archive import Archive, Member, NewImage, Tag

AT = datetime(2026, 11, 20, 23, 58, 59, 123456, tzinfo=UTC)


def incoming(number: int, data: bytes | None = None) -> NewImage:
    """Return an image whose name, data and tag tell its number."""
    tag = Tag(attempt_id=number, image=1, images=1, cost_nano=39_000_000, modified=AT)
    body = b"image %d " % number * 20 if data is None else data
    return NewImage(name=f"cups/tasse-é-{number}.png", data=body, tag=tag)


def filled(path: Path, count: int, first: int = 1) -> list[Member]:
    """Append that many images, synced, as one run that had committed all before."""
    committed = path.stat().st_size if path.exists() else 0
    with Archive(path, committed) as archive:
        members = archive.append(incoming(first + step) for step in range(count))
        archive.sync()
    return members


def check_with_every_reader(path: Path) -> None:
    """Let the ZIP be read whole by Python, by its command, and by unzip if there."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    commands = [[sys.executable, "-m", "zipfile", "-t", str(path)]]
    if unzip := shutil.which("unzip"):
        commands.append([unzip, "-tqq", str(path)])
    for command in commands:
        subprocess.run(command, check=True, capture_output=True)
