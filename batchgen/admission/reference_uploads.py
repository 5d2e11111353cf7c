"""Prepare reference images for a provider: fetch or upload each once for all rows.

Nothing here costs money, so each failed request may be sent again.
"""

from __future__ import annotations

import hashlib
from weakref import WeakValueDictionary

import anyio
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
)

from batchgen.addresses import parent_of, row_image, row_image_at, shown
from batchgen.addresses.url import problem_of_url, read_url
from batchgen.admission.next_step import wait_s
from batchgen.admission.provider_health import record_unreachable
from batchgen.admission.provider_queue import ProviderQueue
from batchgen.admission.reference_buffer import size_of
from batchgen.admission.run_context import Run
from batchgen.errors import (
    ArchiveDamaged,
    AttemptError,
    NotConnected,
    OutcomeUnknown,
    ProviderStopped,
    ReferenceRejected,
    Retryable,
    SpecError,
    Throttled,
)
from batchgen.ledger import Ledger, PlannedRow
from batchgen.limits import SILENT_S
from batchgen.model import Attachment, ImageRequest, Inline, Link, Payload
from batchgen.providers.base import UploadProvider
from batchgen.references import ReferenceCache, Unusable
from batchgen.tracebacks import drop_tracebacks
from batchgen.wire import is_loopback_host

TRIES = 8
"""Tries to fetch or to upload one image. An upload that was throttled or never left is
not counted, nor is one in an outage: several images in a row that all fail."""

UPLOAD_TIMEOUT_S = 120.0
UNTRIED = (
    "reference URLs are not fetched in a rehearsal (a drawing stands in): whether they "
    "work, only a real run shows"
)
"""Shown once: success in a rehearsal says nothing about the URLs."""

SAFE_LIFE = 0.9
"""Fraction of an upload's lifetime in which its link is used: the task must still be
able to fetch it later."""


