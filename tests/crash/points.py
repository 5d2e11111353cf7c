"""The boundaries of a row's life at which a test may kill a run, and how it does.

The real functions of the real process are wrapped from outside: batchgen knows
nothing of it. A process that passes the wanted point sends itself SIGKILL, from which
nothing can be tidied up.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from batchgen.ledger import Ledger, PlanWriter, database
from batchgen.model import Blob, Call, Reply
from batchgen.output import archive as archives
from batchgen.output import parquet, whole, zip_directory
from batchgen.output.archive import Archive
from batchgen.output.diskfile import DiskFile
from batchgen.providers import PROVIDERS
from batchgen.providers.base import PollSchedule, TaskProvider
from batchgen.runner import folder as folders
from batchgen.runner import unfinished
from batchgen.wire.sender import Wire
from batchgen.wire.transport import AiohttpTransport

COMMITS = {
    "planned": (PlanWriter, "_write"),
    "plan-adopted": (PlanWriter, "complete"),
    "sent": (Ledger, "mark_sent"),
    "accepted": (Ledger, "mark_accepted"),
    "delivered": (Ledger, "mark_delivered"),
    "stored": (Ledger, "keep_images"),
    "ended": (Ledger, "mark_ended"),
    "upload-kept": (Ledger, "keep_upload"),
}
"""What a commit writes down, and the step that tells it."""

_MARKS = ("writing", "fresh")
_KINDS = (*COMMITS, *(f"outputs-{mark}" for mark in _MARKS))

POINTS: tuple[str, ...] = (
    *("folder-made", "schema-before", "schema-after"),
    *(f"{kind}-{when}-commit" for kind in _KINDS for when in ("before", "after")),
    *("upload-before", "upload-after"),
    *("request-before", "request-leaves", "reply-head", "reply-read"),
    *("poll-before", "poll-after", "download-before", "download-after"),
    *("zip-before-append", "zip-half-appended", "zip-before-sync", "zip-after-sync"),
    *("walk-before", "walk-after", "tail-before-cut", "tail-after-cut"),
    *("directory-before", "metadata-written", "entries-written", "end-written"),
    "directory-after",
    *("table-before", "table-written", "table-renamed"),
)
"""In the order in which a row meets them, nearly; a point of a commit tells what the
commit writes down, and one commit may write down several things."""

KILLED = "killed at "
"""What a process says last."""

QUICK = PollSchedule(first_s=0.01, every_s=0.01, factor=1.0, longest_s=0.01)


class Passings:
    """Counts how often each point was passed, and kills at one of them."""

    def __init__(self, point: str | None, nth: int) -> None:
        self._point = point
        self._nth = nth
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()

    def at(self, point: str) -> None:
        with self._lock:
            self.counts[point] += 1
            if point == self._point and self.counts[point] == self._nth:
                os.write(2, f"{KILLED}{point}\n".encode())
                os.kill(os.getpid(), signal.SIGKILL)

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.counts))


def install(passings: Passings) -> None:
    """Wrap all functions that stand at a point."""
    _wrap_ledger(passings)
    _wrap_archive(passings)
    _wrap_wire(passings)
    around(passings, folders, "_make", None, "folder-made")
    around(passings, database, "_apply", "schema-before", "schema-after")
    around(passings, parquet, "replacing", "table-before", None)
    around(passings, whole, "_sync_file", None, "table-written")
    # The folder is synced once the new table has its name.
    around(passings, whole, "sync_folder", "table-renamed", None)


def hurry() -> None:
    """Ask for tasks without the pauses that a provider's real tasks need."""
    for provider in PROVIDERS.values():
        if isinstance(provider, TaskProvider):
            type(provider).polling = QUICK
    unfinished.SPREAD_S = 0.01


def around(
    passings: Passings, place: Any, name: str, before: str | None, after: str | None
) -> None:
    """Replace a function of a module or class by one that passes two points."""
    inner = getattr(place, name)

    def wrapped(*args: Any, **named: Any) -> Any:
        if before is not None:
            passings.at(before)
        result = inner(*args, **named)
        if after is not None:
            passings.at(after)
        return result

    setattr(place, name, wrapped)


# -- ledger


