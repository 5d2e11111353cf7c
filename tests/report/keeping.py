"""Run folders whose ZIP holds dead bytes, and how a reader of streams sees them."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

from PIL import Image

from batchgen.ledger.selection import reject_images, rows_named, try_again
from batchgen.output.diskfile import DiskFile
from batchgen.output.walk import whole_members
from batchgen.report.archive_verification import verify
from batchgen.runner.folder import open_folder
from batchgen.runner.resume import recover
from batchgen.storage.outputs import write_outputs
from tests.report.runs import Row, made, read


def noise(number: int) -> bytes:
    """Return a picture of some 16 KB."""
    size = (90, 60)
    file = io.BytesIO()
    data = random.Random(number).randbytes(3 * size[0] * size[1])
    Image.frombytes("RGB", size, data).save(file, "PNG")
    return file.getvalue()


ROWS = [
    Row(id=f"r{number}", prompt=f"cup {number}", picture=noise(number))
    for number in range(8)
]
GIVEN_UP, REMOVED, CHANGED = 2, 4, 6
LIVE = tuple(at for at in range(len(ROWS)) if at not in (GIVEN_UP, REMOVED, CHANGED))


def make_folder(folder: Path, rows: list[Row] = ROWS) -> Path:
    """Make a folder in which rows have their images, and its ZIP is finished."""
    with made(folder, rows) as opened:
        recover(opened.ledger, opened.archive, 0)
        write_outputs(opened.ledger, opened.archive, folder)
    return folder


def make_folder_with_dead_bytes(folder: Path) -> Path:
    """Make one in which an image was given up, a row removed, and another changed."""
    make_folder(folder)
    with open_folder(folder, None, None) as opened:
        ledger = opened.ledger
        with ledger.transaction():
            row_id = rows_named(ledger, {ROWS[GIVEN_UP].id})[ROWS[GIVEN_UP].id]
            assert row_id is not None
            assert reject_images(ledger, row_id, None)
            try_again(ledger, row_id)
            ledger.meta.outputs = "stale"
        changed = [
            Row(id=row.id, prompt="a lamp") if at == CHANGED else row
            for at, row in enumerate(ROWS)
            if at != REMOVED
        ]
        read(ledger, changed)
        write_outputs(ledger, opened.archive, folder)
    return folder


def streamed(folder: Path) -> list[str]:
    """Return the images that a reader meets that walks the ZIP from its start."""
    path = folder / "images.zip"
    file = DiskFile(path)
    read_names = [
        key.member.name for key, _ in whole_members(file, 0, path.stat().st_size)
    ]
    file.close()
    return read_names


def names(rows: tuple[int, ...] = LIVE) -> list[str]:
    return [f"row-{at + 1}.png" for at in rows]


def check_pair(folder: Path) -> None:
    """Let ZIP and ledger be judged: they fit, whichever pair it is."""
    with open_folder(folder, None, None) as opened:
        assert recover(opened.ledger, opened.archive, 0) == 0
    health = verify(folder, lambda *_: None)
    assert health.is_whole, health
    assert health.is_finished
    with zipfile.ZipFile(folder / "images.zip") as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == sorted(["metadata.jsonl", *names()])
        for at in LIVE:
            assert archive.read(f"row-{at + 1}.png") == ROWS[at].picture
    assert not (folder / "images.zip.compacted").exists()
