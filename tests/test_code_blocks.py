"""The examples on the pages work: jobs load, JSON parses, commands run, Python runs."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from batchgen.job import load_job, load_job_with_options
from tests.cli.command import batchgen
from tests.code_blocks import ROOT, CodeBlock, code_blocks

PRODUCTS = """\
SKU,name,colour,brand,category,prompt
1,cup,red,acme,kitchen,a red cup
2,lamp,blue,acme,light,a blue lamp
"""
PROMPT = "Studio photo of {{ name }}, {{ colour }}"
JOB = f'manifest = "products.csv"\nprovider = "gemini"\nprompt = "{PROMPT}"\n'
CATALOG = "out/catalog"
DONE = (0, 3)
"""Exit codes of a command that did its work: 3 if it also tells of rows or lines."""

SHELL = code_blocks("shell")
OURS = [
    block
    for block in SHELL
    if re.search(r"^batchgen ", block.text, re.MULTILINE)
    and "pip install"
    not in block.text  # tests/cli/test_plugin.py installs and tries it
]
MODULES = [
    line
    for block in SHELL
    for line in block.text.splitlines()
    if "python -m tests." in line
]
PYTHON = [block for block in code_blocks("python") if block.page != "python.md"]


DEFAULTS = code_blocks("toml", page="config.md")
JOBS = [block for block in code_blocks("toml") if block not in DEFAULTS]


@pytest.mark.parametrize("block", DEFAULTS, ids=str)
def test_a_toml_block_of_defaults_can_stand_in_the_users_file(
    block: CodeBlock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "batchgen").mkdir()
    (tmp_path / "batchgen/config.toml").write_text(block.text)
    (tmp_path / "products.csv").write_text(PRODUCTS)

    job = load_job_with_options(tmp_path / "products.csv", {})

    assert "provider" in job.from_defaults


@pytest.mark.parametrize("block", JOBS, ids=str)
def test_a_toml_block_is_a_job_that_loads(block: CodeBlock, tmp_path: Path) -> None:
    job = tmp_path / "jobs" / "job.toml"
    job.parent.mkdir()
    (tmp_path / "assets").mkdir()
    (job.parent / "products.csv").write_text(PRODUCTS)
    needed = "" if "manifest =" in block.text else JOB
    job.write_text(needed + block.text)

    load_job(job)


@pytest.mark.parametrize("block", code_blocks("json"), ids=str)
def test_a_json_block_can_be_parsed(block: CodeBlock) -> None:
    json.loads(block.text)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the commands name, its runs rehearsed."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "products.csv").write_text(PRODUCTS)
    (folder / "products.toml").write_text(JOB)
    (folder / "samples").mkdir()
    (folder / "jobs").mkdir()
    lines = (ROOT / "samples/catalog.csv").read_text("utf-8").splitlines()[:4]
    (folder / "samples/catalog.csv").write_text("\n".join(lines))
    (folder / "jobs/catalog.toml").write_text(JOB.replace("products", "../products"))
    command = ("run", "products.toml", "--rehearse", "--out", CATALOG)
    assert batchgen(*command, at=folder).code == 0
    bill = pl.read_csv(folder / CATALOG / "sandbox/bill-gemini.csv")
    # Some commands name its columns, others let them be recognized.
    named = {"id": "request_id", "time": "created_at", "amount": "cost"}
    both = [bill[column].alias(name) for column, name in named.items()]
    bill.with_columns(both).write_csv(folder / "usage.csv")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("block", OURS, ids=str)
def test_the_commands_of_a_block_run(
    block: CodeBlock, prepared: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(prepared, folder)
    for line in block.text.splitlines():
        words = shlex.split(line, comments=True)[1:]
        if words[0] == "recover":
            for path in (folder / CATALOG).glob("run.db*"):
                path.unlink()
        ended = batchgen(*rehearsed(words), at=folder)
        assert ended.code in DONE, (line, ended.stderr)


def rehearsed(words: list[str]) -> list[str]:
    """Return a command that spends nothing: a run is a rehearsal."""
    is_paid = words[0] == "run" and "--rehearse" not in words
    return [*words, "--rehearse"] if is_paid else words


@pytest.mark.parametrize("line", MODULES)
def test_a_command_of_the_tests_names_a_module_and_its_options(line: str) -> None:
    words = shlex.split(line, comments=True)
    name = words[words.index("-m") + 1]
    spec = importlib.util.find_spec(f"{name}.__main__" if is_package(name) else name)
    assert spec is not None
    assert spec.origin is not None
    code = Path(spec.origin).read_text("utf-8")
    for word in words:
        assert not word.startswith("--") or f'"{word}"' in code, word


def is_package(module: str) -> bool:
    return (ROOT / module.replace(".", "/")).is_dir()


@pytest.mark.slow
@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_a_python_block_runs(block: CodeBlock, prepared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(prepared, folder)

    ended = subprocess.run(
        [sys.executable, "-c", block.text], cwd=folder, capture_output=True, check=False
    )

    assert ended.returncode == 0, ended.stderr.decode()
