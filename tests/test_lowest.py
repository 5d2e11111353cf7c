"""Lower bounds of the dependencies: each is stated, and each package is declared."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest

from tests.lowest import PROJECT, constraints

LATER_MODULES = {"compression"}
"""Of the standard library, from Python 3.14 on."""
PACKAGE = Path(__file__).parents[1] / "batchgen"


def test_each_dependency_is_pinned_to_its_lower_bound() -> None:
    project = """
    [project]
    dependencies = [
      "aiohttp>=3.14,<4", "pyarrow>=18", "backports.zstd>=1,<2; python_version < '3.14'"
    ]
    [project.optional-dependencies]
    dev = ["ruff>=0.10"]
    """

    assert list(constraints(project)) == [
        *("aiohttp==3.14", "pyarrow==18"),
        "backports.zstd==1; python_version < '3.14'",
        "ruff==0.10",
    ]


@pytest.mark.parametrize("requirement", ["polars", "polars<3", "polars~=1.32"])
def test_a_dependency_without_a_lower_bound_is_refused(requirement: str) -> None:
    project = f'[project]\ndependencies = ["{requirement}"]'

    with pytest.raises(ValueError, match="polars"):
        list(constraints(project))


def test_what_the_package_imports_is_declared() -> None:
    """A package that only comes along with another may leave with its next version."""
    project = PROJECT.read_text("utf-8")
    table = tomllib.loads(project)["project"]
    extras = dict(table["optional-dependencies"])
    extras.pop("dev")
    required = [*table["dependencies"], *chain.from_iterable(extras.values())]
    declared = {line.partition("==")[0] for line in constraints(project)}
    assert len(required) <= len(declared)
    extras = tomllib.loads(project)["project"]["optional-dependencies"]
    for_users = chain(*(names for extra, names in extras.items() if extra != "dev"))
    runtime = {text.partition(">=")[0] for text in chain(required, for_users)}

    imported = {
        name.partition(".")[0]
        for path in PACKAGE.rglob("*.py")
        for name in _imports(ast.parse(path.read_text("utf-8")))
    }

    distributions = packages_distributions()
    missing = {
        name
        for name in imported - sys.stdlib_module_names - LATER_MODULES - {"batchgen"}
        if not runtime
        & {distribution.lower() for distribution in distributions.get(name, [name])}
    }
    assert missing == set()


def _imports(tree: ast.AST) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
    return names
