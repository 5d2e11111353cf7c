"""Reference images whose bytes are in cells of the table, as in data sets."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import polars as pl

from batchgen.addresses import table_image_digest, table_image_reference
from batchgen.errors import DiskFull, StorageError
from batchgen.manifest.cell_values import text_of

_ACCEPTED = "an image is text, bytes, or a struct of `bytes` and `path`"


class ImageStore:
    """A folder of images, each named by its SHA-256, so that equal images are one file.

    Rows refer to an image by its digest: the ledger does not contain its bytes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """Store an image and return its reference.

        Raises:
            StorageError: the image cannot be written.
        """
        digest = hashlib.sha256(data).hexdigest()
        path = self._folder / digest
        try:
            if not (path.is_file() and path.stat().st_size == len(data)):
                self._folder.mkdir(parents=True, exist_ok=True)
                # Another reader must never see an incomplete file.
                draft = path.with_name(f"{digest}.{uuid4().hex}.part")
                draft.write_bytes(data)
                draft.replace(path)
        except OSError as error:
            kind = DiskFull if error.errno == errno.ENOSPC else StorageError
            raise kind(f"{self._folder}: {error.strerror or error}") from error
        return table_image_reference(digest)

    def clear(self) -> None:
        """Delete all files: `check` needs them only for the current slice."""
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                path.unlink()


def references_of(cell: object, store: ImageStore) -> tuple[str, ...]:
    """Return the references of a cell that is no text: an image, a list, a struct.

    Raises:
        ValueError: the cell is something else.
        StorageError: an image cannot be written.
    """
    references = (_reference_of(item, store) for item in _items(cell))
    return tuple(filter(None, references))


def _items(cell: object) -> Sequence[object]:
    return cell if isinstance(cell, list | tuple) else [cell]


def _reference_of(item: object, store: ImageStore) -> str:
    match item:
        case bytes():
            return store.put(item) if item else ""
        case {"bytes": data} if data:
            return _reference_of(data, store)
        case {"path": path}:
            return _reference_of(path, store)
        case {"bytes": None | b""}:
            return ""
        case Mapping():
            fields = ", ".join(map(str, item))
            raise ValueError(f"holds a struct of {fields}; {_ACCEPTED}")
        case int() | float():
            raise ValueError(f"holds numbers; {_ACCEPTED}")
        case _:
            return user_reference(text_of(item).strip())


def user_reference(text: str) -> str:
    """Return a reference that a user wrote, which must not name an image of the store.

    Raises:
        ValueError: it names one.
    """
    if table_image_digest(text) is not None:
        raise ValueError(f"{text} is no http(s) URL, no data URI and no path")
    return text


def holds_images(dtype: pl.DataType) -> bool:
    """Tell whether cells of a column may contain bytes, also in structs or lists."""
    match dtype:
        case pl.Binary():
            return True
        case pl.List() | pl.Array():
            return holds_images(_instance_of(dtype.inner))
        case pl.Struct():
            return any(
                holds_images(_instance_of(field.dtype)) for field in dtype.fields
            )
        case _:
            return False


def _instance_of(dtype: object) -> pl.DataType:
    return dtype if isinstance(dtype, pl.DataType) else pl.Null()
