"""Keep paid replies that cannot be used: whole replies, and bytes that are no image.

A kept file is on disk before the ledger records the end of its attempt, so a kill
between the two loses nothing: the next run finds the file by the attempt's number.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio

from batchgen.admission.run_context import AttemptContext, Run
from batchgen.attempts.echoes import read_without_echoes
from batchgen.errors import (
    AttemptError,
    DiskFull,
    Internal,
    NoImage,
    OutcomeUnknown,
    ReplyMalformed,
    StorageError,
)
from batchgen.model import Blob, Reply
from batchgen.output.kept_files import KeptFiles, Source

if TYPE_CHECKING:
    from batchgen.runner.progress import Progress
    from batchgen.wire import Redactor
    from batchgen.wire.offload import Offload

T = TypeVar("T")

# Raised by a successful reply in which no image was found.
_WITHOUT_IMAGE = (ReplyMalformed, NoImage, OutcomeUnknown, Internal)


def kept_files(folder: Path, redactor: Redactor) -> KeptFiles:
    """Return the kept files of a run."""
    return KeptFiles(folder, redactor.mask.pieces)


async def keep_image(
    run: Run, context: AttemptContext, image: int, data: bytes
) -> str | None:
    """Keep bytes that cannot go into the archive.

    Returns:
        Their name within the run folder; None if the disk has no room, which the user
        is told.

    Raises:
        StorageError: the folder cannot be written.
    """
    attempt_id = context.attempt.attempt_id
    files = kept_files(run.folder, run.redactor)
    return await _keep(
        run.offload, run.progress, lambda: files.keep_image(attempt_id, image, data)
    )


async def _keep(
    offload: Offload, progress: Progress, work: Callable[[], str]
) -> str | None:
    try:
        # A paid reply must be on disk first, so a cancellation has to wait.
        with anyio.CancelScope(shield=True):
            return await offload(work)
    except DiskFull as error:
        why = str(error)
    except StorageError:
        raise
    except (ValueError, RecursionError) as error:
        why = type(error).__name__
    progress.notify_once(
        f"an answer that was paid for and has no image could not be kept: {why}"
    )
    return None


async def read_or_keep(
    run: Run,
    context: AttemptContext,
    reply: Reply,
    decode: Callable[[Reply], T],
    source: Source = "purchase",
) -> T:
    """Return a decoded reply; keep a success in which no image was found.

    Raises:
        AttemptError: as `decode` does; its message names the file.
        Internal: `decode` has a bug.
    """
    try:
        return read_without_echoes(context, reply, decode)
    except _WITHOUT_IMAGE as error:
        await keep_unread(run, context, reply, error, source)
        raise
    except AttemptError:
        raise
    except Exception as fault:
        extra = {"attempt": context.attempt.attempt_id}
        run.log.exception("reply_fault", extra=extra)
        name = " ".join(f"{type(fault).__name__}: {fault}".split())[:300]
        internal = Internal(
            context.queue.name,
            f"unexpected {name} while the answer was read; run.log has the details",
        )
        await keep_unread(run, context, reply, internal, source)
        raise internal from fault


async def keep_unread(
    run: Run, context: AttemptContext, reply: Reply, error: AttemptError, source: Source
) -> None:
    """Keep a successful reply without an image, and name the file in the error."""
    if 200 <= reply.status < 300 and not _is_empty(reply):
        attempt_id, provider = context.attempt.attempt_id, context.queue.name
        files = kept_files(run.folder, run.redactor)
        name = await _keep(
            run.offload,
            run.progress,
            lambda: files.keep_reply(attempt_id, provider, source, reply),
        )
        add_file_name(error, name)


def add_file_name(error: AttemptError, name: str | None) -> None:
    """Add the name of a kept file to an error's message."""
    if name is not None:
        error.message = f"{error.message}; kept as {name}"


def _is_empty(reply: Reply) -> bool:
    body = reply.body
    return not body.data if isinstance(body, Blob) else body in (None, "", [], {})
