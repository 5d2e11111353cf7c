"""A digest of everything that decides what the rows of a table say."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from batchgen.manifest.opening import foreign_errors
from batchgen.manifest.row_reader import stated_model
from batchgen.model import Job

_BLOCK_BYTES = 1 << 20

Checkpoint = Callable[[], None]
"""Called for each block; it may raise to stop the reading."""


def table_digest(job: Job, checkpoint: Checkpoint) -> str:
    """Return a SHA-256 of a job's tables and of every setting that affects their rows.

    What is not stated is left out, so that a new setting changes no digest.
    """
    settings = {
        "prompt": job.prompt,
        "columns": dict(job.columns),
        "aspect_ratio": job.aspect_ratio,
        "resolution": job.resolution,
        "n": job.n,
        "model": stated_model(job),
        "folder": _allowed_folder(job),
        "budget_by": sorted(job.max_cost_by),
        **({"options": dict(job.options)} if job.options else {}),
        **({"empty": job.empty} if job.empty == "skip" else {}),
        **({"expand": _expansion(job, checkpoint)} if job.expand else {}),
        **({"filename": job.filename} if job.filename else {}),
        **_stated_reading(job),
    }
    contents = [_content_digest(path, checkpoint) for path in job.tables]
    text = json.dumps([settings, *contents], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _allowed_folder(job: Job) -> str:
    # Relative to the manifest, since both may be moved together.
    return os.path.relpath(job.references.folder or job.folder, job.folder)


def _stated_reading(job: Job) -> dict[str, str]:
    """Return how the table is to be read, where the job says so."""
    names = ("encoding", "delimiter", "sheet")
    return {name: value for name in names if (value := getattr(job, name))}


def _expansion(job: Job, checkpoint: Checkpoint) -> object:
    """Return what `[expand]` says, with the content of its table."""
    if (expansion := job.expand) is None:
        return None
    table = expansion.table
    # In order: it is that of the rows.
    return [
        list(expansion.values.items()),
        list(expansion.list_columns.items()),
        None if table is None else _content_digest(table, checkpoint),
    ]


def _content_digest(path: Path, checkpoint: Checkpoint) -> str:
    content = hashlib.sha256()
    with foreign_errors(path), path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            checkpoint()
            content.update(block)
    return content.hexdigest()
