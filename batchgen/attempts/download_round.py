"""Try each missing link of an attempt once: downloaded, checked, stored."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.run_context import AttemptContext, Run
from batchgen.attempts.image_check import check_image
from batchgen.attempts.missing_images import MissingImages
from batchgen.attempts.store import CheckedImage, store
from batchgen.errors import (
    ImageRejected,
    LinkLost,
    Retryable,
)
from batchgen.model import Blob, Link
from batchgen.wire import MemoryLease

if TYPE_CHECKING:
    from batchgen.wire.sender import Wire


async def try_links(
    run: Run, context: AttemptContext, missing: MissingImages, *, keep: bool
) -> None:
    """Try each link once; an image that downloads is stored and no longer missing."""
    queue = context.queue
    missing.failures.clear()
    if missing.rounds == 0:
        missing.began = run.time.monotonic()
    for image, link in list(missing.links.items()):
        ends = len(missing.links) == 1 and missing.loss is None
        try:
            # Leased until the image is on disk, or has turned out to be none.
            with run.wire.lease() as lease:
                checked = await _download_checked(
                    run, context, image, link, lease, keep=keep
                )
                await store(run, context, [checked], ends=ends)
        except (Retryable, LinkLost, ImageRejected) as error:
            missing.failures[image] = error
            if isinstance(error, Retryable):
                queue.host_of(link).record_failure(
                    context.part.row_id,
                    error,
                    is_network_down=queue.breaker.is_in_doubt,
                )
            if missing.rounds == 0:
                # Once for each attempt: a few that wait long prove no outage.
                queue.link_outage.record_failure(context.part.row_id)
        else:
            del missing.links[image]
    missing.rounds += 1


async def _download_checked(
    run: Run,
    context: AttemptContext,
    image: int,
    link: Link,
    lease: MemoryLease,
    *,
    keep: bool,
) -> CheckedImage:
    """Return a checked image; keep bytes that are no image if `keep` says so."""
    queue = context.queue
    if not link.url:
        error = LinkLost(queue.name, "no link was kept")
        error.is_final = True
        raise error
    blob = await download(run.wire, run.downloads, queue, link, lease)
    queue.link_hosts.record_success(queue.host_of(link))
    checked = await check_image(run, context, image, blob.data, keep=keep)
    queue.link_outage.record_success()
    return checked


async def download(
    wire: Wire,
    downloads: anyio.CapacityLimiter,
    queue: ProviderQueue,
    link: Link,
    lease: MemoryLease,
) -> Blob:
    """Return the bytes behind a link; a link out of a model's text gets no key."""
    source = queue.source
    if link.from_text:
        source = replace(source, key_headers={})
    async with downloads:
        return await wire.download(queue.name, link.url, source=source, lease=lease)
