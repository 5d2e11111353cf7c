"""A command loads what it needs, and not before it needs it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from batchgen.cli import HELP

ROOT = Path(__file__).parents[1]
TELLING = ("--help", "--version")

LOADED = {
    "--help": "",
    "--version": "",
    "init": "anyio httpx polars",
    "run": "anyio httpx",
    "check": "anyio httpx polars",
    "status": "anyio",
    "contact": "",
    "runs": "anyio",
    "report": "anyio httpx pyarrow tenacity",
    "unpack": "",
    "recover": "anyio httpx polars pyarrow tenacity",
    "retry": "",
    "costs": "polars pyarrow rich",
    "reconcile": "anyio httpx pyarrow tenacity",
    "try": "aiohttp anyio httpx polars pyarrow tenacity",
    "curl": "aiohttp anyio httpx polars tenacity",
    "providers": "rich",
    "config": "",
    "sandbox": "PIL anyio starlette uvicorn",
    "help": "",
}
"""What a command loads before it does anything, of what takes long to load. Whatever
is loaded here and not needed, everybody waits for."""

WATCHED = {"jinja2"}.union(*(text.split() for text in LOADED.values()))

SAY = """
import json, os, sys
commands, watched = map(json.loads, sys.argv[1:])
for command in commands:
    if os.fork():
        os.wait()
        continue
    from batchgen.cli import main
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = ["batchgen", command, "--help"]
    try:
        main()
    except SystemExit:
        pass
    loaded = sorted(set(watched) & sys.modules.keys())
    print(json.dumps([command, " ".join(loaded)]), file=sys.stderr, flush=True)
    os._exit(0)
