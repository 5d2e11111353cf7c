"""A kill while the ZIP is compacted leaves the old pair or the new one, never a mix."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from batchgen.runner.folder import current_ledger
from tests.crash.compacting import POINTS
from tests.crash.points import KILLED
from tests.report.keeping import (
    ROWS,
    check_pair,
    make_folder_with_dead_bytes,
    names,
    streamed,
)

NEW_FROM = POINTS.index("after-commit")
"""From this point on the new pair is in use."""


def compact(folder: Path, *point: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.crash.compacting", str(folder)]
    return subprocess.run(
        [*command, *(point or ("none",))], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder_with_dead_bytes(tmp_path_factory.mktemp("made"))


@pytest.mark.parametrize("point", POINTS)
def test_whichever_pair_is_left_fits_and_the_next_one_ends_it(
    point: str, made: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(made, folder)

    killed = compact(folder, point)

    assert killed.returncode == -9, killed
    assert killed.stderr == f"{KILLED}{point}\n"
    # Whoever looks first carries out what was decided, a verification, too.
    check_pair(folder)
    is_new = POINTS.index(point) >= NEW_FROM
    assert streamed(folder) == (names() if is_new else names(tuple(range(len(ROWS)))))
    ended = compact(folder)
    assert ended.returncode == 0, ended
    assert ("nothing to compact" in ended.stdout) == is_new
    check_pair(folder)
    assert streamed(folder) == names()


def test_a_second_kill_while_the_first_is_mended_changes_nothing(
    made: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(made, folder)

    for point in ("after-commit", "renamed", "before-forgotten"):
        assert compact(folder, point).returncode == -9

    check_pair(folder)
    assert streamed(folder) == names()


def test_a_reader_of_the_ledger_alone_does_not_mend_what_it_may_not(
    made: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(made, folder)
    assert compact(folder, "after-commit").returncode == -9
    assert (folder / "images.zip.compacted").exists()

    with current_ledger(folder) as (_, is_held):
        assert is_held
        assert not (folder / "images.zip.compacted").exists()
