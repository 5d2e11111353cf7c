"""Make a Job from a job file or a bare manifest, and options or keywords."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Unpack

from batchgen.drives import reason_of
from batchgen.errors import SpecError, UsageError
from batchgen.job.job_file import file_origin, read_job_file
from batchgen.job.keywords import read_keywords, read_options
from batchgen.job.layers import (
    SettingsLayer,
    error_context,
    merged_settings,
    merged_terms,
)
from batchgen.job.settings import Settings
from batchgen.job.table_values import files_of, is_pattern
from batchgen.job.user_defaults import read_user_defaults
from batchgen.manifest import SUFFIXES
from batchgen.manifest.table_kind import find_kind, table_stem
from batchgen.manifest.wording import missing_file, shown
from batchgen.model import Job
from batchgen.providers import PROVIDERS

_ADDRESS = re.compile(r"(https?|ftp|file|s3|gs):(?=/)", re.IGNORECASE)
"""Begin of a SOURCE on the web; Path keeps only one of its two slashes."""


def load_job(
    path: Path,
    *,
    known_providers: Collection[str] | None = None,
    **settings: Unpack[Settings],
) -> Job:
    """Read a job file or a bare manifest.

    Args:
        path: A job file (.toml) or a manifest.
        known_providers: Names that a provider may have; None for all.
        settings: They override the file.

    Raises:
        SpecError: the file cannot be read, or a setting is invalid; the message names
            it.
    """
    names = _names(known_providers)
    return _load(path, read_keywords(settings, names), names)


def load_job_with_options(
    source: Path,
    options: Mapping[str, Any],
    known_providers: Collection[str] | None = None,
    *,
    more: Sequence[Path] = (),
) -> Job:
    """Read SOURCE of the command line, and the options beside it.

    Args:
        source: A job file (.toml), a manifest, or a pattern such as `parts/*.csv`.
        options: As they were typed, by the names of settings.
        known_providers: Names that a provider may have; None for all.
        more: Further files or patterns of the same manifest.

    Raises:
        UsageError: an option has an invalid value.
        SpecError: the source or the user's defaults cannot be read, or are invalid.
    """
    names = _names(known_providers)
    upper = read_options(options, names)
    upper.defaults = read_user_defaults(names)
    if more or is_pattern(source):
        return _load_several([source, *more], upper, names)
    return _load(source, upper, names)


def job_from(
    settings: Mapping[str, Any],
    *,
    source: Path | None = None,
    known_providers: Collection[str] | None = None,
) -> Job:
    """Make a job from settings alone.

    Args:
        settings: By their names; relative paths are relative to the working directory.
        source: The file that names the run folder and belongs to it; None for the
            manifest.
        known_providers: Names that a provider may have; None for all.

    Raises:
        SpecError: a setting is missing or invalid; the message names it.
    """
    names = _names(known_providers)
    layer = read_keywords(settings, names)
    if "manifest" not in layer.settings:
        raise SpecError("`manifest` is missing: name the table")
    nothing = SettingsLayer(origin=layer.origin)
    if source is None:
        source = _folder_or_file(
            [layer.settings["manifest"], *layer.settings["more_tables"]]
        )
    return _merged(source, nothing, layer, names)


def _names(known_providers: Collection[str] | None) -> Collection[str]:
    return PROVIDERS if known_providers is None else known_providers


def _load(source: Path, upper: SettingsLayer, names: Collection[str]) -> Job:
    _check_source(source)
    if _is_job_file(source):
        lower = _read_file(source, names)
    else:
        lower = SettingsLayer(
            origin=file_origin(source), settings={"manifest": source.resolve()}
        )
    return _merged(source, lower, upper, names)


def _load_several(
    sources: Sequence[Path], upper: SettingsLayer, names: Collection[str]
) -> Job:
    """Read several files as one manifest.

    The run folder belongs to the folder that has them all: a file more, or one less,
    is an edit of the table, and must not begin a new run that buys all of it again.
    """
    if any(map(_is_job_file, sources)):
        raise UsageError(
            "name one job file, or tables alone: the tables of a job stand in its "
            "`manifest`"
        )
    with error_context(UsageError, "SOURCE"):
        files = files_of(sources, Path())
    for file in files:
        _check_source(file)
    folder = Path(os.path.commonpath([file.parent for file in files]))
    lower = SettingsLayer(
        origin=file_origin(files[0]),
        settings={"manifest": files[0], "more_tables": tuple(files[1:])},
    )
    return _merged(folder, lower, upper, names)


def _folder_or_file(files: Sequence[Path]) -> Path:
    """Return what a run folder belongs to: the file, or the folder of several."""
    if len(files) == 1:
        return files[0]
    return Path(os.path.commonpath([file.parent for file in files]))


def _merged(
    source: Path, lower: SettingsLayer, upper: SettingsLayer, names: Collection[str]
) -> Job:
    _check_manifest(lower, upper)
    lowest = [upper.defaults] if upper.defaults else []
    layers = [*lowest, lower, upper]
    choices = (layer.providers for layer in reversed(layers))
    providers = next(filter(None, choices), ())
    if not providers:
        raise _no_provider(source, upper, names)
    lower.assign(providers)
    upper.assign(providers)
    names = dict.fromkeys(
        (*providers, *chain(*((*layer.terms, *layer.prices) for layer in layers)))
    )
    settings = merged_settings(layers)
    name = source.name if source.is_dir() else table_stem(source)
    settings.setdefault("out", (Path("out") / (name or "tables")).resolve())
    job = Job(
        source=source.resolve(),
        providers=providers,
        terms={name: merged_terms(name, layers) for name in names},
        from_defaults=tuple(sorted(_from_defaults(layers))),
        **settings,
    )
    _check_source_name(job)
    return job


def _from_defaults(layers: Sequence[SettingsLayer]) -> frozenset[str]:
    """Return what only the user's defaults state, by the names of settings."""
    *lowest, lower, upper = layers
    names = frozenset[str]().union(*(layer.names for layer in lowest))
    return names - lower.names - upper.names


