"""Check bytes that should be an image before they go into the archive."""

from __future__ import annotations

import hashlib
from contextlib import suppress

from batchgen.admission.run_context import AttemptContext, Run
from batchgen.attempts.kept_replies import add_file_name, keep_image
from batchgen.attempts.store import CheckedImage
from batchgen.errors import ImageRejected
from batchgen.images import ImageFacts, NotAnImage, extension_of, inspect
from batchgen.providers._decoding import decode_base64

SMALL_BYTES = 256 * 1024
"""So many bytes are hashed in 0.15 ms (0.6 ms on a CPU without instructions for it): a
thread would gain nothing."""


async def check_image(
    run: Run, context: AttemptContext, image: int, data: bytes, *, keep: bool
) -> CheckedImage:
    """Check an image's start and end and compute its digest, off the event loop.

    Args:
        run: The run.
        context: The attempt that brought it.
        image: Its number within the row.
        data: Its bytes.
        keep: Whether bytes that are no image are kept as a file, which the error names.

    Raises:
        ImageRejected: it is not a complete image of a supported format.
    """

    def look() -> CheckedImage:
        content, facts = _inspect(data)
        return CheckedImage(image, content, facts, hashlib.sha256(content).digest())

    try:
        return await run.offload(look) if len(data) > SMALL_BYTES else look()
    except NotAnImage as reason:
        error = ImageRejected(context.queue.name, f"delivered {reason}")
        error.may_come = _is_placeholder(data)
        if keep and data:
            add_file_name(error, await keep_image(run, context, image, data))
        raise error from reason


def _is_placeholder(data: bytes) -> bool:
    """Say whether the bytes are a page, JSON or nothing, in place of a later image."""
    start = data[:256].lstrip().lower()
    return not start or start.startswith((b"<!doctype", b"<html", b"{", b"["))


def _inspect(data: bytes) -> tuple[bytes, ImageFacts]:
    """Return an image, also if it came as base64 text in place of bytes.

    Raises:
        NotAnImage: it is neither.
    """
    try:
        return data, inspect(data)
    except NotAnImage:
        if _may_be_base64(data):
            blob = decode_base64(data.decode("ascii").strip())
            if blob is not None:
                with suppress(NotAnImage):
                    return blob.data, inspect(blob.data)
        raise


def _may_be_base64(data: bytes) -> bool:
    """Say whether a text begins like the base64 of an image, or its data URI.

    Decoding any other text in vain would take twice its size in memory.
    """
    if not data.isascii():
        return False
    start = data[:200].decode("ascii").strip().rpartition(",")[2]
    head = decode_base64("".join(start.split())[:32])
    return head is not None and extension_of(head.data) not in ("bin", "txt")
