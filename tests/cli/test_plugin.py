"""Providers of other packages: found, verified, and never in the way of others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from batchgen.model import Call, ImageRequest
from batchgen.providers.fal import Fal
from batchgen.verify.all_checks import verify
from tests.cli.command import Ended

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "samples" / "plugin"


def batchgen(*words: str, at: Path, variables: Mapping[str, str]) -> Ended:
    """Run a command in a Python of its own: packages are found as it starts."""
    done = subprocess.run(
        [sys.executable, "-m", "batchgen", *words],
        cwd=at,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


def installed(
    folder: Path, name: str, groups: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Write a package's metadata as an installer does; return the variables for it."""
    metadata = folder / f"{name.replace('-', '_')}-0.1.0.dist-info"
    metadata.mkdir(parents=True)
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n"
    (metadata / "METADATA").write_text(head)
    lines: list[str] = []
    for group, entries in groups.items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
    (metadata / "entry_points.txt").write_text("\n".join([*lines, ""]))
    return {"PYTHONPATH": str(folder)}


@pytest.fixture
def easel(tmp_path: Path) -> dict[str, str]:
    """The sample, as if it were installed."""
    folder = tmp_path / "site"
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    variables = installed(folder, project["name"], project["entry-points"])
    for path in PLUGIN.glob("*.py"):
        shutil.copy(path, folder)
    return variables


def broken(tmp_path: Path, name: str, code: str) -> dict[str, str]:
    folder = tmp_path / "site"
    groups = {"batchgen.providers": {name: "batchgen_broken:Provider"}}
    variables = installed(folder, "batchgen-broken", groups)
    (folder / "batchgen_broken.py").write_text(code)
    return variables


def test_the_provider_of_the_document_is_the_sample() -> None:
    page = (ROOT / "batchgen" / "docs" / "adding-providers.md").read_text("utf-8")
    sample = (PLUGIN / "batchgen_easel.py").read_text("utf-8")

    assert f"```python\n{sample}```" in page
    assert len(sample.splitlines()) <= 65


@pytest.mark.slow
def test_a_plugin_is_shown_verified_and_rehearsed(
    easel: dict[str, str], tmp_path: Path
) -> None:
    shown = batchgen("providers", "easel", at=tmp_path, variables=easel)
    assert "EASEL_API_KEY" in shown.stdout
    assert "docs.easel.example" in shown.stdout

    verified = batchgen("providers", "easel", "--verify", at=tmp_path, variables=easel)
    assert (verified.code, verified.stderr) == (0, "")
    lines = verified.stdout.splitlines()
    assert len(lines) > 15
    assert [line for line in lines if not line.endswith(": ok")] == []

    words = ("try", "a lamp", "--provider", "easel", "--rehearse")
    rehearsed = batchgen(*words, at=tmp_path, variables=easel)
    assert rehearsed.code == 0, rehearsed
    (table,) = (pl.read_parquet(path) for path in tmp_path.rglob("results.parquet"))
    assert table["provider"].to_list() == ["easel"]


def test_a_check_that_fails_says_what_it_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    encode = Fal.encode

    def forget(self: Fal, request: ImageRequest, *rest: Any) -> Call:
        return encode(self, replace(request, aspect_ratio=None), *rest)

    monkeypatch.setattr(Fal, "encode", forget)

    first = next(verify("fal"))

    assert first.name == "deliver all that can be asked for"
    assert first.problem is not None
    assert "px, paid for" in first.problem


BROKEN = {
    "no-module": ("import nothing_of_that_name", "ModuleNotFoundError: "),
    "raises": ("1 / 0", "ZeroDivisionError: division by zero"),
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "no-class": ("x = 1", "AttributeError: "),
    "no-provider": ("class Provider:\n    name = 'odd'", "the provider lacks defaults"),
}


@pytest.mark.parametrize(("code", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_a_message_and_stops_nobody_else(
    tmp_path: Path, code: str, words: str
) -> None:
    variables = broken(tmp_path, "odd", code)

    def say(*command: str) -> Ended:
        return batchgen(*command, at=tmp_path, variables=variables)

    listed = say("providers")
    assert listed.code == 0
    assert "gemini" in listed.stdout
    assert "odd" not in listed.stdout
    start = "provider `odd`: batchgen_broken:Provider of batchgen-broken 0.1.0 "
    assert f"{start}cannot be used: {words}" in listed.stderr
    (tmp_path / "m.csv").write_text("id,prompt\n1,a lamp\n")
    asked = say("check", "m.csv", "--provider", "odd")
    assert asked.code == 2
    assert words in asked.message
    assert say("try", "a lamp", "--provider", "gemini", "--rehearse").code == 0


def test_a_plugin_cannot_take_the_name_of_a_built_in_provider(tmp_path: Path) -> None:
    variables = broken(tmp_path, "gemini", "raise RuntimeError('never loaded')")

    listed = batchgen("providers", at=tmp_path, variables=variables)
    shown = batchgen("providers", "gemini", at=tmp_path, variables=variables)

    assert "brings a provider of this name; batchgen uses its own" in listed.stderr
    assert "generativelanguage.googleapis.com" in shown.stdout


def test_a_plugin_without_a_sandbox_says_so(
    easel: dict[str, str], tmp_path: Path
) -> None:
    entries = next((tmp_path / "site").glob("*.dist-info")) / "entry_points.txt"
    entries.write_text(entries.read_text().partition("[batchgen.sandboxes]")[0])

    verified = batchgen("providers", "easel", "--verify", at=tmp_path, variables=easel)
    words = ("try", "a lamp", "--provider", "easel", "--rehearse")
    rehearsed = batchgen(*words, at=tmp_path, variables=easel)

    assert verified.code == 2
    assert "easel cannot be verified: its package brings no sandbox" in verified.message
    assert rehearsed.code == 1
    assert "easel cannot be rehearsed" in rehearsed.stderr


@pytest.mark.parametrize(
    "words",
    [("check", "m.csv"), ("curl", "m.csv", "--row", "0"), ("run", "m.csv", "--yes")],
    ids=lambda words: words[0],
)
def test_a_package_is_not_loaded_for_a_job_of_other_providers(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    variables = broken(tmp_path, "odd", "open('loaded', 'x')\nclass Provider: ...")
    (tmp_path / "m.csv").write_text("id,prompt\n1,a lamp\n")
    options = ("--provider", "gemini", "--base-url", "http://127.0.0.1:9")

    ended = batchgen(*words, *options, at=tmp_path, variables=variables)
    was_loaded = (tmp_path / "loaded").exists()
    batchgen("providers", at=tmp_path, variables=variables)

    assert ended.code == (1 if words[0] == "run" else 0), ended
    assert not was_loaded
    assert (tmp_path / "loaded").exists()
