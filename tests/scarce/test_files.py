"""Few files and sockets cost no image: what is bought is stored, the cap is said."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from tests.scarce.runs import (
    PROTOCOLS,
    Ended,
    assert_all_kept,
    command,
    limited,
    server,
    words_for,
    write_manifest,
)

ROWS = 60
AT_ONCE = 1000


def run(
    folder: Path, provider: str, url: str, soft: int, hard: int | None = None
) -> Ended:
    limit = limited(resource.RLIMIT_NOFILE, soft, hard)
    return command(*words_for(provider, url, AT_ONCE), at=folder, limit=limit)


@pytest.mark.parametrize("provider", PROTOCOLS)
def test_with_few_files_every_row_is_bought_once_and_kept(
    tmp_path: Path, provider: str
) -> None:
    write_manifest(tmp_path, ROWS)
    with server(0.1) as shop:
        ended = run(tmp_path, provider, shop.url, 64)
        bill = shop.bill()

    assert ended.code == 0, ended.stderr
    assert_all_kept(tmp_path, bill, ROWS)
    assert bill.max_open < 64 - 20
    notice, *others = ended.stderr.splitlines()
    assert "1,000 purchases at a time need" in notice
    assert "may open 64 files, so at most" in notice
    assert "ulimit -n" in notice
    assert not others, others  # above all, no word of an outage


def test_a_limit_that_may_be_lifted_is_lifted_without_a_word(tmp_path: Path) -> None:
    write_manifest(tmp_path, ROWS)
    with server(0.3) as shop:
        ended = run(tmp_path, "apiai", shop.url, 64, 4096)
        bill = shop.bill()

    assert ended.code == 0
    assert ended.stderr == ""
    assert bill.max_open > 50


def test_the_limit_that_is_named_is_enough(tmp_path: Path) -> None:
    write_manifest(tmp_path, 1)
    with server(0.0) as shop:
        output = run(tmp_path, "aimlapi", shop.url, 64).stderr
        enough = int(output.partition("`ulimit -n ")[2].partition("`")[0])
        again = run(tmp_path, "aimlapi", shop.url, enough)

    assert again.code == 0
    assert again.stderr == ""


def test_with_too_few_files_to_store_anything_nothing_is_bought(
    tmp_path: Path,
) -> None:
    write_manifest(tmp_path, 2)
    with server(0.0) as shop:
        ended = run(tmp_path, "aimlapi", shop.url, 32)
        purchases = shop.bill().purchases

        assert ended.code == 1
        assert purchases == 0
        assert "may open 32 files, and a run needs at least" in ended.stderr
        assert "Nothing was sent" in ended.stderr
        assert not (tmp_path / "out/m/images.zip").exists()
        assert run(tmp_path, "aimlapi", shop.url, 64).code == 0


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("status", "out/m"), id="status"),
        pytest.param(("report", "out/m"), id="report"),
        pytest.param(("costs", "out/m"), id="costs"),
        pytest.param(("retry", "out/m", "--status", "failed"), id="retry"),
        pytest.param(("check", "m.csv", "--provider", "aimlapi"), id="check"),
    ],
)
def test_other_commands_do_with_few_files_or_say_that_there_are_too_few(
    finished: Path, words: tuple[str, ...]
) -> None:
    few = command(*words, at=finished, limit=limited(resource.RLIMIT_NOFILE, 24))
    too_few = command(*words, at=finished, limit=limited(resource.RLIMIT_NOFILE, 9))

    assert few.code == 0, few.stderr
    assert too_few.code == 1
    assert "this process may open 9 files" in too_few.stderr
    assert len(too_few.stderr.splitlines()) == 1


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    write_manifest(folder, 2)
    with server(0.0) as shop:
        assert run(folder, "aimlapi", shop.url, 256).code == 0
    return folder
