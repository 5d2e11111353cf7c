"""`batchgen init`: from a table to a job, with few questions and nothing sent."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.command import batchgen, table
from tests.cli.terminal import terminal

PRODUCTS = """SKU,Title,Colour,Photo
1,Cup,red,https://cdn.example.com/1.jpg
2,Mug,,https://cdn.example.com/2.jpg
3,Jug,blue,https://cdn.example.com/3.jpg
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "products.csv").write_text(PRODUCTS)
    return tmp_path


def test_a_table_becomes_rehearsed_images_in_two_commands(folder: Path) -> None:
    proposed = batchgen("init", "products.csv", at=folder)
    rehearsed = batchgen("run", "products.toml", "--rehearse", at=folder)

    assert (proposed.code, rehearsed.code) == (0, 0)
    rows = table(folder / "out/products-rehearsal")
    assert rows["id"].to_list() == ["1", "2", "3"]
    assert rows["prompt"][0].startswith("Studio photo of Cup, red, on")
    assert rows["prompt"][1].startswith("Studio photo of Mug, on")


def test_it_shows_prompts_price_and_the_next_two_commands(folder: Path) -> None:
    ended = batchgen("init", "products.csv", "--provider", "openai", at=folder)

    assert ended.stderr == ""
    lines = ended.stdout.splitlines()
    examples = [line for line in lines if line.startswith("  row ")]
    assert len(examples) == 3
    assert any(line.startswith("3 images cost about $") for line in lines)
    assert lines[-2:] == [
        "  batchgen check products.toml",
        "  batchgen run products.toml --rehearse",
    ]


def test_the_budget_that_stands_there_as_a_comment_is_enough(folder: Path) -> None:
    batchgen("init", "products.csv", "--provider", "gemini", at=folder)
    job = folder / "products.toml"
    (line,) = re.findall(r"^# (max_cost = .+)$", job.read_text(), re.MULTILINE)

    job.write_text(f"{line}\n{job.read_text()}")
    checked = batchgen("check", "products.toml", at=folder)

    assert checked.code == 0, checked.terminal
    assert "NOT ENOUGH" not in checked.stdout.upper()


def test_nothing_is_made_but_the_job_file(folder: Path) -> None:
    batchgen("init", "products.csv", at=folder)

    assert {path.name for path in folder.iterdir()} == {"products.csv", "products.toml"}


def test_a_job_file_that_is_there_is_kept_unless_a_word_is_given(folder: Path) -> None:
    (folder / "products.toml").write_text("mine")

    refused = batchgen("init", "products.csv", at=folder)
    kept = (folder / "products.toml").read_text()
    agreed = batchgen("init", "products.csv", "--overwrite", at=folder)

    assert (refused.code, kept) == (2, "mine")
    assert "--overwrite" in refused.message
    assert agreed.code == 0
    assert 'id = "SKU"' in (folder / "products.toml").read_text()


def test_a_job_elsewhere_names_the_table_from_there(folder: Path) -> None:
    (folder / "jobs").mkdir()
    batchgen("init", "products.csv", "--out", "jobs/mine.toml", at=folder)

    assert 'manifest = "../products.csv"' in (folder / "jobs/mine.toml").read_text()
    assert batchgen("check", "jobs/mine.toml", at=folder).code == 0


def test_a_wrong_prompt_leaves_no_file(folder: Path) -> None:
    ended = batchgen("init", "products.csv", "--prompt", "{{ titel }}", at=folder)

    assert ended.code == 1
    assert "did you mean `Title`?" in ended.message
    assert not (folder / "products.toml").exists()


def test_in_a_terminal_it_asks_and_asks_again_after_a_mistake(folder: Path) -> None:
    with terminal("init", "products.csv", at=folder) as screen:
        screen.wait_for("Who makes the images?")
        screen.press(b"google\n")
        screen.wait_for("did you mean `gemini`?")
        screen.press(b"foxapi\n")
        screen.wait_for("Prompt of each row")
        screen.press(b"A {{ title }}\n")
        screen.wait_for("write {{ Title }}")
        screen.press(b"A {{ Title }}\n")
        screen.wait_for("3 images; 3 of them without a known price")
        screen.wait_for("Spend at most")
        screen.press(b"$5\n")
        screen.wait_for("write 5")
        screen.press(b"5\n")
        code = screen.wait()

    text = (folder / "products.toml").read_text()
    assert code == 0, screen.shown
    assert 'provider = "foxapi"' in text
    assert 'prompt = "A {{ Title }}"' in text
    assert "\nmax_cost = 5\n" in text


def test_the_example_of_the_help_works_in_an_empty_folder(tmp_path: Path) -> None:
    help_text = batchgen("--help", at=tmp_path).stdout
    example = re.findall(r"^  batchgen (.+)$", help_text, re.MULTILINE)

    assert example == ["init --sample", "run sample.toml --rehearse"]
    for command in example:
        assert batchgen(*command.split(), at=tmp_path).code == 0

    assert table(tmp_path / "out/sample-rehearsal").height == 3
    assert {path.name for path in tmp_path.iterdir()} == {
        *("sample.csv", "sample.toml", "out"),
    }


def test_ctrl_c_at_a_question_writes_nothing(folder: Path) -> None:
    with terminal("init", "products.csv", at=folder) as screen:
        screen.wait_for("Who makes the images?")
        screen.press_until(b"\x03", "stopped by Ctrl-C")
        assert screen.wait() == 130

    assert not (folder / "products.toml").exists()


def test_no_budget_is_consent_unless_it_was_typed(folder: Path) -> None:
    batchgen("init", "products.csv", "--yes", at=folder)

    ended = batchgen("run", "products.toml", at=folder, key="sk-" + "x" * 30)

    assert ended.code == 2
    assert "--max-cost" in ended.stderr
