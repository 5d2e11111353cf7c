"""A text of one column: its first line may be the header, and is then no prompt."""

from __future__ import annotations

import pytest

from batchgen.manifest.manifest import Manifest
from batchgen.manifest.row import Row
from batchgen.model import Job
from tests.manifest.conftest import MakeJob


def rows_of(job: Job) -> list[Row]:
    return [row for part in Manifest.open(job).slices(2) for row in part.rows]


@pytest.mark.parametrize(
    ("content", "prompts"),
    [
        pytest.param(b"prompt\na mug\na cup\n", ["a mug", "a cup"], id="plain"),
        pytest.param(
            b'"prompt"\r\n"a ""red"" mug, new"\r\n"a big\ncup"\r\n',
            ['a "red" mug, new', "a big\ncup"],
            id="quoted",
        ),
        pytest.param(
            b'prompt\na mug, red\n"big" cup\n', ["a mug, red", '"big" cup'], id="lines"
        ),
    ],
)
def test_a_needed_name_in_the_first_line_is_no_prompt(
    make_job: MakeJob, content: bytes, prompts: list[str]
) -> None:
    rows = rows_of(make_job(content, "prompts.txt"))

    assert [row.prompt for row in rows] == prompts
    assert rows[0].line == 2


def test_a_single_column_may_have_the_name_in_the_template(make_job: MakeJob) -> None:
    job = make_job(b"name\nmug, red\ncup\n", "names.txt", prompt="a {{ name }}")

    assert [row.prompt for row in rows_of(job)] == ["a mug, red", "a cup"]
