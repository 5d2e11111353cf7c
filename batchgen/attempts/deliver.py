"""Handle a delivery: charge it, record it, and store or download its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

import anyio

from batchgen.addresses import is_data_uri
from batchgen.admission.run_context import AttemptContext, Run
from batchgen.attempts.charges import (
    announce_raise,
    charge_budget,
    charge_of,
    latency_of,
)
from batchgen.attempts.download_round import download
from batchgen.attempts.fetch import Numbered, fetch
from batchgen.attempts.finish import lose
from batchgen.attempts.image_check import SMALL_BYTES, check_image
from batchgen.attempts.kept_replies import keep_image
from batchgen.attempts.store import CheckedImage, InlineDelivery, log_delivered, store
from batchgen.errors import (
    AttemptError,
    DiskFull,
    ImageRejected,
    Incomplete,
    LinkLost,
)
from batchgen.ledger import Charged
from batchgen.model import Blob, Delivered, Link
from batchgen.providers._decoding import decode_data_uri
from batchgen.tracebacks import drop_tracebacks
from batchgen.wire import MemoryLease

if TYPE_CHECKING:
    from batchgen.wire.offload import Offload


_Parcel = tuple[Sequence[tuple[int, Blob]], Numbered, Sequence[tuple[int, Link | Blob]]]
"""Images of one delivery by their number within the row: bytes, links, and images
beyond the requested number."""


async def deliver(
    run: Run, context: AttemptContext, delivered: Delivered, lease: MemoryLease
) -> None:
    """Record what was delivered and charged; then get the images into the archive.

    Args:
        run: The run.
        context: The attempt.
        delivered: The provider's reply.
        lease: Memory of the images that came with the reply.
    """
    context.queue.task_error = None
    context.queue.verdicts.record_useful_answer()
    try:
        links, charge, loss = await record_delivery(run, context, delivered)
    except DiskFull as full:
        # The reply's own images exist nowhere else: the attempt's outcome is unknown.
        run.end(full)
        return
    lease.mark_idle()
    if links:
        await fetch(run, context, links, charge, loss=loss)


async def record_delivery(
    run: Run, context: AttemptContext, delivered: Delivered
) -> tuple[Numbered, Charged, AttemptError | None]:
    """Record what was delivered and charged, and store images of the reply itself.

    Returns:
        Links that are still to be downloaded, the charge, and why other images of the
        delivery are lost.
    """
    attempt_id, warning = context.attempt.attempt_id, delivered.warning
    if warning is not None:
        await run.writer.commit(lambda ledger: ledger.warn(attempt_id, warning))
    if delivered.request_id is not None:
        request_id = run.redactor.redact_id(delivered.request_id)
        delivered = replace(delivered, request_id=request_id)
    blobs, links, extra = await _unpack(run.offload, context.part.span, delivered)
    if blobs:
        charge, loss = await _store_inline(run, context, blobs, links, delivered)
    else:
        charge, loss = await _write_links(run, context, links, delivered), None
    await _keep_extra(run, context, extra)
    if not links and not blobs:
        await fetch(run, context, (), charge)
    return links, charge, loss


async def _unpack(offload: Offload, span: range, delivered: Delivered) -> _Parcel:
    """Number the images; a data URI is an image, not a link.

    If there are more images than requested, the last ones are used: gateways pass on
    the drafts of a reasoning model before its result (litellm 1.108.7, tried
    2026-11-30). The others are kept, too.
    """
    blobs: list[tuple[int, Blob]] = []
    links: list[tuple[int, Link]] = []
    extra: list[tuple[int, Link | Blob]] = []
    surplus = max(0, len(delivered.images) - len(span))
    numbers = chain(range(span.stop, span.stop + surplus), span)
    for number, each in zip(numbers, delivered.images, strict=False):
        image = await _decode_link(offload, each) if isinstance(each, Link) else each
        if number not in span:
            extra.append((number, image))
        elif isinstance(image, Blob):
            blobs.append((number, image))
        else:
            links.append((number, image))
    return blobs, links, extra


async def _decode_link(offload: Offload, link: Link) -> Link | Blob:
    uri = link.url
    if not is_data_uri(uri):
        return link

    def read() -> Blob:
        # Bytes that cannot be decoded stay as they are; the image check rejects them.
        return decode_data_uri(uri) or Blob(uri.encode("utf-8", "replace"))

    return await offload(read) if len(uri) > SMALL_BYTES else read()


async def _write_links(
    run: Run, context: AttemptContext, links: Numbered, delivered: Delivered
) -> Charged:
    charge = charge_of(run.prices.find, context, delivered)
    raised = charge_budget(run, context, charge)
    latency_s = latency_of(context, run.time.monotonic())
    log_delivered(run.log, context.attempt.attempt_id, charge, delivered.request_id)
    await run.writer.commit(
        lambda ledger: ledger.mark_delivered(
            context.attempt.attempt_id, links, charge, delivered.request_id, latency_s
        )
    )
    await announce_raise(run, context.reservation.price_key, raised)
    return charge


async def _store_inline(
    run: Run,
    context: AttemptContext,
    blobs: Sequence[tuple[int, Blob]],
    links: Numbered,
    delivered: Delivered,
) -> tuple[Charged, AttemptError | None]:
    """Store images that came with the reply: charge and images are one commit.

    Until then the bytes exist only in memory, so a cancellation has to wait.
    """
    with anyio.CancelScope(shield=True):
        checked, loss = await _check_all(run, context, blobs)
        charge = charge_of(run.prices.find, context, delivered)
        raised = charge_budget(run, context, charge)
        if loss is not None:
            loss.request_id = delivered.request_id
        if checked or links:
            await store(
                run,
                context,
                checked,
                ends=not links,
                loss=loss,
                inline=InlineDelivery(
                    len(delivered.images), charge, delivered.request_id, links
                ),
            )
        elif loss is not None:
            await lose(run, context, loss, charge)
        await announce_raise(run, context.reservation.price_key, raised)
    return charge, loss


async def _check_all(
    run: Run, context: AttemptContext, blobs: Sequence[tuple[int, Blob]]
) -> tuple[list[CheckedImage], AttemptError | None]:
    """Return the valid images, and why others are invalid; those are kept as files."""
    checked: list[CheckedImage] = []
    loss: AttemptError | None = None
    for image, blob in blobs:
        try:
            checked.append(await check_image(run, context, image, blob.data, keep=True))
        except ImageRejected as error:
            drop_tracebacks(error)
            loss = error
    return checked, loss


async def _keep_extra(
    run: Run, context: AttemptContext, extra: Sequence[tuple[int, Link | Blob]]
) -> None:
    """Keep images beyond the requested number: they may have been paid for."""
    names = []
    for number, image in extra:
        with run.wire.lease() as lease:
            name = await _keep_one(run, context, number, image, lease)
        names += [name] if name else []
    if extra:
        files = ", ".join(names) or "none of them could be kept"
        run.progress.notify_once(
            f"{context.queue.name} delivered more images than were asked for: {files}"
        )


async def _keep_one(
    run: Run,
    context: AttemptContext,
    number: int,
    image: Link | Blob,
    lease: MemoryLease,
) -> str | None:
    if isinstance(image, Link):
        try:
            image = await download(run.wire, run.downloads, context.queue, image, lease)
        except (Incomplete, LinkLost, ImageRejected):
            return None
    return await keep_image(run, context, number, image.data) if image.data else None
