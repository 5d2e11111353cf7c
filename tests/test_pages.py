"""The pages name all that a user meets, and nothing that is not there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import click
import polars as pl
import pyarrow as pa
import pytest

from batchgen import errors
from batchgen.cli import HELP, cli
from batchgen.cli.help import read_pages
from batchgen.model import Basis, State, Status
from batchgen.output import ARCHIVE, PURCHASES, TABLE, purchase_table, result_table
from batchgen.output.kept_files import FOLDER as KEPT
from batchgen.output.switch import _SUFFIX as COMPACTED
from batchgen.output.zip_directory import METADATA
from batchgen.report.page import PAGE as REPORT
from batchgen.runner.folder import LEDGER, LOG
from batchgen.runner.folder_checks import RECOVERING
from tests.cli.command import batchgen

FOLDER = Path(str(files("batchgen").joinpath("docs")))
PAGES = read_pages()
ALL = "\n".join(PAGES.values())

ROWS = "id,prompt\na,a lamp\nb,\n"
PLACEHOLDERS = {"FILE": "rows.txt", "NAME": "gemini", "N": "1", "S": "1"}
"""Words in the place of a value, and a value that could stand there."""


def columns(section: str) -> dict[str, str]:
    """Return the columns of a section of the page on results, with their types."""
    part = PAGES["results"].partition(f"## Columns of {section}\n")[2].partition("## ")
    return dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", part[0], re.MULTILINE))


def types_of(schema: pa.Schema) -> dict[str, str]:
    """Return the columns of a table with their types, in the words of the page."""
    frame = pl.from_arrow(schema.empty_table())
    assert isinstance(frame, pl.DataFrame)
    return {name: _type(kind) for name, kind in frame.schema.items()}


def _type(kind: pl.DataType) -> str:
    match kind:
        case pl.Decimal():
            return f"Decimal({kind.precision},{kind.scale})"
        case pl.Datetime():
            return f"Datetime({kind.time_zone})"
        case pl.List():
            return "List(Struct)"
        case _:
            return str(kind)


def test_each_column_of_the_result_table_stands_there_with_its_type() -> None:
    schema = result_table.SCHEMA.append(result_table._SHARED)

    assert columns(TABLE) == types_of(schema)


def test_each_column_of_the_table_of_purchases_stands_there_with_its_type() -> None:
    assert columns(PURCHASES) == types_of(purchase_table.SCHEMA)


@pytest.mark.parametrize("field", [field.name for field in result_table._FILE])
def test_each_fact_of_an_image_stands_there(field: str) -> None:
    assert f"`{field}`" in PAGES["results"]


@pytest.mark.parametrize("name", [*Status, *State, *Basis])
def test_each_status_state_and_basis_is_explained(name: str) -> None:
    assert f"\n| `{name}` | " in ALL


def leaves(root: type[errors.BatchgenError]) -> Iterator[str]:
    """Yield the kinds of the errors that have no kinds below them."""
    kinds = root.__subclasses__()
    if not kinds:
        yield re.sub(r"(?<!^)(?=[A-Z])", "_", root.__name__).lower()
    for kind in kinds:
        yield from leaves(kind)


@pytest.mark.parametrize("kind", sorted(leaves(errors.BatchgenError)))
def test_each_kind_of_error_is_explained(kind: str) -> None:
    assert f"\n| `{kind}` | " in PAGES["errors"]


@pytest.mark.parametrize(
    "name",
    [
        *(ARCHIVE, METADATA, TABLE, PURCHASES, LEDGER, LOG, REPORT),
        *(f"{LEDGER}-wal", f"{LEDGER}-shm", f"{LEDGER}.lost-1", f"{KEPT}/"),
        *(COMPACTED, RECOVERING.removeprefix(LEDGER)),
    ],
)
def test_each_file_that_a_run_folder_may_hold_stands_there(name: str) -> None:
    assert f"`{name}`" in PAGES["results"]


def test_each_file_that_a_run_makes_stands_there(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(ROWS)
    batchgen("run", "m.csv", "--provider", "gemini", "--rehearse", at=tmp_path)
    folder = tmp_path / "out/m-rehearsal"
    assert batchgen("report", folder, "--html", at=tmp_path).code == 0

    names = {path.name for path in folder.iterdir() if path.is_file()}
    names |= {f"{path.name}/" for path in folder.iterdir() if path.is_dir()}
    inside = {path.name for path in (folder / "sandbox").iterdir()}
    inside = {re.sub(r"-(wal|shm)$", "", name) for name in inside}
    inside = {name.replace("gemini", "NAME") for name in inside}

    assert names >= {LEDGER, LOG, ARCHIVE, TABLE, PURCHASES, REPORT, "sandbox/"}
    missing = [name for name in names | inside if f"`{name}`" not in PAGES["results"]]
    assert not missing


# -- links


def links() -> list[tuple[str, str]]:
    """Return each link of each page that leads to a file, with the page."""
    return [
        (name, target)
        for name, text in PAGES.items()
        for target in re.findall(r"\]\(([^)\s]+)\)", text)
        if "://" not in target
    ]


@pytest.mark.parametrize(("page", "target"), links())
def test_each_link_leads_to_a_page_and_a_heading_of_it(page: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    file = FOLDER / (path or f"{page}.md")

    assert file.is_file()
    if anchor:
        headings = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
        assert anchor in map(_anchor, headings)


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


# -- commands


def shell_lines() -> list[str]:
    """Return what stands on the pages as a command of ours, each once."""
    block = r"^(?: {4})?(?:\$ )?(batchgen .*)$"
    lines = re.findall(block, ALL, re.MULTILINE) + re.findall(r"`(batchgen .*?)`", ALL)
    return list(dict.fromkeys(lines))


@pytest.mark.parametrize("line", shell_lines())
def test_each_command_on_the_pages_is_one_with_these_options(line: str) -> None:
    _, *words = shlex.split(line, comments=True)
    if words[0] in ("-h", "--help", "--version"):
        return
    assert words[0] in HELP
    command = cli.get_command(click.Context(cli), words[0])
    assert command is not None
    context = click.Context(command, info_name=words[0])

    values, _, _ = command.make_parser(context).parse_args(words[1:])

    for parameter in command.params:
        value = values.get(parameter.name or "")
        if not isinstance(parameter, click.Option) or parameter.is_flag:
            continue
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str) and not isinstance(parameter.type, click.Path):
                # What is no option was refused above; this refuses what is no value.
                parameter.type.convert(PLACEHOLDERS.get(each, each), parameter, context)


def test_each_option_on_the_pages_is_one_of_some_command() -> None:
    context = click.Context(cli)
    commands = [cli.get_command(context, name) for name in HELP]
    options = {
        option
        for command in commands
        if command is not None
        for parameter in command.params
        for option in parameter.opts
    }

    mentions = set(re.findall(r"`(--[a-z][a-z-]*)", ALL))

    assert mentions - {"--help", "--version"} <= options


def test_each_option_of_each_command_stands_on_some_page() -> None:
    context = click.Context(cli)
    options = {
        (name, option)
        for name in HELP
        if (command := cli.get_command(context, name)) is not None
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--") and option != "--help"
    }

    missing = {
        (name, option)
        for name, option in options
        if not re.search(rf"{option}\b(?!-)", ALL)
    }

    assert len(options) > 50
    assert not missing


def test_the_help_topics_that_pages_name_are_pages() -> None:
    topics = set(re.findall(r"batchgen help ([a-z-]+)", ALL)) - {"schema"}

    assert set(topics) <= PAGES.keys()