"""

LATE = {
    "cli.main: batchgen.cli.messages": "for an output that is not complete alone",
    "cli._run: batchgen.errors": "the limit of open files is looked at before",
    "cli._run: batchgen.drives": "likewise",
    "cli._run: batchgen.cli.own_faults": "for a fault of ours alone",
    "cli._refuse_undecodable_arguments: batchgen.errors": "for odd words alone",
    "cli.carry_on.run_options: batchgen.cli.run": "it imports us",
    "cli.carry_on._is_own_url: httpx": "for a command with an address alone",
    "cli.carry_on._is_own_url: batchgen.providers": "likewise",
    "cli.carry_on._is_own_url: batchgen.planning.own_address": "likewise",
    "cli.carry_on.address_notes: batchgen.providers": "likewise",
    "cli._fail: batchgen.runner.credentials": "likewise",
    "cli._fail: batchgen.cli.messages": "likewise",
    "cli._refuse: batchgen.cli.usage": "for what is wrong with a command alone",
    "cli._choose_output_format: batchgen.cli.messages": "for `run --json` alone",
    "cli.Commands.resolve_command: batchgen.cli.messages": "for what is odd alone",
    "cli.Commands.resolve_command: batchgen.cli.usage": "for a mistyped command alone",
    "cli.usage._command_of: batchgen.cli": "which loads it: the other way round",
    "cli.synonyms._options_of_other: batchgen.cli": "likewise",
    "cli.check._accounts: batchgen.billing.balances": "sends, with --online alone",
    "cli.display.show_bar: rich.console": "rich draws in terminals alone",
    "cli.display.show_bar: rich.live": "likewise",
    "cli.display._bar: rich.console": "likewise",
    "cli.display._bar: rich.progress_bar": "likewise",
    "cli.display._bar: rich.table": "likewise",
    "cli.display._bar: rich.text": "likewise",
    "cli.watch.screen: rich.console": "for a terminal alone",
    "cli.watch.screen: rich.live": "likewise",
    "cli.watch.screen: rich.text": "likewise",
    "cli.help._lay_out: rich.console": "for a terminal alone",
    "cli.help._lay_out: rich.markdown": "likewise",
    "runner.credentials.without_keys: batchgen.wire.redaction": (
        "httpx, where a proxy has a password alone"
    ),
    "cli.run_job._rehearsed: batchgen.runner.rehearsal": (
        "the sandbox is for rehearsals alone"
    ),
    "runner.session.open_session: batchgen.runner.rehearsal": "likewise",
    "api.runs._open_session: batchgen.runner.rehearsal": "likewise",
    "api.folders.Folder._content: batchgen.output.archive": "for an image alone",
    "api.folders.Folder._table: polars": "for tables alone",
    "api.folders.Folder._current_table: batchgen.storage.outputs": "likewise",
    "api.folders.Folder.unpack: batchgen.output.table_selection": "likewise",
    "api.folders.Folder.unpack: batchgen.report.unpacking": "likewise",
    "api.folders.Folder.contact_sheets: batchgen.output.table_selection": "likewise",
    "api.folders.Folder.contact_sheets: batchgen.report.contact_sheets": "likewise",
    "api.folders.Folder.costs: batchgen.output.cost_report": "likewise",
    "api.jobs._frame_of: polars": "for frames alone",
    "api.jobs._is_stored: polars": "likewise",
    "api.jobs._write_frame: polars": "likewise",
    "cli.notifications._sender: apprise": "an extra, for [notify] alone",
    "cli.unpack.command: batchgen.api.folders": "the engine, to do the work alone",
    "cli.contact.command: batchgen.api.folders": "likewise",
    "cli.run.command: batchgen.cli.run_job": "a wrong job is told before it loads",
    "cli.providers._verify: batchgen.verify.all_checks": (
        "polars, the engine and the sandbox, for --verify alone"
    ),
    "api.folders.Folder.write_page: batchgen.report.page": (
        "jinja2 and Pillow, for the page alone"
    ),
    "api.folders.Folder.write_outputs: batchgen.runner.resume": (
        "httpx and pyarrow, for outputs alone"
    ),
    "api.folders.Folder.write_outputs: batchgen.storage.outputs": "likewise",
    "runner.completion.write_outputs_at_end: batchgen.storage.outputs": (
        "pyarrow, when the rows are done"
    ),
    "job.service_address._read_base_url: batchgen.addresses.url": (
        "httpx, for an address alone"
    ),
    "manifest.opening.expected_names: batchgen.manifest.template": (
        "jinja2, for a template alone"
    ),
    "cli.options._files: batchgen.cli.usage": "for what is odd alone",
    "cli.options.read_job: batchgen.cli.incoming": (
        "fetches, for a table that is no file alone"
    ),
    "manifest.manifest.Manifest.in_scope: batchgen.manifest.row_choice": (
        "for a choice of rows alone"
    ),
    "manifest.manifest.Manifest.open: batchgen.manifest.row_choice": "likewise",
    "manifest.opening._binary_source: batchgen.manifest.arrow_source": (
        "pyarrow, for Arrow alone"
    ),
    "manifest.opening._binary_source: batchgen.manifest.parquet_source": (
        "pyarrow, for Parquet alone"
    ),
    "manifest.manifest._file_names: batchgen.manifest.file_name_template": (
        "jinja2, for a template alone"
    ),
    "manifest.opening._binary_source: batchgen.manifest.workbook_source": (
        "pyarrow, for workbooks alone"
    ),
    "manifest.opening._text_source: batchgen.manifest.json_source": (
        "msgspec, for JSON alone"
    ),
    "manifest.opening.open_table: batchgen.manifest.united_source": (
        "for several files alone"
    ),
    "manifest.text_encoding._readings: charset_normalizer": (
        "slow to load, for what is neither UTF-8 nor UTF-16 alone"
    ),
    "manifest.text_file._unpacker: isal": "for gzip alone",
    "manifest.text_file._unpacker: isal.igzip_lib": "likewise",
    "manifest.text_file._unpacker: backports": "for zstd alone",
    "manifest.text_file._unpacker: compression": "likewise, since Python 3.14",
    "manifest.manifest._template: batchgen.manifest.template": (
        "jinja2, for a template alone"
    ),
    "output.table_copies._write_workbook: batchgen.output.workbook": (
        "xlsxwriter, for XLSX alone"
    ),
    "output.preallocation._allocator: ctypes": "where room is held, on Linux alone",
    "output.preallocation.hold_room: ctypes": "likewise",
    "providers.registry.Registry._every_entry: importlib.metadata": (
        "slow to load, and not needed for a provider of ours"
    ),
    "references.support._reads_avif: PIL": "for AVIF alone",
    "references.reference_cache._shrink: batchgen.references.shrink": (
        "Pillow, for images that are changed alone"
    ),
    "wire.object_store.read_object: obstore": "an extra, for clouds alone",
    "wire.object_store.read_object: obstore.exceptions": "likewise",
    "wire.object_store.read_object: obstore.store": "likewise",
    "wire.decompression._Brotli: brotli": "few peers compress unasked",
    "wire.decompression._Zstd: backports": "likewise",
    "wire.decompression._Zstd: compression": "likewise, since Python 3.14",
}
"""Imports within functions, each with its reason; all others stand at the top."""


def test_each_command_loads_what_it_needs_and_no_more() -> None:
    assert LOADED.keys() == {*HELP, *TELLING}

    done = subprocess.run(
        [sys.executable, "-c", SAY, json.dumps([*LOADED]), json.dumps([*WATCHED])],
        capture_output=True,
        text=True,
    )

    assert dict(map(json.loads, done.stderr.splitlines())) == LOADED


def test_to_import_batchgen_loads_nothing_of_it() -> None:
    code = (
        "import sys, batchgen; names = {*sys.modules}; own = 'batchgen'; "
        "print(*sorted(n for n in names if n.startswith(own) or n in sys.argv[1:]))"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", code, *WATCHED], capture_output=True, text=True
    )

    assert loaded.stdout.split() == ["batchgen"]


def test_only_what_has_a_reason_is_imported_late() -> None:
    package = ROOT / "batchgen"
    late_imports = {
        f"{'.'.join(path.relative_to(package).with_suffix('').parts)}.{late}"
        for path in package.rglob("*.py")
        for late in _late(ast.parse(path.read_text("utf-8")).body)
    }

    assert {name.replace(".__init__", "") for name in late_imports} == LATE.keys()


def _late(body: list[ast.stmt], within: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield `Class.function: module` for each import within a function."""
    for definition in body:
        match definition:
            case ast.ClassDef(name=name, body=inner):
                yield from _late(inner, (*within, name))
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                for node in ast.walk(definition):
                    for module in _imported(node):
                        yield f"{'.'.join((*within, name))}: {module}"
            case _:
                pass


def _imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [name.name for name in names]
        case ast.ImportFrom(module=str(module)):
            return [module]
        case _:
            return []
