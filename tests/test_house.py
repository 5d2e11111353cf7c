"""The shape of the code: short files and functions, names that say what they are."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median, quantiles

import pytest

import batchgen

ROOT = Path(batchgen.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
TESTS = sorted(Path(__file__).parent.rglob("*.py"))

MAX_FILE_LINES = 400
MAX_MEDIAN_LINES = 7
MAX_P90_LINES = 20

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def functions_of(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def lines_of(function: Function) -> int:
    """Return how many lines a function has, its docstring apart."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        assert first.end_lineno is not None
        lines -= first.end_lineno - first.lineno + 1
    return lines


def names_of(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield each name that is given to something, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name):
                yield name, node.lineno
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, node.lineno
            case ast.Attribute(attr=name) | ast.MatchAs(name=str() as name):
                yield name, node.lineno
            case _:
                pass


def test_no_file_is_too_long_to_be_one_thing() -> None:
    sizes = {path: len(path.read_text("utf-8").splitlines()) for path in FILES}

    assert {
        str(path.relative_to(ROOT)): size
        for path, size in sizes.items()
        if size > MAX_FILE_LINES
    } == {}


def test_functions_are_short() -> None:
    sizes = [
        lines_of(function) for path in FILES for function in functions_of(parsed(path))
    ]

    assert median(sizes) <= MAX_MEDIAN_LINES
    assert quantiles(sizes, n=10)[-1] <= MAX_P90_LINES


def test_a_module_name_stands_once() -> None:
    """A provider's sandbox has the provider's name: they are twins."""
    twins = {path.stem for path in (ROOT / "providers").glob("*.py")}
    names = Counter(
        path.stem
        for path in FILES
        if not path.stem.startswith("__")
        and not (path.parent.name == "sandbox" and path.stem in twins)
    )

    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("files", [FILES, TESTS], ids=["package", "tests"])
def test_every_name_names_its_element(files: list[Path]) -> None:
    pronouns = [
        f"{path.name}:{line}"
        for path in files
        for name, line in names_of(parsed(path))
        if name == "it"
    ]

    assert pronouns == []
