"""The examples in each command's help: they are there, and they can be typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from batchgen.cli import HELP, cli
from batchgen.cli.examples import EXAMPLES


def command_named(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return command


def examples_of(name: str) -> Iterator[str]:
    """Yield the commands in the help of a command, as `-h` shows them."""
    command = command_named(name)
    context = click.Context(
        command, info_name=f"batchgen {name}", max_content_width=300
    )
    lines = command.get_help(context).splitlines()
    yield from (line.strip() for line in lines if re.match(r"\s+batchgen \w", line))


@pytest.mark.parametrize("name", HELP)
def test_each_help_has_an_example_of_the_command(name: str) -> None:
    examples = [*examples_of(name)]

    assert any(example.startswith(f"batchgen {name}") for example in examples)


@pytest.mark.parametrize(
    "example", [example for examples in EXAMPLES.values() for example in examples]
)
def test_each_example_can_be_typed(example: str) -> None:
    program, name, *arguments = shlex.split(example)
    arguments = [word for word in arguments if word not in ("--bill", "usage.csv")]
    missing_files = ("--reference", "logo.png")
    arguments = [word for word in arguments if word not in missing_files]

    command_named(name).make_context(name, arguments).close()

    assert program == "batchgen"
