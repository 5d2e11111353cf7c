"""Finish the ZIP and write the result table from what the ledger knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from batchgen.ledger import Reader, directory_images, result_slices
from batchgen.output.archive import Archive, DirectoryEntry
from batchgen.output.table import write_table
from batchgen.runner.context import utc

ARCHIVE = "images.zip"
TABLE = "results.parquet"


def write_outputs(ledger: Reader, archive: Archive | None, folder: Path) -> None:
    """Write the table, and the ZIP's directory when the archive is ours to finish.

    Args:
        ledger: The ledger.
        archive: None while another process appends to it.
        folder: The run folder.

    Raises:
        StorageError: a file cannot be written; the old one still stands.
    """
    if archive is not None:
        _finish(ledger, archive)
    schema = ledger.get("own_schema")
    own_schema = schema if isinstance(schema, bytes) else None
    write_table(folder / TABLE, result_slices(ledger, ARCHIVE), own_schema)


def _finish(ledger: Reader, archive: Archive) -> None:
    if archive.end == 0:
        return  # no image was ever stored: there is no ZIP to finish
    archive.finish(_entries(ledger), _metadata(ledger))


def _entries(ledger: Reader) -> Iterator[DirectoryEntry]:
    for it in directory_images(ledger):
        yield DirectoryEntry(
            it["name"],
            it["place"],
            it["size_bytes"],
            it["crc32"],
            utc(it["ended_at"]) if it["ended_at"] is not None else None,
        )


def _metadata(ledger: Reader) -> Iterator[bytes]:
    """Yield the lines that make the ZIP a Hugging Face `imagefolder`."""
    for it in directory_images(ledger):
        line = {
            "file_name": it["name"],
            "id": str(it["id"] if it["id"] is not None else it["position"]),
            "prompt": json.loads(it["request"])["prompt"],
            "row": it["position"],
            # Not "image": an imagefolder has its pictures under that name.
            "image_number": it["image"],
            "provider": it["provider"],
            "model": it["model"],
            "aspect_ratio": it["aspect_ratio"],
            "resolution": it["resolution"],
            "width_px": it["width_px"],
            "height_px": it["height_px"],
            "sha256": it["sha256"].hex(),
        }
        yield json.dumps(line, ensure_ascii=False).encode()
