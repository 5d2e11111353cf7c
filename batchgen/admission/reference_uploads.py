"""Reference images on their way to a provider: made ready, once for all rows.

Nothing here buys anything, so whatever fails may be asked again.
"""

from __future__ import annotations

from weakref import WeakValueDictionary

import anyio

from batchgen.addresses import shown
from batchgen.addresses.url import problem_of_url, read_url
from batchgen.admission.next_step import wait_s
from batchgen.admission.provider_health import heed_silence
from batchgen.admission.provider_queue import Lane
from batchgen.admission.reference_buffer import size_of
from batchgen.admission.run_context import Run
from batchgen.errors import (
    AttemptError,
    NotConnected,
    OutcomeUnknown,
    ProviderStopped,
    ReferenceRejected,
    Retryable,
    SpecError,
    Throttled,
)
from batchgen.ledger import Ledger
from batchgen.limits import SILENT_S
from batchgen.model import Attachment, Carried, ImageRequest, Inline, Link
from batchgen.provider import UploadProvider
from batchgen.references import Larder, Unusable
from batchgen.tracebacks import drop_tracebacks
from batchgen.wire import is_loopback_host

TRIES = 8
"""Tries to upload or to fetch one image; throttled and unsent ones do not count, nor
those of an outage: several images in a row that all fail."""

UPLOAD_TIMEOUT_S = 120.0
UNTRIED = (
    "reference URLs are not fetched in a rehearsal (a drawing stands in): whether they "
    "work, only a real run shows"
)
"""Said once: a rehearsal's success says nothing of what it did not try."""

SAFE_LIFE = 0.9
"""Share of an upload's life in which its link is named: the task needs it, too."""


