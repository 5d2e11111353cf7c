"""Each mistake of the table ends in one message that names it and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cases.judge import open_service
from tests.cases.server import Service
from tests.cli.mistakes.column_options import COLUMN_OPTIONS
from tests.cli.mistakes.commands import COMMANDS, UNKNOWN_OPTIONS
from tests.cli.mistakes.folders import FOLDERS
from tests.cli.mistakes.habits import HABITS
from tests.cli.mistakes.job_files import JOB_FILES
from tests.cli.mistakes.keys import KEYS
from tests.cli.mistakes.mistake import Mistake
from tests.cli.mistakes.options import OPTIONS, PROVIDERS
from tests.cli.mistakes.proposals import PROPOSALS
from tests.cli.mistakes.rows import ROWS
from tests.cli.mistakes.tables import TABLES
from tests.cli.mistakes.user_defaults import USER_DEFAULTS

MISTAKES = (
    *(*OPTIONS, *PROVIDERS, *COMMANDS, *UNKNOWN_OPTIONS),
    *(*KEYS, *JOB_FILES, *TABLES, *ROWS, *FOLDERS, *HABITS),
    *(*COLUMN_OPTIONS, *PROPOSALS, *USER_DEFAULTS),
)


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    with open_service("aimlapi") as service:
        yield service


def paths_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_named_with_its_remedy_and_nothing_is_sent(
    mistake: Mistake, service: Service, tmp_path: Path
) -> None:
    mistake.set_up(tmp_path)
    before, requests = paths_below(tmp_path), len(service.requests)

    ended = mistake.make(tmp_path, service.url)

    assert mistake.problems(ended) == [], f"{ended.stdout}\n{ended.stderr}"
    assert len(service.requests) == requests
    new_files = {
        path
        for path in paths_below(tmp_path) - before
        if not path.startswith(mistake.leaves or ("\0",))
    }
    assert new_files == set()


def test_the_table_holds_each_mistake_once() -> None:
    names = [mistake.name for mistake in MISTAKES]

    assert len(names) == len(set(names))
    assert len(names) >= 88
