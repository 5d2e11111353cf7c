"""The page on the architecture names paths and names that are there."""

from __future__ import annotations

import re

import pytest

from tests.code_blocks import ROOT

PAGE = (ROOT / "batchgen/docs/architecture.md").read_text("utf-8")
PATHS = sorted(
    set(
        re.findall(
            r"`((?:batchgen|tests|samples|jobs)/[\w./-]+|pyproject\.toml)`", PAGE
        )
    )
)
NAMES = re.findall(r"^\| .+ \| `([\w./]+\.py)` \| `(\w+)` \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("path", PATHS)
def test_each_path_on_the_page_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("path", "name"), NAMES)
def test_each_name_on_the_page_is_defined_in_its_file(path: str, name: str) -> None:
    code = (ROOT / path).read_text("utf-8")

    assert re.search(
        rf"^ *(async def|def|class) {name}\b|^{name} = ", code, re.MULTILINE
    )


def test_each_question_has_a_file_and_a_name() -> None:
    section = PAGE.partition("## Find your way\n")[2].partition("\n## ")[0]
    questions = [line for line in section.splitlines() if "? |" in line]

    assert len(questions) == len(NAMES) >= 20


def test_each_folder_of_the_package_is_a_room_on_the_page() -> None:
    folders = {
        f"batchgen/{path.parent.name}" for path in ROOT.glob("batchgen/*/__init__.py")
    }

    assert folders <= set(PATHS)