class References:
    """Makes ready what rows refer to."""

    def __init__(self, run: Run, stand_in: bytes | None) -> None:
        """Prepare to make images ready.

        Args:
            run: The run.
            stand_in: Sent in place of what an URL holds that may not be fetched, in
                a rehearsal; None to fetch.
        """
        self._run = run
        self._stand_in = stand_in
        self._larder = Larder(
            run.job.manifest.parent,
            within=run.job.references.folder or run.job.manifest.parent,
            shrink=run.job.references.shrink,
            offload=run.offload,
            fetch=self._fetch,
            images=run.job.images_at,
        )
        self._dead: dict[str, str] = {}
        # One turn for each image: rows that share it wait for the first one's upload.
        self._turns: WeakValueDictionary[tuple[str, str], _Turn] = WeakValueDictionary()

    def tell_untried(self, lane: Lane, request: ImageRequest) -> None:
        """Say in a rehearsal that links go to the sandbox, which follows none."""
        rules = lane.able.references
        if self._stand_in is not None and any(
            rules.carrier_of(reference) == "link" for reference in request.references
        ):
            self._run.progress.say_once(UNTRIED)

    async def ready(self, lane: Lane, request: ImageRequest) -> tuple[Carried, ...]:
        """Return a request's references as they travel to a provider.

        Raises:
            ReferenceRejected: one of them cannot be had or used.
            ProviderStopped: the provider takes no upload from this key.
        """
        among = len(request.references)
        carried = [await self._one(lane, it, among) for it in request.references]
        # What an URL holds is known only now.
        most = lane.able.references.most_bytes_together
        raw = sum(_raw_bytes(it) for it in carried)
        if most is not None and raw > most:
            images = "1 image has" if among == 1 else f"{among} images have"
            words = f"{images} {raw / 1e6:.1f} MB, at most {most / 1e6:g} MB"
            way_out = "scale them down, or say `shrink = true` under [references]"
            raise ReferenceRejected(lane.name, f"{words} are taken together; {way_out}")
        return tuple(carried)

    async def _one(self, lane: Lane, reference: str, among: int) -> Carried:
        rules = lane.able.references
        try:
            match rules.carrier_of(reference):
                case "link":
                    return Link(reference)
                case "inline":
                    return await self._larder.inline(reference, rules, among)
                case "part":
                    return await self._larder.attachment(reference, rules, among)
                case "upload":
                    image = await self._larder.attachment(reference, rules, among)
                    return await self._uploaded(lane, image)
        except Unusable as error:
            raise ReferenceRejected(lane.name, str(error)) from error

    # -- from an URL of the user's

    async def _fetch(self, url: str) -> bytes:
        """Return what an URL holds.

        Raises:
            Unusable: it cannot be had.
        """
        if (problem := problem_of_url(url)) is not None:
            # Planned by a version that did not look: the row has attempts already.
            raise Unusable(f"{shown(url)} {problem}")
        host = read_url(url).host
        if self._stand_in is not None and not is_loopback_host(host):
            self._run.progress.say_once(UNTRIED)
            return self._stand_in
        # What lies on this machine is not for a provider that is elsewhere.
        near = all(it.is_loopback for it in self._run.lanes.values())
        if (words := self._dead.get(url)) is not None:
            raise Unusable(words)
        tries = 0
        while True:
            try:
                blob = await self._run.wire.download(
                    "reference", url, from_loopback=near
                )
            except Retryable as error:
                drop_tracebacks(error)  # it would hold what came through the wait
                tries += 1
                if tries >= TRIES:
                    raise self._give_up(url, error) from error
                await anyio.sleep(wait_s(tries, error.retry_after_s, self._run.rng))
            except (AttemptError, SpecError) as error:
                raise self._give_up(url, error) from error
            else:
                return blob.data

    def _give_up(self, url: str, error: AttemptError | SpecError) -> Unusable:
        """Remember that an URL holds nothing: other rows of the run need not wait."""
        words = error.message if isinstance(error, AttemptError) else str(error)
        self._dead[url] = f"{shown(url)}: {words}"
        return Unusable(self._dead[url])

    # -- to a provider's store

    async def _uploaded(self, lane: Lane, image: Attachment) -> Link:
        turn = self._turns.setdefault((lane.name, image.name), _Turn())
        async with turn.lock:
            place, now = (lane.name, lane.endpoint.base_url), self._run.time.now()
            known = self._run.ledger.upload(*place, image.name, now)
            return Link(known) if known else await self._upload(lane, image)

    async def _upload(self, lane: Lane, image: Attachment) -> Link:
        provider, tries, counted = lane.provider, 0, 0
        if not isinstance(provider, UploadProvider):
            raise ReferenceRejected(lane.name, "it takes no uploads")
        while True:
            began = self._run.time.now()
            try:
                link = await self._send(lane, provider, image)
            except (Retryable, OutcomeUnknown) as error:
                drop_tracebacks(error)
                tries += 1
                counted += self._counts(lane, error, image)
                if counted >= TRIES:
                    raise _not_taken(error) from error
                await self._wait_out(lane, error, tries)
            except ProviderStopped:
                raise
            except AttemptError as error:
                raise _not_taken(error) from error
            else:
                lane.uploads.worked()
                await self._keep(lane, provider, image, link, began)
                return link

    @staticmethod
    def _counts(lane: Lane, error: AttemptError, image: Attachment) -> bool:
        """Say whether a failed upload says anything of its image."""
        if isinstance(error, Throttled | NotConnected):
            return False
        lane.uploads.failed(image.name)
        return not lane.uploads.excuses

    async def _wait_out(self, lane: Lane, error: AttemptError, tries: int) -> None:
        """Wait before the next try."""
        wait = wait_s(tries, error.retry_after_s, self._run.rng)
        if isinstance(error, Throttled | NotConnected):
            # Nothing was wrong with the image: it waits for the provider.
            if isinstance(error, NotConnected):
                heed_silence(self._run.progress, lane, error)
            if lane.stopped is not None:
                raise lane.stopped.with_traceback(None)
            wait = error.retry_after_s or SILENT_S
            lane.departures.pause(wait)
        await anyio.sleep(wait)

    async def _send(
        self, lane: Lane, provider: UploadProvider, image: Attachment
    ) -> Link:
        call = provider.encode_upload(image, lane.endpoint)
        reply = await self._run.wire.send(
            lane.name, call, reply_timeout_s=UPLOAD_TIMEOUT_S
        )
        return provider.decode_upload(reply)

    async def _keep(
        self,
        lane: Lane,
        provider: UploadProvider,
        image: Attachment,
        link: Link,
        began: int,
    ) -> None:
        good_until = began + int(provider.upload_life_s * SAFE_LIFE * 1e6)
        place = (lane.name, lane.endpoint.base_url)

        def step(ledger: Ledger) -> None:
            ledger.keep_upload(place, image.name, link.url, good_until)

        await self._run.writer.commit(step)
        self._run.log.info("uploaded", extra={"image": image.name})


class _Turn:
    """Whose turn it is to upload one image."""

    def __init__(self) -> None:
        self.lock = anyio.Lock()


def _raw_bytes(carried: Carried) -> int:
    size = size_of(carried)
    return size * 3 // 4 if isinstance(carried, Inline) else size


def _not_taken(error: AttemptError) -> ReferenceRejected:
    return ReferenceRejected(error.provider, f"upload not taken: {error.message}")
