"""Rows that build on rows, as a user meets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import batchgen, table

ROWS = "id,prompt,references\nbanner,a banner,row:hero\nhero,{},\nlone,alone,\n"
REHEARSED = ("--provider", "gemini", "--rehearse", "--quiet", "--out", "out")


def write(folder: Path, hero: str = "a hero") -> None:
    (folder / "m.csv").write_text(ROWS.format(hero))


def test_what_waits_for_another_row_says_so_and_comes_later(tmp_path: Path) -> None:
    write(tmp_path, "REFUSE-ME")
    refused = batchgen("run", "m.csv", *REHEARSED, at=tmp_path)
    status = batchgen("status", "out", at=tmp_path)
    waiting = table(tmp_path / "out").row(0, named=True)

    write(tmp_path)
    bought = batchgen("run", "m.csv", *REHEARSED, at=tmp_path)

    line = (
        "1 pending: it builds on row:hero, which was refused (row 0, line 2). It is "
        "bought when that row has its image"
    )
    assert refused.code == 3
    assert line in refused.stdout
    assert line in status.stdout
    assert waiting["status"] == "pending"
    assert waiting["message"] == "it builds on row:hero, which was refused"
    assert bought.code == 0, bought
    assert set(table(tmp_path / "out")["status"]) == {"succeeded"}


@pytest.mark.parametrize("with_children", [False, True])
def test_retry_says_what_was_made_from_an_image_that_is_bought_again(
    tmp_path: Path, *, with_children: bool
) -> None:
    write(tmp_path)
    assert batchgen("run", "m.csv", *REHEARSED, at=tmp_path).code == 0
    (tmp_path / "ids").write_text("hero\n")
    words = ("retry", "out", "--ids", "ids", "--status", "succeeded")

    marked = batchgen(*words, *["--with-children"] * with_children, at=tmp_path)

    stays = (
        "1 row was made from an image that is bought again, and stays as it is; to "
        "make that row anew, too, add --with-children"
    )
    assert marked.code == 0
    assert (stays in marked.stdout) is not with_children
    count = "2 rows are" if with_children else "1 row is"
    assert f"{count} marked to be tried again" in marked.stdout


def test_curl_shows_no_request_that_needs_the_image_of_a_run(tmp_path: Path) -> None:
    write(tmp_path)

    shown = batchgen("curl", "m.csv", "--provider", "gemini", "--row", "0", at=tmp_path)

    assert shown.message == (
        "m.csv, row 0, line 2, column `references`: row:hero is an image that a run "
        "makes: name its file instead, or show the request of that row"
    )
