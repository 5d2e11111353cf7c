"""Local references: digests of what they hold, and whether that is still so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from batchgen.manifest import FileContents, files
from batchgen.manifest.files import are_unchanged

LONG_AGO_NS = 1_600_000_000_000_000_000


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"1")
    contents = FileContents(tmp_path)
    before = contents("a.png")
    path.write_bytes(b"2")
    os.utime(path, ns=(1, 1))

    assert contents("a.png") not in (None, before)


def test_no_more_than_the_latest_files_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FileContents, "_MAX_ENTRIES", 2)
    contents = FileContents(tmp_path)
    for name in "abc":
        (tmp_path / name).write_text(name)

    digests = [contents(name) for name in "abcab"]

    assert len(set(digests)) == 3
    assert digests[:2] == digests[3:]
    assert len(contents._digests) == 2


@pytest.mark.parametrize("reference", ["absent.png", ".", "pipe", "nul\0"])
def test_what_is_no_file_has_no_content(tmp_path: Path, reference: str) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert FileContents(tmp_path)(reference) is None


# -- whether a file is as it was read


def write(path: Path, text: str, changed_at: int = LONG_AGO_NS) -> None:
    path.write_text(text)
    os.utime(path, ns=(changed_at, changed_at))


def touch(path: Path) -> None:
    os.utime(path)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(lambda path: None, {True}, id="nothing"),
        pytest.param(touch, {True}, id="touched"),
        pytest.param(lambda path: path.write_text("b"), {False}, id="other-content"),
        pytest.param(lambda path: path.write_text("longer"), {False}, id="other-size"),
        pytest.param(Path.unlink, {False}, id="gone"),
        pytest.param(make_folder, {False}, id="a-folder-by-now"),
    ],
)
def test_a_file_is_as_it_was_while_it_holds_the_same(
    tmp_path: Path, change: Callable[[Path], object], expected: set[bool]
) -> None:
    path = tmp_path / "a.png"
    write(path, "a")
    contents = FileContents(tmp_path)
    contents("a.png")

    change(path)

    assert {are_unchanged(tmp_path, contents.newly_read())} == expected


def test_a_file_changed_just_before_it_was_read_is_not_known_by_its_time(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.png"
    path.write_text("a")
    now = path.stat().st_mtime_ns
    contents = FileContents(tmp_path)
    contents("a.png")

    write(path, "b", now)

    assert not are_unchanged(tmp_path, contents.newly_read())


def test_a_file_that_was_missing_is_not_the_same_once_it_is_there(
    tmp_path: Path,
) -> None:
    contents = FileContents(tmp_path)
    contents("a.png")
    missing = contents.newly_read()

    assert are_unchanged(tmp_path, missing)
    write(tmp_path / "a.png", "a")
    assert not are_unchanged(tmp_path, missing)


def test_a_file_is_told_of_once(tmp_path: Path) -> None:
    write(tmp_path / "a.png", "a")
    contents = FileContents(tmp_path)

    paths = []
    for _ in range(3):
        contents("a.png")
        paths.append([state.path for state in contents.newly_read()])

    assert paths == [["a.png"], [], []]


def test_a_file_with_the_size_and_time_of_another_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MIN_AGE_NS", -(10**18))
    path = tmp_path / "a.png"
    write(path, "a")
    contents = FileContents(tmp_path)
    contents("a.png")
    [state] = contents.newly_read()
    assert state.changed_at is not None

    other = tmp_path / "b.png"
    write(other, "b")
    while path.stat().st_ctime_ns == other.stat().st_ctime_ns:
        write(other, "b")  # until the file system's clock has moved on
    other.replace(path)

    assert not are_unchanged(tmp_path, [state])
