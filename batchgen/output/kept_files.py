"""`kept/`: paid replies and bytes that cannot be images of the archive.

    <attempt>.json           a reply in which no image was found
    <attempt>-body-<n>.bin   bytes (or .txt: a long text) of its body
    <attempt>-<image>.<ext>  bytes that are no whole image of a known kind, or an image
                             beyond the requested number

Others may have changed the folder: names consist of numbers only, and other files are
ignored.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

from batchgen.errors import DiskFull, StorageError
from batchgen.images import extension_of
from batchgen.model import Blob, Json, Reply
from batchgen.open_files import open_descriptor, open_patiently
from batchgen.output.whole import replacing
from batchgen.shortage import refuse_shortage

FOLDER = "kept"

MAX_BYTES = 256 * 1024 * 1024
"""Of one reply or image; the wire accepts no larger ones [assumed]."""

MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
"""Of a reply's document that is read back: its long values are in files beside it
[assumed]."""

SPARE_BYTES = 64 * 1024 * 1024
"""Room that stays free on the disk for images and ledger [assumed]."""

LONG_TEXT = 64 * 1024

Source = Literal["purchase", "poll"]

Pieces = Callable[[bytes | str], Iterable[bytes]]
"""Yields content piece by piece, with keys overwritten."""

_REPLY = re.compile(r"(\d{1,18})\.json")
_IMAGE = re.compile(r"(\d{1,18})-(\d{1,9})\.[a-z0-9]{1,8}")
_FILE = "batchgen:file"
# These headers contain secrets of a session, and nothing about a purchase.
_PRIVATE = frozenset({"set-cookie", "set-cookie2", "authorization", "cookie"})


@dataclass(frozen=True, slots=True)
class KeptReply:
    """A reply as it was kept.

    Attributes:
        source: The kind of request that it answered.
    """

    provider: str
    source: Source
    reply: Reply


class KeptFiles:
    """The kept files of one run folder.

    Args:
        folder: The run folder.
        pieces: Overwrites keys in what is written.
    """

    def __init__(self, folder: Path, pieces: Pieces) -> None:
        self._folder = folder / FOLDER
        self._pieces = pieces

    # -- write

    def keep_reply(
        self, attempt_id: int, provider: str, source: Source, reply: Reply
    ) -> str:
        """Keep a reply, whole or not at all; return its name within the run folder.

        Raises:
            DiskFull: there is no room, or it is too large.
            StorageError: it cannot be written.
        """
        long_values = [*_long_values(reply.body), *_long_values(reply.whole)]
        self._make_room(sum(map(len, long_values)) + LONG_TEXT)
        for number, value in enumerate(long_values, 1):
            self._write(_body_name(attempt_id, number, value), self._pieces(value))
        headers = {
            name: value for name, value in reply.headers.items() if name not in _PRIVATE
        }
        document: dict[str, Json] = {
            "batchgen": 1,
            "provider": provider,
            "source": source,
            "status": reply.status,
            "headers": {**headers},
            "body": reply.body,
        }
        if reply.whole is not None:
            document["whole"] = reply.whole
        texts = _dump(document, iter(range(1, len(long_values) + 1)))
        covered = (piece for text in texts for piece in self._pieces(text))
        # Written last, so that the files that it names are there.
        return self._write(f"{attempt_id}.json", covered)

    def keep_image(self, attempt_id: int, image: int, data: bytes) -> str:
        """Keep bytes that cannot go into the archive; raises as `keep_reply` does."""
        self._make_room(len(data))
        name = f"{attempt_id}-{image}.{extension_of(data)}"
        return self._write(name, self._pieces(data))

    def _make_room(self, size_bytes: int) -> None:
        if size_bytes > MAX_BYTES:
            raise DiskFull(f"{size_bytes >> 20} MB are more than is kept of one reply")
        try:
            self._folder.mkdir(exist_ok=True)
            free = shutil.disk_usage(self._folder).free
        except OSError as error:
            raise StorageError(f"cannot make {self._folder}: {error}") from error
        if free < size_bytes + SPARE_BYTES:
            raise DiskFull(f"only {free >> 20} MB are free in {self._folder}")

    def _write(self, name: str, pieces: Iterable[bytes]) -> str:
        with replacing(self._folder / name) as file:
            file.writelines(pieces)
        return f"{FOLDER}/{name}"

    # -- read

    def replies(self) -> list[int]:
        """Return the attempts with a kept reply, oldest first."""
        matches = (_REPLY.fullmatch(name) for name in self._names())
        return sorted(int(match[1]) for match in matches if match)

    def images_of(self, attempt_id: int) -> dict[int, str]:
        """Return the names of an attempt's kept images, by their number."""
        matches = (_IMAGE.fullmatch(name) for name in self._names(f"{attempt_id}-"))
        return {int(match[2]): match[0] for match in matches if match}

    def name_of(self, attempt_id: int) -> str | None:
        """Return what is kept of an attempt, within the run folder; None if nothing."""
        if (self._folder / f"{attempt_id}.json").is_file():
            return f"{FOLDER}/{attempt_id}.json"
        images = self.images_of(attempt_id)
        return f"{FOLDER}/{images[min(images)]}" if images else None

    def read_reply(self, attempt_id: int) -> KeptReply | None:
        """Return a kept reply as it came; None if it cannot be read."""
        text = _read(self._folder / f"{attempt_id}.json", MAX_DOCUMENT_BYTES)
        try:
            document = json.loads(text or b"", parse_float=Decimal)
            return _kept_reply(self._restored(attempt_id, document))
        except (ValueError, RecursionError, KeyError, TypeError):
            return None

    def _restored(self, attempt_id: int, value: Json) -> Json:
        """Return a value with its long texts and bytes in their places again."""
        if isinstance(value, list):
            return [self._restored(attempt_id, item) for item in value]
        if not isinstance(value, dict):
            return value
        number = value.get(_FILE)
        if not isinstance(number, int) or value.keys() != {_FILE, "is_text"}:
            return {
                key: self._restored(attempt_id, item) for key, item in value.items()
            }
        empty: str | bytes = "" if value["is_text"] is True else b""
        path = self._folder / _body_name(attempt_id, number, empty)
        data = _read(path, MAX_BYTES)
        if data is None:
            raise ValueError(f"{path.name} is missing")
        return (
            data.decode("utf-8", "surrogatepass")
            if isinstance(empty, str)
            else Blob(data)
        )

    def _names(self, start: str = "") -> list[str]:
        try:
            names = open_patiently(
                lambda: [path.name for path in self._folder.iterdir()]
            )
        except OSError as error:
            # Paid replies may be there although the folder cannot be listed now.
            refuse_shortage(error)
            return []
        return [name for name in names if name.startswith(start)]


