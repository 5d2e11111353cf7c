"""Where no file is left, whoever opens waits; and no image or reply is to blame."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from batchgen import open_files
from batchgen.errors import StorageError
from batchgen.ledger import Ledger
from batchgen.manifest.files import FileContents
from batchgen.model import Reply
from batchgen.open_files import open_patiently
from batchgen.output.archive import Archive
from batchgen.output.kept_files import KeptFiles
from batchgen.references.loading import identify, read
from tests.scarce.runs import no_files_left


def test_a_file_is_opened_as_soon_as_one_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("a cup")
    tries = 0
    with ExitStack() as shortage:
        shortage.enter_context(no_files_left())

        def opening() -> str:
            nonlocal tries
            tries += 1
            if tries == 3:
                shortage.close()
            return path.read_text()

        assert open_patiently(opening) == "a cup"

    assert tries == 3


def test_a_file_that_is_not_there_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_patiently((tmp_path / "none").read_bytes)


def test_what_is_open_is_counted() -> None:
    before = open_files.count_open()
    descriptor = os.open(os.devnull, os.O_RDONLY)
    try:
        assert open_files.count_open() == before + 1
        assert open_files.may_open()
        with no_files_left():
            assert not open_files.may_open()
    finally:
        os.close(descriptor)


def reference(folder: Path) -> Callable[[], object]:
    (folder / "a.png").write_bytes(b"an image")
    identity = identify(folder, "a.png")
    return lambda: read("a.png", identity)


def digest(folder: Path) -> Callable[[], object]:
    (folder / "a.png").write_bytes(b"an image")
    files = FileContents(folder)
    return lambda: files("a.png")


def kept_reply(folder: Path) -> Callable[[], object]:
    kept = KeptFiles(
        folder, lambda piece: [piece if isinstance(piece, bytes) else piece.encode()]
    )
    kept.keep_reply(1, "aimlapi", "purchase", Reply(200, {}, {"a": "cup"}))
    return lambda: kept.read_reply(1)


def kept_replies(folder: Path) -> Callable[[], object]:
    kept = KeptFiles(
        folder, lambda piece: [piece if isinstance(piece, bytes) else piece.encode()]
    )
    kept.keep_reply(1, "aimlapi", "purchase", Reply(200, {}, {"a": "cup"}))
    return kept.replies


def ledger(folder: Path) -> Callable[[], object]:
    return lambda: Ledger(folder / "run.db")


def archive(folder: Path) -> Callable[[], object]:
    opened = Archive(folder / "images.zip", 0)
    return opened.open


@pytest.mark.parametrize(
    "prepare", [reference, digest, kept_reply, kept_replies, ledger, archive]
)
def test_a_lasting_want_of_files_stops_the_run_and_blames_nothing_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[Path], Callable[[], object]],
) -> None:
    monkeypatch.setattr(open_files, "PATIENCE_S", 0.0)
    opening = prepare(tmp_path)

    with no_files_left(), pytest.raises(StorageError) as raised:
        opening()

    assert "no more files can be opened" in str(raised.value)
    assert "ulimit -n" in str(raised.value)
