"""Finish the ZIP and write both tables from what the ledger knows."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path

from batchgen.ledger import (
    Ledger,
    ListedImage,
    Reader,
    directory_images,
    directory_places,
    prompt_as_json,
    purchase_slices,
    result_slices,
)
from batchgen.model import utc
from batchgen.output import ARCHIVE, PURCHASES, TABLE
from batchgen.output.archive import Archive, DirectoryEntry
from batchgen.output.purchases import write_purchases
from batchgen.output.table import write_table

_TABLES = (TABLE, PURCHASES)
_LINES = 256


def write_outputs(
    ledger: Ledger, archive: Archive, folder: Path, least_rows: int | None = None
) -> int | None:
    """Write the ZIP's directory and the tables; only the folder's owner may.

    The ledger says `writing` meanwhile, and `fresh` when all is on disk: whoever
    comes after a kill writes them again.

    Args:
        ledger: What is known of the run.
        archive: The ZIP.
        folder: Where they go.
        least_rows: If given, the result table is only begun: it has so many rows, and
            more where some further down were bought. Then it does not count as `fresh`.

    Returns:
        How many rows the result table has, where it is only begun.

    Raises:
        StorageError: a file cannot be written; the old one still stands.
    """
    with ledger.transaction():
        ledger.put("outputs", "writing")
    _finish(ledger, archive)
    below = None if least_rows is None else _behind_bought(ledger, least_rows)
    write_tables(ledger, folder, "", below)
    with ledger.transaction():
        ledger.put("outputs", "fresh" if below is None else "stale")
    return below


def _behind_bought(ledger: Reader, least_rows: int) -> int | None:
    """Return where the slice ends that has the last row bought; None at the last."""
    (last,) = ledger.run("plan_last_tried", (ledger.generation,)).fetchone()
    values = (ledger.generation, max(least_rows, last + 1))
    (below,) = ledger.run("own_first_from", values).fetchone()
    return None if below is None else int(below)


def are_fresh(ledger: Reader, archive: Archive, folder: Path) -> bool:
    """Say whether all outputs stand, and nothing has changed since."""
    is_whole = archive.has_directory or not archive.is_begun
    tables = all((folder / it).exists() for it in _TABLES)
    return is_whole and tables and ledger.get("outputs") == "fresh"


def write_tables_beside(reader: Reader, folder: Path) -> bool:
    """Write the tables while another process runs in the folder.

    Returns:
        False if that process writes its outputs by now: then its tables stand.
    """
    mark = f".{os.getpid()}"
    try:
        with reader.snapshot():
            write_tables(reader, folder, mark)
        # The owner says `writing` in a commit before it begins. No commit can be made
        # while we hold this one, so an older table never replaces its own.
        with closing(Ledger(reader.path)) as ledger, ledger.transaction():
            if ledger.get("outputs") != "stale":
                return False
            for name in _TABLES:
                (folder / f"{name}{mark}").replace(folder / name)
            return True
    finally:
        for name in _TABLES:
            (folder / f"{name}{mark}").unlink(missing_ok=True)


def write_tables(
    ledger: Reader, folder: Path, mark: str = "", below: int | None = None
) -> None:
    """Write both tables to a folder; `mark` stands behind their names."""
    _write_results(ledger, folder / f"{TABLE}{mark}", below)
    path = folder / f"{PURCHASES}{mark}"
    source = ledger.get("source")
    named = source if isinstance(source, str) else None
    write_purchases(path, purchase_slices(ledger), ledger.realm, named)


def _write_results(ledger: Reader, path: Path, below: int | None) -> None:
    schema = ledger.get("own_schema")
    own_schema = schema if isinstance(schema, bytes) else None
    values = (ledger.generation,)
    is_shared = ledger.run("plan_is_shared", values).fetchone() is not None
    slices = result_slices(ledger, ARCHIVE, below)
    realm = ledger.realm
    write_table(path, slices, own_schema, is_shared=is_shared, realm=realm)


def _finish(ledger: Reader, archive: Archive) -> None:
    if not archive.is_begun:
        archive.release()
        return  # no image was ever stored: there is no ZIP to finish
    archive.finish(directory_entries(ledger), metadata_lines(ledger))
    archive.release()


def directory_entries(ledger: Reader) -> Iterator[DirectoryEntry]:
    """Yield what the ZIP's directory lists behind its metadata, in order."""
    for name, place, size_bytes, crc32, ended_at in directory_places(ledger):
        second = None if ended_at is None else _second(ended_at // 1_000_000)
        yield DirectoryEntry(name, place, size_bytes, crc32, second)


@lru_cache(maxsize=64)
def _second(seconds: int) -> datetime:
    """Return a second as an aware time; neighbours in a directory often share it."""
    return utc(seconds * 1_000_000)


def metadata_lines(ledger: Reader) -> Iterator[bytes]:
    """Yield the lines that make the ZIP a Hugging Face `imagefolder`, many at once.

    Written by hand, as the directory is: a million dictionaries take as long as all
    the rest.
    """
    lines = map(_line, directory_images(ledger))
    while part := "".join(islice(lines, _LINES)):
        yield part.encode()


def _line(it: ListedImage) -> str:
    return (
        f'{{"file_name": {_json(it.name)}, "id": {_json(str(it.id))}, '
        f'"prompt": {prompt_as_json(it.request)}, "row": {it.position}, '
        # Not "image": an imagefolder has its pictures under that name.
        f'"image_number": {it.image}, {_sold(*it[-4:])}, '
        f'"width_px": {it.width_px}, "height_px": {it.height_px}, '
        f'"sha256": "{it.sha256}"}}\n'
    )


_json = json.encoder.encode_basestring


@lru_cache(maxsize=256)
def _sold(
    provider: str, model: str, aspect_ratio: str | None, resolution: str | None
) -> str:
    """Return what most of a run's images have in common, as the middle of a line."""
    common = {
        "provider": provider,
        "model": model,
        "aspect_ratio": aspect_ratio,
        "resolution": resolution,
    }
    return json.dumps(common, ensure_ascii=False)[1:-1]
