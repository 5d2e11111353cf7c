"""Identify, read and examine a reference image: a local file or a data URI."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from batchgen.addresses import is_data_uri, shown, table_image_digest
from batchgen.drives import refuse_failed_drive
from batchgen.images import MAX_DECODED_PIXELS, ImageFacts, NotAnImage, inspect
from batchgen.model import MAX_REFERENCE_BYTES, too_large_message
from batchgen.open_files import open_patiently
from batchgen.providers._decoding import decode_data_uri
from batchgen.shortage import refuse_shortage

# These limits are our own and only stop absurd files; providers' limits are far lower.
MAX_BYTES = MAX_REFERENCE_BYTES
MAX_SIDE_PX = 30_000
# Base64 takes four characters for three bytes; the rest is for the media type.
_MAX_URI_CHARACTERS = MAX_BYTES * 4 // 3 + 1024


class Unusable(ValueError):
    """A reference image cannot be used; the message says why, in plain words."""


@dataclass(frozen=True, slots=True)
class FileVersion:
    """A file in one state; after a change it is another version."""

    path: Path
    mtime_ns: int
    size_bytes: int


Identity = FileVersion | bytes
"""Identifies an image: a version of a file, or the digest of a data URI."""


def identify(folder: Path, reference: str, images: Path | None = None) -> Identity:
    """Return the identity of a local file, a data URI, or an image of the table.

    Args:
        folder: Where relative paths start.
        reference: The reference.
        images: The folder of images that came in cells of the table.

    Raises:
        Unusable: there is no such file, or none that can be read.
    """
    if is_data_uri(reference):
        return hashlib.sha256(reference.encode("utf-8", "surrogatepass")).digest()
    path = folder / reference
    if images is not None and (digest := table_image_digest(reference)) is not None:
        path = images / digest
    with _file_errors(path):
        state = path.stat()
    # Reading a pipe or a device could take for ever.
    if not stat.S_ISREG(state.st_mode):
        raise Unusable("not a file")
    return FileVersion(path, state.st_mtime_ns, state.st_size)


def check_inside(identity: Identity, folder: Path) -> None:
    """Refuse a file outside a folder, wherever symbolic links lead.

    Rows were checked when the table was read; a symbolic link may have changed since.

    Raises:
        Unusable: the file is outside, or gone.
    """
    if isinstance(identity, bytes):
        return
    with _file_errors(identity.path):
        real = identity.path.resolve(strict=True)
    if not real.is_relative_to(folder):
        raise Unusable(f"lies outside {folder}, where files may be")


def read(reference: str, identity: Identity) -> bytes:
    """Return the bytes of a local file or a data URI.

    Raises:
        Unusable: it cannot be read, is absurdly large, or has changed.
        StorageError: no more files can be opened.
    """
    if isinstance(identity, bytes):
        return _read_data_uri(reference)
    check_size(identity.size_bytes)
    path = identity.path
    with _file_errors(path), open_patiently(lambda: path.open("rb")) as file:
        data = file.read(identity.size_bytes + 1)
        state = identity.path.stat()
    current = FileVersion(identity.path, state.st_mtime_ns, state.st_size)
    if current != identity or len(data) != identity.size_bytes:
        raise Unusable("it changes while it is read")
    digest = table_image_digest(reference)
    if digest is not None and hashlib.sha256(data).hexdigest() != digest:
        raise Unusable(
            f"{identity.path} was changed; delete its folder, and touch the table to "
            "have it read again"
        )
    return data


def examine(data: bytes) -> ImageFacts:
    """Return what an image is; its structure is checked, no pixel is decoded.

    Raises:
        Unusable: the bytes are no image, or a damaged, animated or absurdly large one.
    """
    check_size(len(data))
    try:
        image = inspect(data)
    except NotAnImage as error:
        raise Unusable(f"no usable image ({error})") from error
    if image.frames > 1:
        raise Unusable(f"animated, {image.frames} frames; give a single picture")
    width_px, height_px = image.width_px, image.height_px
    is_too_long = max(width_px, height_px) > MAX_SIDE_PX
    if is_too_long or width_px * height_px > MAX_DECODED_PIXELS:
        raise Unusable(
            f"{width_px} x {height_px} pixels are too large (at most {MAX_SIDE_PX:,} a "
            f"side and {MAX_DECODED_PIXELS // 1_000_000} million in all)"
        )
    return image


def check_size(size_bytes: int) -> None:
    """Refuse a file that is too large to be read.

    Raises:
        Unusable: it has more than `MAX_BYTES`.
    """
    if size_bytes > MAX_BYTES:
        raise Unusable(too_large_message(size_bytes))


@contextmanager
def with_name(reference: str) -> Iterator[None]:
    """Begin the message of any `Unusable` with the name of the reference."""
    try:
        yield
    except Unusable as error:
        raise Unusable(f"{shown(reference)}: {error}") from error


def _read_data_uri(uri: str) -> bytes:
    if len(uri) > _MAX_URI_CHARACTERS:
        check_size(len(uri) * 3 // 4)
    blob = decode_data_uri(uri)
    if blob is None:
        raise Unusable("a data URI that holds nothing readable")
    return blob.data


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """Turn errors of the file system into `Unusable`, or `StorageError`."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Unusable("no such file") from error
    except OSError as error:
        refuse_shortage(error)
        refuse_failed_drive(error, path)
        raise Unusable(f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL in the path
        raise Unusable("no such file") from error