def _check_source_name(job: Job) -> None:
    """Refuse a path that is not UTF-8: the ledger can hold only text."""
    path = os.path.relpath(job.source, job.out)
    try:
        path.encode()
    except UnicodeEncodeError as error:
        visible_path = os.fsencode(path).decode(errors="backslashreplace")
        raise SpecError(
            f"{visible_path}, as the run folder would name SOURCE, is not written in "
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
        remedy = (
            f"name the path alone: {path}"
            if address[0] == "file:"
            else "download the table, and name that file"
        )
        raise UsageError(f"{source} is an address, and SOURCE is a file: {remedy}")
    if source.is_dir():
        raise SpecError(_folder_message(source))
    if not source.exists():
        raise UsageError(missing_file(source, suffixes=(".toml", *SUFFIXES)))
    if _is_job_file(source) and not source.is_file():
        raise SpecError(f"{shown(source)} is no regular file: save the job as a file")
    if source.suffix.lower() not in (".toml", *SUFFIXES):
        _refuse_unless_table(source)


def _refuse_unless_table(source: Path) -> None:
    """Refuse a file whose name says nothing, unless its content is surely a table."""
    if not source.is_file():
        raise SpecError(
            f"{shown(source)} is no regular file: name a job file (.toml) or a table, "
            "such as products.csv"
        )
    try:
        find_kind(source)
    except OSError as error:
        raise SpecError(f"{shown(source)}: {reason_of(error)}") from error


def _folder_message(folder: Path) -> str:
    remedy = "name a job file (.toml) or a table, such as products.csv"
    if (folder / "run.db").exists():
        remedy += f"; to look at this run folder: batchgen status {shown(folder)}"
    return f"{shown(folder)} is a folder: {remedy}"


def _read_file(source: Path, names: Collection[str]) -> SettingsLayer:
    try:
        return read_job_file(source, names)
    except OSError as error:
        raise SpecError(f"{shown(source)}: {reason_of(error)}") from error


def _check_manifest(lower: SettingsLayer, upper: SettingsLayer) -> None:
    """Refuse a missing table."""
    layer = upper if "manifest" in upper.settings else lower
    tables = layer.settings["manifest"], *layer.settings.get("more_tables", ())
    with layer.origin.context("manifest"):
        for table in tables:
            if not table.exists():
                raise ValueError(missing_file(table) + layer.origin.path_hint)


def _no_provider(
    source: Path, upper: SettingsLayer, names: Collection[str]
) -> SpecError:
    remedy = f"choose from {', '.join(names)}"
    if _is_job_file(source):
        return SpecError(f"{shown(source)}: `provider` is missing: {remedy}")
    name = upper.origin.place_of("provider", "")
    return upper.origin.error(f"{name} is missing: {remedy}")


def _is_job_file(source: Path) -> bool:
    return source.suffix.lower() == ".toml"