def _wrap_ledger(passings: Passings) -> None:
    """Let each commit pass the points of all that it writes down."""
    written: set[str] = set()
    for kind, (owner, name) in COMMITS.items():
        _note(owner, name, partial(written.add, kind))
    begin, commit, write_meta = Ledger.begin, Ledger.commit, Ledger.write_meta

    def begun(ledger: Ledger) -> None:
        written.clear()
        begin(ledger)

    def committed(ledger: Ledger) -> None:
        kinds = [kind for kind in _KINDS if kind in written]
        for kind in kinds:
            passings.at(f"{kind}-before-commit")
        commit(ledger)
        for kind in kinds:
            passings.at(f"{kind}-after-commit")

    def noted(ledger: Ledger, name: str, value: Any) -> None:
        if name == "outputs" and value in _MARKS:
            written.add(f"outputs-{value}")
        write_meta(ledger, name, value)

    replaced: Any = Ledger
    replaced.begin, replaced.commit = begun, committed
    replaced.write_meta = noted


def _note(owner: Any, name: str, note: Callable[[], None]) -> None:
    inner = getattr(owner, name)

    def noting(*args: Any, **named: Any) -> Any:
        note()
        return inner(*args, **named)

    setattr(owner, name, noting)


# -- archive


def _wrap_archive(passings: Passings) -> None:
    around(passings, Archive, "recover", "walk-before", "walk-after")
    around(passings, Archive, "append", "zip-before-append", "zip-before-sync")
    around(passings, Archive, "sync", None, "zip-after-sync")
    around(passings, DiskFile, "cut", "tail-before-cut", "tail-after-cut")
    around(passings, Archive, "finish", "directory-before", "directory-after")
    around(passings, archives, "write_metadata", None, "metadata-written")
    _wrap_end(passings)
    appends = Archive.append
    write_at = DiskFile.write_at
    is_image = False

    def appending(archive: Archive, items: Any) -> Any:
        nonlocal is_image
        is_image = True
        try:
            return appends(archive, items)
        finally:
            is_image = False

    def by_halves(file: DiskFile, buffers: Iterable[bytes], offset: int) -> None:
        data = b"".join(buffers)
        middle = len(data) // 2 if is_image else 0
        if middle:
            write_at(file, [data[:middle]], offset)
            passings.at("zip-half-appended")
        write_at(file, [data[middle:]], offset + middle)

    replaced: Any = (Archive, DiskFile)
    replaced[0].append, replaced[1].write_at = appending, by_halves


def _wrap_end(passings: Passings) -> None:
    """Let the ZIP's end pass a point before it is written, and before it is synced."""
    replaced: Any = (zip_directory, DiskFile)
    end_records, sync = replaced[0].end_records, DiskFile.sync
    is_written = False

    def ended(count: int, size_bytes: int, offset: int) -> bytes:
        nonlocal is_written
        passings.at("entries-written")
        is_written = True
        records: bytes = end_records(count, size_bytes, offset)
        return records

    def synced(file: DiskFile) -> None:
        nonlocal is_written
        if is_written:
            passings.at("end-written")
        is_written = False
        sync(file)

    replaced[0].end_records, replaced[1].sync = ended, synced


# -- wire

_buys: ContextVar[bool] = ContextVar("_buys", default=False)


def _wrap_wire(passings: Passings) -> None:
    send, download = Wire.send, Wire.download
    handle = AiohttpTransport.handle_async_request

    async def sent(wire: Wire, provider: str, call: Call, **settings: Any) -> Reply:
        on_sent = settings.get("on_sent")
        if on_sent is None:
            step = "poll" if call.method == "GET" else "upload"
            before, after = f"{step}-before", f"{step}-after"
        else:
            before, after = "request-before", "reply-read"
            settings["on_sent"] = partial(_leave, passings, on_sent)
        _buys.set(on_sent is not None)
        passings.at(before)
        reply = await send(wire, provider, call, **settings)
        passings.at(after)
        return reply

    async def handled(
        transport: AiohttpTransport, request: httpx.Request
    ) -> httpx.Response:
        response = await handle(transport, request)
        if _buys.get():
            passings.at("reply-head")
        return response

    async def downloaded(*args: Any, **named: Any) -> Blob:
        _buys.set(False)
        passings.at("download-before")
        blob = await download(*args, **named)
        passings.at("download-after")
        return blob

    replaced: Any = Wire
    replaced.send, replaced.download = sent, downloaded
    carrier: Any = AiohttpTransport
    carrier.handle_async_request = handled


def _leave(passings: Passings, on_sent: Callable[[], None]) -> None:
    passings.at("request-leaves")
    on_sent()