def _body_name(attempt_id: int, number: int, value: str | bytes) -> str:
    return f"{attempt_id}-body-{number}.{'txt' if isinstance(value, str) else 'bin'}"


def _read(path: Path, max_bytes: int) -> bytes | None:
    """Return a plain file of at most this size; None for anything else."""
    try:
        # A link may lead out of the folder, and a pipe would block.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        with os.fdopen(open_descriptor(path, flags), "rb") as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode) or state.st_size > max_bytes:
                return None
            return file.read(max_bytes)
    except OSError as error:
        refuse_shortage(error)
        return None


def _kept_reply(document: Json) -> KeptReply | None:
    if not isinstance(document, dict) or document.get("batchgen") != 1:
        return None
    match document:
        case {
            "provider": str(provider),
            "source": "purchase" | "poll" as source,
            "status": int(status),
            "headers": dict(headers),
            "body": body,
        }:
            texts = {
                name: value for name, value in headers.items() if isinstance(value, str)
            }
            kind: Source = "poll" if source == "poll" else "purchase"
            whole = document.get("whole")
            reply = Reply(
                status, texts, body, whole=whole if isinstance(whole, Blob) else None
            )
            return KeptReply(provider, kind, reply)
        case _:
            return None


def _is_long(value: Json) -> bool:
    return isinstance(value, Blob) or (
        isinstance(value, str) and len(value) > LONG_TEXT
    )


def _long_values(value: Json) -> Iterator[str | bytes]:
    """Yield the values that get files of their own, in the order of the document."""
    match value:
        case Blob():
            yield value.data
        case str() if _is_long(value):
            yield value
        case dict():
            for item in value.values():
                yield from _long_values(item)
        case list():
            for item in value:
                yield from _long_values(item)
        case _:
            pass


def _dump(value: Json, numbers: Iterator[int]) -> Iterator[str]:
    """Yield a document as JSON, text by text, its numbers with all their digits."""
    match value:
        case Blob() | str() if _is_long(value):
            is_text = json.dumps(isinstance(value, str))
            yield f'{{"{_FILE}": {next(numbers)}, "is_text": {is_text}}}'
        case dict():
            yield from _dump_object(value, numbers)
        case list():
            yield "["
            for index, item in enumerate(value):
                yield ", " if index else ""
                yield from _dump(item, numbers)
            yield "]"
        case Decimal():
            yield str(value) if value.is_finite() else "null"
        case _:
            yield json.dumps(value, ensure_ascii=False)


def _dump_object(value: Mapping[str, Json], numbers: Iterator[int]) -> Iterator[str]:
    yield "{"
    for index, (key, item) in enumerate(value.items()):
        yield ", " if index else ""
        yield json.dumps(key, ensure_ascii=False)
        yield ": "
        yield from _dump(item, numbers)
    yield "}"
