"""Images that somebody does not like: given up by a list, and bought anew."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from batchgen.cli import cli
from batchgen.cli.retry import read_selection
from batchgen.errors import UsageError
from tests.cli.command import Shop, money, table

AWKWARD = ['say "cheese", 青', "two\nlines", " spaced ", "=1+2", "é; plain"]


def listed(*picks: tuple[str, str]) -> str:
    """Return what report.html exports."""
    file = io.StringIO()
    csv.writer(file).writerows([("id", "image"), *picks])
    return file.getvalue()


def call(*words: str | Path) -> Result:
    """Give a command in this process, which has all loaded."""
    return CliRunner().invoke(cli, [str(word) for word in words])


def members(folder: Path) -> dict[str, str]:
    """Return the hash of each image that the ZIP lists."""
    with zipfile.ZipFile(folder / "images.zip") as archive:
        lines = archive.read("metadata.jsonl").decode().splitlines()
        images = [json.loads(line) for line in lines]
        assert archive.testzip() is None
        assert [entry["file_name"] for entry in images] == archive.namelist()[1:]
    return {image["file_name"]: image["sha256"] for image in images}


def test_a_rejected_image_alone_is_bought_again_and_the_first_stays_paid(
    shop: Shop,
) -> None:
    shop.write("m.csv", "prompt,n\na lamp,1\na vase,3\n")
    assert shop.run("m.csv", "--yes", "--quiet", "--rpm", "6000").code == 0
    out = shop.folder / "out/m"
    before, bought = members(out), table(out)
    shop.write("rejected.csv", listed(("1", "2")))
    words = ("retry", out, "--ids", shop.folder / "rejected.csv")

    unnamed = call("retry", out, "--status", "succeeded")
    left = call(*words)
    marked = call(*words, "--status", "succeeded")
    page = call("report", out, "--html")
    sent = shop.sent
    assert shop.run("m.csv", "--yes", "--quiet").code == 0

    assert isinstance(unnamed.exception, UsageError)
    assert "say which by --ids" in str(unnamed.exception)
    assert page.stdout.splitlines()[-1].startswith(f"report: {out}/report.html (0.")
    text = (out / "report.html").read_text("utf-8")
    assert "at most 6000 a minute were allowed" in text
    assert f'"retry":"batchgen retry {out} --ids rejected.csv"' in text
    assert left.stdout.splitlines()[0] == "0 rows are marked to be tried again"
    assert "--status succeeded" in left.stdout
    assert marked.stdout.startswith("1 row is marked")
    assert shop.sent == sent + 1
    after, now = members(out), table(out)
    assert after.keys() == before.keys()
    assert now["status"].to_list() == ["succeeded", "succeeded"]
    assert [len(file) for file in now["files"]] == [1, 3]
    assert money(now, "cost_usd") > money(bought, "cost_usd")


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "as-excel-saves-it"])
def test_ids_of_any_kind_come_back_from_the_list(mark: str, tmp_path: Path) -> None:
    path = tmp_path / "rejected.csv"
    text = mark + listed(*((row_id, "") for row_id in AWKWARD))
    path.write_text(text, "utf-8", newline="")

    assert [pick.id for pick in read_selection(path)] == AWKWARD


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("name\nr0\n", "has no column `id`", id="no-id-column"),
        pytest.param("id,image\nr0,first\n", "image is 'first'", id="no-number"),
        pytest.param("id,image\n", "holds no id", id="empty"),
    ],
)
def test_a_list_that_cannot_be_right_is_refused(
    text: str, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "picked.csv"
    path.write_text(text, "utf-8")

    with pytest.raises(UsageError, match=problem):
        read_selection(path)