class References:
    """Prepares the reference images of rows."""

    def __init__(self, run: Run, stand_in: bytes | None) -> None:
        """Begin with nothing prepared.

        Args:
            run: The run.
            stand_in: In a rehearsal, the image that replaces the content of a URL;
                None to fetch it.
        """
        self._run = run
        self._stand_in = stand_in
        self._cache = ReferenceCache(
            run.job.folder,
            allowed_folder=run.job.references.folder or run.job.folder,
            shrink=run.job.references.shrink,
            offload=run.offload,
            fetch=self._fetch,
            images=run.job.images_folder,
        )
        self._failed_urls: dict[str, str] = {}
        # Rows that share an image wait for the upload of the first one.
        self._upload_locks: WeakValueDictionary[tuple[str, str], anyio.Lock] = (
            WeakValueDictionary()
        )

    def tell_untried(self, queue: ProviderQueue, request: ImageRequest) -> None:
        """Tell in a rehearsal that the URLs are not fetched."""
        rules = queue.capabilities.references
        if self._stand_in is not None and any(
            rules.carrier_of(reference) == "link" for reference in request.references
        ):
            self._run.progress.notify_once(UNTRIED)

    async def ready(
        self, queue: ProviderQueue, planned: PlannedRow
    ) -> tuple[Payload, ...]:
        """Return the references of a row in the form that the provider gets.

        Raises:
            ReferenceRejected: one of them cannot be loaded, or is not supported.
            ProviderStopped: the provider accepts no upload from this key.
        """
        references = planned.row.request.references
        count = len(references)
        payloads = [
            await self._payload(queue, self._located(planned, reference), count)
            for reference in references
        ]
        # The size of an image behind a URL is known only now.
        max_bytes = queue.capabilities.references.max_total_bytes
        total_bytes = sum(_raw_bytes(payload) for payload in payloads)
        if max_bytes is not None and total_bytes > max_bytes:
            images = "1 image has" if count == 1 else f"{count} images have"
            sizes = f"{total_bytes / 1e6:.1f} MB, at most {max_bytes / 1e6:g} MB"
            raise ReferenceRejected(
                queue.name,
                f"{images} {sizes} are taken together; scale them down, or say "
                "`shrink = true` under [references]",
            )
        return tuple(payloads)

    async def _payload(
        self, queue: ProviderQueue, reference: str, count: int
    ) -> Payload:
        rules = queue.capabilities.references
        try:
            match rules.carrier_of(reference):
                case "link":
                    return Link(reference)
                case "inline":
                    return await self._cache.inline(reference, rules, count)
                case "part":
                    return await self._cache.attachment(reference, rules, count)
                case "upload":
                    image = await self._cache.attachment(reference, rules, count)
                    return await self._uploaded(queue, image)
        except Unusable as error:
            raise ReferenceRejected(queue.name, str(error)) from error

    # -- images of other rows

    def _located(self, planned: PlannedRow, reference: str) -> str:
        """Return where the image of another row is; other references as they are."""
        if (parent := parent_of(reference)) is None:
            return reference
        fingerprint, parent_id = parent
        image = self._run.ledger.parent_image(planned.position, parent_id, fingerprint)
        if image is None:
            message = f"{shown(reference)}: that row has no image"
            raise ReferenceRejected(planned.provider, message)
        return row_image(image.sha256, image.place)

    async def _from_archive(self, digest: bytes, place: int) -> bytes:
        try:
            data = await self._run.offload(lambda: self._run.writer.image_at(place))
        except ArchiveDamaged as error:
            raise Unusable(f"the image of the other row is damaged: {error}") from error
        if hashlib.sha256(data).digest() != digest:
            raise Unusable("the image of the other row has changed in the ZIP")
        return data

    # -- fetching a URL of the user

    async def _fetch(self, url: str) -> bytes:
        """Return the content of a URL, or of an image in the archive.

        Raises:
            Unusable: it cannot be fetched.
        """
        if (image := row_image_at(url)) is not None:
            return await self._from_archive(*image)
        if (problem := problem_of_url(url)) is not None:
            # The row was planned, and tried, by a version without this check.
            raise Unusable(f"{shown(url)} {problem}")
        host = read_url(url).host
        if self._stand_in is not None and not is_loopback_host(host):
            self._run.progress.notify_once(UNTRIED)
            return self._stand_in
        if (message := self._failed_urls.get(url)) is not None:
            raise Unusable(message)
        try:
            return await self._download(url)
        except (AttemptError, SpecError) as error:
            drop_tracebacks(error)  # they would keep the data of the reply alive
            reason = error.message if isinstance(error, AttemptError) else str(error)
            # Other rows of this run that use the URL fail without another wait.
            message = self._failed_urls[url] = f"{shown(url)}: {reason}"
            raise Unusable(message) from error

    async def _download(self, url: str) -> bytes:
        # Files of this machine must not get to a provider somewhere else.
        allow_loopback = all(queue.is_loopback for queue in self._run.queues.values())
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Retryable),
            stop=stop_after_attempt(TRIES),
            wait=self._backoff_s,
            sleep=anyio.sleep,
            reraise=True,
        )
        download = retrying.wraps(self._run.wire.download)
        blob = await download("reference", url, allow_loopback=allow_loopback)
        return blob.data

    def _backoff_s(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, Retryable):
            return 0.0
        drop_tracebacks(error)
        return wait_s(state.attempt_number, error.retry_after_s, self._run.rng)

    # -- uploading to a provider

    async def _uploaded(self, queue: ProviderQueue, image: Attachment) -> Link:
        lock = self._upload_locks.setdefault((queue.name, image.name), anyio.Lock())
        async with lock:
            address, now = (queue.name, queue.endpoint.base_url), self._run.time.now()
            url = self._run.ledger.upload(*address, image.name, now)
            return Link(url) if url else await self._upload(queue, image)

    async def _upload(self, queue: ProviderQueue, image: Attachment) -> Link:
        provider, tries, counted = queue.provider, 0, 0
        if not isinstance(provider, UploadProvider):
            raise ReferenceRejected(queue.name, "it takes no uploads")
        while True:
            began = self._run.time.now()
            try:
                link = await self._send(queue, provider, image)
            except (Retryable, OutcomeUnknown) as error:
                drop_tracebacks(error)
                tries += 1
                counted += self._counts(queue, error, image)
                if counted >= TRIES:
                    raise _upload_failed(error) from error
                await self._wait_out(queue, error, tries)
            except ProviderStopped:
                raise
            except AttemptError as error:
                raise _upload_failed(error) from error
            else:
                queue.upload_outage.record_success()
                await self._keep(queue, provider, image, link, began)
                return link

    @staticmethod
    def _counts(queue: ProviderQueue, error: AttemptError, image: Attachment) -> bool:
        """Tell whether a failed upload counts against its image."""
        if isinstance(error, Throttled | NotConnected):
            return False
        queue.upload_outage.record_failure(image.name)
        return not queue.upload_outage.waives_failures

    async def _wait_out(
        self, queue: ProviderQueue, error: AttemptError, tries: int
    ) -> None:
        """Wait before the next try."""
        wait = wait_s(tries, error.retry_after_s, self._run.rng)
        if isinstance(error, Throttled | NotConnected):
            # The image is not at fault: wait for the provider.
            if isinstance(error, NotConnected):
                record_unreachable(self._run.progress, queue, error)
            if queue.stopped is not None:
                raise queue.stopped.with_traceback(None)
            wait = error.retry_after_s or SILENT_S
            queue.rate_limiter.pause(wait)
        await anyio.sleep(wait)

    async def _send(
        self, queue: ProviderQueue, provider: UploadProvider, image: Attachment
    ) -> Link:
        call = provider.encode_upload(image, queue.endpoint)
        reply = await self._run.wire.send(
            queue.name, call, reply_timeout_s=UPLOAD_TIMEOUT_S
        )
        return provider.decode_upload(reply)

    async def _keep(
        self,
        queue: ProviderQueue,
        provider: UploadProvider,
        image: Attachment,
        link: Link,
        began: int,
    ) -> None:
        good_until = began + int(provider.upload_life_s * SAFE_LIFE * 1e6)
        address = (queue.name, queue.endpoint.base_url)

        def step(ledger: Ledger) -> None:
            ledger.keep_upload(address, image.name, link.url, good_until)

        await self._run.writer.commit(step)
        self._run.log.info("uploaded", extra={"image": image.name})


def _raw_bytes(payload: Payload) -> int:
    size = size_of(payload)
    return size * 3 // 4 if isinstance(payload, Inline) else size


def _upload_failed(error: AttemptError) -> ReferenceRejected:
    return ReferenceRejected(error.provider, f"upload not taken: {error.message}")
