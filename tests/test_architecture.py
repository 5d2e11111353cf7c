"""The pages on the code name paths and names that are there."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest

from tests.code_blocks import ROOT

PAGE = (ROOT / "batchgen/docs/architecture.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
ADDING = (ROOT / "batchgen/docs/adding-providers.md").read_text("utf-8")
PATH = re.compile(r"\b((?:batchgen|tests|samples|jobs)/[\w./-]*\w)(?=[`\s,)])")
PATHS = sorted(set(PATH.findall(PAGE)))
PATHS_FOR_CONTRIBUTORS = sorted(set(PATH.findall(CONTRIBUTING + ADDING)))
MODULES = sorted(
    set(
        re.findall(
            r"`(batchgen(?:\.\w+)+)`|python -m (tests[\w.]+)", CONTRIBUTING + ADDING
        )
    )
)
ROOMS = re.findall(
    r"`([\w.]+)`",
    "".join(
        re.findall(
            r"^\| (`.+?) \|",
            CONTRIBUTING.partition("| in `tests`")[2].partition("\n\n")[0],
            re.MULTILINE,
        )
    ),
)
NAMES = re.findall(r"^\| .+ \| `([\w./]+\.py)` \| `(\w+)` \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("path", [*PATHS, *PATHS_FOR_CONTRIBUTORS, "pyproject.toml"])
def test_each_path_on_the_page_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_of_the_tests_exists(room: str) -> None:
    assert (ROOT / "tests" / room).exists()


@pytest.mark.parametrize("module", ["".join(names) for names in MODULES])
def test_each_module_on_the_pages_for_contributors_exists(module: str) -> None:
    assert find_spec(module)


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
