"""`python -m tests.lowest`: constraints that pin each dependency to its lower bound.

What `pyproject.toml` allows is tried by installing exactly the lowest of it:
`pip install -c FILE -e '.[dev]'` with the output of this as FILE.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
_BOUND = re.compile(
    r"(?P<name>[A-Za-z0-9._-]+)>=(?P<version>[0-9][0-9.]*)(?:,<[0-9.]+)?"
    r"(?P<marker>\s*;.+)?"
)


def constraints(project: str) -> Iterator[str]:
    """Yield `name==version` for each dependency, those for development included.

    Raises:
        ValueError: A dependency has no lower bound, so nobody knows what works.
    """
    table = tomllib.loads(project)["project"]
    extras = table.get("optional-dependencies", {})
    for requirement in chain(table["dependencies"], *extras.values()):
        bound = _BOUND.fullmatch(requirement)
        if bound is None:
            raise ValueError(
                f"{requirement!r} states no lower bound as `name>=version`"
            )
        yield f"{bound['name']}=={bound['version']}{bound['marker'] or ''}"


def main() -> None:
    """Print the constraints of this project."""
    lines = constraints(PROJECT.read_text("utf-8"))
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    main()
