"""Make a Job of a job file or a bare manifest and the command line."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

from batchgen.drives import reason_of
from batchgen.errors import SpecError, UsageError
from batchgen.job.file import read_job_file
from batchgen.job.flags import Overrides, read_flags
from batchgen.job.said import Said, blamed, terms_of
from batchgen.manifest import SUFFIXES
from batchgen.manifest.content import hint_for_suffix
from batchgen.manifest.wording import missing_file, shown
from batchgen.model import Job

_ADDRESS = re.compile(r"(https?|ftp|file|s3|gs):(?=/)", re.IGNORECASE)
"""How a SOURCE begins that is on the web; a path keeps one of its two slashes."""


def load_job(
    source: Path, overrides: Overrides, known_providers: Collection[str]
) -> Job:
    """Read a job.

    Args:
        source: A job file (.toml) or a manifest.
        overrides: What the command line says; it stands above the job file.
        known_providers: Names that a provider may have.

    Raises:
        UsageError: an option has a value that cannot be.
        SpecError: the source cannot be read, or says something that cannot be.
    """
    flags = read_flags(overrides, known_providers)
    _check_source(source)
    if source.suffix.lower() == ".toml":
        said = _read_file(source, known_providers)
    else:
        said = Said(settings={"manifest": source.resolve()})
    chosen = flags.providers or said.providers
    if not chosen:
        raise _no_provider(source, known_providers)
    for key in ("base_url", "endpoint"):
        with blamed(SpecError, f"{shown(source)}, `{key}`"):
            said.assign(key, chosen)
    with blamed(UsageError, "--base-url"):
        flags.assign("base_url", chosen)
    named = dict.fromkeys((*chosen, *said.terms, *said.prices, *flags.terms))
    defaults = {"out": (Path("out") / source.stem).resolve()}
    columns = said.settings.get("columns", {}) | flags.settings.get("columns", {})
    job = Job(
        source=source.resolve(),
        providers=chosen,
        terms={name: terms_of(name, said, flags) for name in named},
        **(defaults | said.settings | flags.settings | {"columns": columns}),
    )
    _refuse_odd_name(job)
    return job


def _refuse_odd_name(job: Job) -> None:
    """Refuse a path that is not UTF-8, where the ledger must hold it: a link's end."""
    path = os.path.relpath(job.source, job.out)
    try:
        path.encode()
    except UnicodeEncodeError as error:
        shown_path = os.fsencode(path).decode(errors="backslashreplace")
        raise SpecError(
            f"{shown_path}, as the run folder would name SOURCE, is not written in "
            "UTF-8: rename the file or folder"
        ) from error


def _check_source(source: Path) -> None:
    if str(source) == "-":
        raise UsageError(
            "SOURCE is -, the standard input, which is not read: save the table as a "
            "file, since it is read again to carry on"
        )
    if address := _ADDRESS.match(str(source)):
        path = str(source).removeprefix("file:")
        way = (
            f"name the path alone: {path}"
            if address[0] == "file:"
            else "download the table as CSV (.csv) and name that file"
        )
        raise UsageError(f"{source} is an address, and SOURCE is a file: {way}")
    if source.is_dir():
        raise SpecError(_folder_words(source))
    if not source.exists():
        raise UsageError(missing_file(source, suffixes=(".toml", *SUFFIXES)))
    if source.suffix.lower() == ".toml" and not source.is_file():
        raise SpecError(f"{shown(source)} is no regular file: save the job as a file")
    if source.suffix.lower() not in (".toml", *SUFFIXES):
        hint = hint_for_suffix(source) if source.is_file() else ""
        raise SpecError(
            f"{shown(source)}: neither a job file (.toml) nor a manifest: CSV (.csv) "
            f"or Parquet (.parquet, .pq){hint}"
        )


def _folder_words(folder: Path) -> str:
    ways = "name a job file (.toml) or a manifest (.csv, .parquet)"
    if (folder / "run.db").exists():
        ways += f"; to look at this run folder: batchgen status {shown(folder)}"
    return f"{shown(folder)} is a folder: {ways}"


def _read_file(source: Path, known_providers: Collection[str]) -> Said:
    try:
        said = read_job_file(source, known_providers)
    except OSError as error:
        raise SpecError(f"{shown(source)}: {reason_of(error)}") from error
    manifest: Path = said.settings["manifest"]
    if not manifest.exists():
        raise SpecError(
            f"{shown(source)}, `manifest`: {missing_file(manifest)} (a path in a job "
            "file is relative to the job file)"
        )
    return said


def _no_provider(source: Path, known_providers: Collection[str]) -> SpecError:
    known = ", ".join(known_providers)
    if source.suffix.lower() == ".toml":
        return SpecError(f"{shown(source)}: `provider` is missing: choose from {known}")
    return UsageError(f"--provider is missing: choose from {known}")
