"""A run folder belongs to one process, one SOURCE, and one kind of run."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchgen.errors import (
    ArchiveDamaged,
    LedgerLocked,
    LedgerMismatch,
    SpecError,
    StorageError,
)
from batchgen.runner.folder import is_locked, open_folder, read_ledger


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("prompt\na cup\n")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out" / "rows"


def test_a_second_run_on_a_folder_is_refused_while_the_first_lasts(
    folder: Path, source: Path
) -> None:
    with open_folder(folder, source, "real"):
        assert is_locked(folder)
        with (
            pytest.raises(LedgerLocked, match="another batchgen works on"),
            open_folder(folder, source, "real"),
        ):
            pass
        read_ledger(folder).close()

    assert not is_locked(folder)
    with open_folder(folder, source, "real"):
        pass


def test_a_folder_is_let_go_when_the_run_fails(folder: Path, source: Path) -> None:
    def fail() -> None:
        with open_folder(folder, source, "real"):
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert not is_locked(folder)


def test_a_folder_of_another_source_is_refused_with_the_way_out(
    folder: Path, source: Path
) -> None:
    other = source.with_name("other.csv")
    other.write_text("prompt\na lamp\n")
    with open_folder(folder, source, "real"):
        pass

    with (
        pytest.raises(LedgerMismatch, match=r"rows\.csv.*other\.csv.*--out"),
        open_folder(folder, other, "real"),
    ):
        pass


@pytest.mark.parametrize(
    ("first", "second"),
    [("real", "rehearsal"), ("rehearsal", "real"), ("loopback", "real")],
)
def test_kinds_of_runs_do_not_mix_in_one_folder(
    folder: Path, source: Path, first: str, second: str
) -> None:
    with open_folder(folder, source, first):
        pass

    with (
        pytest.raises(LedgerMismatch, match=f"{first} run and this is a {second} one"),
        open_folder(folder, source, second),
    ):
        pass


def test_a_folder_that_moved_with_its_source_is_the_same(
    folder: Path, source: Path, tmp_path: Path
) -> None:
    with open_folder(folder, source, "real") as opened:
        opened.ledger.write_meta("mark", 1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.parent.rename(elsewhere / "out")
    source.rename(elsewhere / "rows.csv")

    with open_folder(
        elsewhere / "out" / "rows", elsewhere / "rows.csv", "real"
    ) as opened:
        assert opened.ledger.read_meta("mark") == 1


def test_a_folder_that_moved_alone_is_bound_to_its_source_anew(
    folder: Path, source: Path, tmp_path: Path
) -> None:
    with open_folder(folder, source, "real"):
        pass
    moved = tmp_path / "deep" / "er" / "rows"
    moved.parent.mkdir(parents=True)
    folder.rename(moved)

    for _ in range(2):
        with open_folder(moved, source, "real"):
            pass


def test_a_folder_without_a_run_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="holds no run"):
        read_ledger(tmp_path)


def test_a_file_where_the_folder_should_be_is_told_so(
    source: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("not a folder")

    for path in (tmp_path / "out", tmp_path / "out" / "rows"):
        with (
            pytest.raises(StorageError, match="out"),
            open_folder(path, source, "real"),
        ):
            pass


def test_a_missing_archive_is_told_before_anything_is_bought(
    folder: Path, source: Path
) -> None:
    with open_folder(folder, source, "real") as opened:
        opened.ledger.meta.archive_end = 1000

    with (
        pytest.raises(ArchiveDamaged, match="put the whole file back"),
        open_folder(folder, source, "real"),
    ):
        pass
    assert not is_locked(folder)
