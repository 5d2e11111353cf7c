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
from batchgen.ledger.results import end_behind_purchases, has_shared_rows
from batchgen.model import utc
from batchgen.output import ARCHIVE, PURCHASES, TABLE
from batchgen.output.archive import Archive, DirectoryEntry
from batchgen.output.purchase_table import write_purchases
from batchgen.output.result_table import write_table
from batchgen.output.table_copies import write_copy
from batchgen.output.table_formats import table_copy
from batchgen.storage.chosen_tables import chosen_tables

_LINES = 256


def write_outputs(
    ledger: Ledger, archive: Archive, folder: Path, min_rows: int | None = None
) -> int | None:
    """Write the ZIP's directory and the tables; only the folder's owner may.

    The ledger says `writing` in the meantime, and `fresh` when all is on disk. So the
    next process writes them again after a kill.

    Args:
        ledger: Of the run.
        archive: The ZIP.
        folder: Where they go.
        min_rows: If given, the result table is partial: it has at least so many rows,
            and ends behind the last row bought. Then it does not count as `fresh`.

    Returns:
        How many rows the result table has, if it is partial.

    Raises:
        StorageError: a file cannot be written; the old one still stands.
    """
    with ledger.transaction():
        ledger.meta.outputs = "writing"
    if archive.is_begun:  # else no image was ever stored: there is no ZIP to finish
        archive.finish(directory_entries(ledger), metadata_lines(ledger))
    archive.release()
    end = None if min_rows is None else end_behind_purchases(ledger, min_rows)
    write_tables(ledger, folder, "", end)
    with ledger.transaction():
        ledger.meta.outputs = "fresh" if end is None else "stale"
    return end


def are_fresh(ledger: Reader, archive: Archive, folder: Path) -> bool:
    """Say whether all outputs exist, and nothing has changed since."""
    is_whole = archive.has_directory or not archive.is_begun
    tables = all((folder / name).exists() for name in table_names(ledger))
    return is_whole and tables and ledger.meta.outputs == "fresh"


def table_names(ledger: Reader) -> list[str]:
    """Return the file names of all tables that a folder has."""
    return [TABLE, PURCHASES, *map(table_copy, chosen_tables(ledger))]


def write_tables_beside(reader: Reader, folder: Path) -> bool:
    """Write the tables while another process runs in the folder.

    Returns:
        False if that process writes its outputs itself: then its tables stay.
    """
    mark = f".{os.getpid()}"
    names: list[str] = []
    try:
        with reader.snapshot():
            names = table_names(reader)
            write_tables(reader, folder, mark)
        # The owner commits `writing` before it begins. It cannot commit during this
        # transaction, so an older table never replaces one of its own.
        with closing(Ledger(reader.path)) as ledger, ledger.transaction():
            if ledger.meta.outputs != "stale":
                return False
            for name in names:
                (folder / f"{name}{mark}").replace(folder / name)
            return True
    finally:
        for name in names:
            (folder / f"{name}{mark}").unlink(missing_ok=True)


def write_tables(
    ledger: Reader, folder: Path, mark: str = "", end: int | None = None
) -> None:
    """Write all tables to a folder; `mark` is appended to their names."""
    write_parquet_tables(ledger, folder, mark, end)
    # The copies come last: one that cannot be written must not keep back the others.
    for table_format in chosen_tables(ledger):
        path = folder / f"{table_copy(table_format)}{mark}"
        write_copy(folder / f"{TABLE}{mark}", path, table_format)


def write_parquet_tables(
    ledger: Reader, folder: Path, mark: str = "", end: int | None = None
) -> None:
    """Write the result table and that of purchases, without other formats."""
    write_table(
        folder / f"{TABLE}{mark}",
        result_slices(ledger, ARCHIVE, end),
        ledger.meta.user_schema,
        is_shared=has_shared_rows(ledger),
        mode=ledger.mode,
    )
    path = folder / f"{PURCHASES}{mark}"
    source = ledger.meta.source
    write_purchases(path, purchase_slices(ledger), ledger.mode, source)


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

    The JSON is assembled by hand: a million dictionaries would take as long as all
    other work.
    """
    lines = map(_line, directory_images(ledger))
    while part := "".join(islice(lines, _LINES)):
        yield part.encode()


def _line(image: ListedImage) -> str:
    return (
        f'{{"file_name": {_json(image.name)}, "id": {_json(str(image.id))}, '
        f'"prompt": {prompt_as_json(image.request)}, "row": {image.position}, '
        # Not "image": an imagefolder has its pictures under that name.
        f'"image_number": {image.image}, {_common_fields(*image[-4:])}, '
        f'"width_px": {image.width_px}, "height_px": {image.height_px}, '
        f'"sha256": "{image.sha256}"}}\n'
    )


_json = json.encoder.encode_basestring


@lru_cache(maxsize=256)
def _common_fields(
    provider: str, model: str, aspect_ratio: str | None, resolution: str | None
) -> str:
    """Return the fields that most images share, as the middle of a line of JSON."""
    common = {
        "provider": provider,
        "model": model,
        "aspect_ratio": aspect_ratio,
        "resolution": resolution,
    }
    return json.dumps(common, ensure_ascii=False)[1:-1]
