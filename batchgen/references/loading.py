"""Where a reference image is, and its bytes: a local file or a data URI."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from batchgen.addresses import is_data_uri, shown, stored_digest
from batchgen.decoding import decode_data_uri
from batchgen.drives import refuse_failed_drive
from batchgen.open_files import open_patiently
from batchgen.references.facts import MOST_BYTES, Unusable, check_size
from batchgen.shortage import refuse_shortage

# Base64 takes four characters for three bytes; the rest is for the head.
_LONGEST_URI = MOST_BYTES * 4 // 3 + 1024


@dataclass(frozen=True, slots=True)
class Version:
    """A file as long as nobody changes it."""

    path: Path
    mtime_ns: int
    size_bytes: int


Identity = Version | bytes
"""What tells a file from others, and from what it was; a digest for a data URI."""


def identify(folder: Path, reference: str, images: Path | None = None) -> Identity:
    """Return the identity of a local file, a data URI, or an image of the table.

    Args:
        folder: What relative paths start from.
        reference: The reference.
        images: Where images of the table are.

    Raises:
        Unusable: there is no such file, or not one that can be read.
    """
    if is_data_uri(reference):
        return hashlib.sha256(reference.encode("utf-8", "surrogatepass")).digest()
    path = folder / reference
    if images is not None and (digest := stored_digest(reference)) is not None:
        path = images / digest
    with _readable(path):
        state = path.stat()
    # Reading a pipe or a device could last for ever.
    if not stat.S_ISREG(state.st_mode):
        raise Unusable("not a file")
    return Version(path, state.st_mtime_ns, state.st_size)


def check_within(identity: Identity, folder: Path) -> None:
    """Refuse a file that does not lie below a folder, wherever links lead.

    Rows are judged as they are read; a link can be changed until their file is.

    Raises:
        Unusable: it does not, or is gone.
    """
    if isinstance(identity, bytes):
        return
    with _readable(identity.path):
        real = identity.path.resolve(strict=True)
    if not real.is_relative_to(folder):
        raise Unusable(f"lies outside {folder}, where files may be")


def read(reference: str, identity: Identity) -> bytes:
    """Return the bytes of a local file or a data URI.

    Raises:
        Unusable: it cannot be read, is absurdly large, or changed since.
        StorageError: no more files can be opened.
    """
    if isinstance(identity, bytes):
        return _read_data_uri(reference)
    check_size(identity.size_bytes)
    path = identity.path
    with _readable(path), open_patiently(lambda: path.open("rb")) as file:
        data = file.read(identity.size_bytes + 1)
        state = identity.path.stat()
    now = Version(identity.path, state.st_mtime_ns, state.st_size)
    if now != identity or len(data) != identity.size_bytes:
        raise Unusable("it changes while it is read")
    digest = stored_digest(reference)
    if digest is not None and hashlib.sha256(data).hexdigest() != digest:
        raise Unusable(
            f"{identity.path} was changed; delete its folder, and touch the table to "
            "have it read again"
        )
    return data


@contextmanager
def naming(reference: str) -> Iterator[None]:
    """Put the name of a reference before what is wrong with it."""
    try:
        yield
    except Unusable as error:
        raise Unusable(f"{shown(reference)}: {error}") from error


def _read_data_uri(uri: str) -> bytes:
    if len(uri) > _LONGEST_URI:
        check_size(len(uri) * 3 // 4)
    blob = decode_data_uri(uri)
    if blob is None:
        raise Unusable("a data URI that holds nothing readable")
    return blob.data


@contextmanager
def _readable(path: Path) -> Iterator[None]:
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
