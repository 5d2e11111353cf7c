"""Follow a link to the bytes of its image."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from functools import partial

import anyio
import httpx

from batchgen.addresses import is_data_uri
from batchgen.addresses.url import join_url
from batchgen.decoding import decode_data_uri
from batchgen.errors import ImageRejected, Incomplete, LinkLost
from batchgen.model import Blob
from batchgen.tracebacks import drop_tracebacks
from batchgen.wire.body import Admission
from batchgen.wire.faults import FOREIGN, download_error, no_image
from batchgen.wire.intake import ImageIntake
from batchgen.wire.line import Line
from batchgen.wire.links import LinkSource, each_place, secure
from batchgen.wire.memory import Lease
from batchgen.wire.network import Reach
from batchgen.wire.requests import build_download

_WANTS_KEY = frozenset({401, 403})


async def download(
    line: Line,
    provider: str,
    url: str,
    lease: Lease,
    source: LinkSource | None,
    *,
    near: bool,
) -> Blob:
    """Fetch the bytes of one image; see `Wire.download`."""
    if is_data_uri(url):
        return await _decode_data_uri(line, provider, url, lease)
    patience_s = line.limits.transfer_s
    with anyio.move_on_after(patience_s) as patience:
        admission = Admission(lease, patience)
        follower = _Follower(line, provider, admission)
        return await _try_places(follower, url, source, near=near)
    raise Incomplete(provider, f"the download took longer than {patience_s:g} s")


async def _try_places(
    follower: _Follower, url: str, source: LinkSource | None, *, near: bool
) -> Blob:
    try:
        places = list(each_place(url, source))
    except FOREIGN as error:
        raise download_error(follower.provider, "the link", error) from error
    lost: LinkLost | None = None
    for place in places:
        try:
            return await follower.follow(place, source, near=near)
        except LinkLost as error:
            # What the first place says counts: the others are guesses.
            lost = lost or error
    raise lost or LinkLost(follower.provider, "the link names no place")


class _Follower:
    """Follows a link over its redirects, each of which is judged like a link."""

    def __init__(self, line: Line, provider: str, admission: Admission) -> None:
        self.provider = provider
        self._line = line
        self._admission = admission

    async def follow(
        self, url: httpx.URL, source: LinkSource | None, *, near: bool
    ) -> Blob:
        host = "the link"
        keys: Mapping[str, str] = {} if source is None else source.key_headers
        try:
            for _ in range(self._line.limits.redirects + 1):
                url = secure(url, source, near=near)
                host = url.host
                reach = self._line.judge_link(url, source, near=near)
                is_own = source is not None and source.owns_origin(url)
                found = await self._fetch(url, reach, keys if is_own else {})
                if isinstance(found, Blob):
                    return found
                url = found
                # Who is out on the internet does not lead us back to our own machine,
                # nor to the provider's network; and no redirect leads to the key.
                near = reach is Reach.LOOPBACK
                source = None if reach is Reach.PUBLIC else source
                keys = {}
        except FOREIGN as error:
            drop_tracebacks(error)
            raise download_error(self.provider, host, error) from error
        hops = self._line.limits.redirects
        raise LinkLost(self.provider, f"the link led through more than {hops} hops")

    async def _fetch(
        self, url: httpx.URL, reach: Reach, key_headers: Mapping[str, str]
    ) -> Blob | httpx.URL:
        """Return the image, or where the next hop is.

        Args:
            url: The link, or a hop.
            reach: The addresses that it may be sent to.
            key_headers: What is sent once more where the answer asks for a key.
        """
        response = await self._open(url, reach, {})
        try:
            if response.status_code in _WANTS_KEY and key_headers:
                await response.aclose()
                response = await self._open(url, reach, key_headers)
                if response.has_redirect_location:
                    words = "with the key, the link leads elsewhere: not followed"
                    raise LinkLost(self.provider, words)
            headers = dict(response.headers.items())
            if response.has_redirect_location:
                return join_url(url, headers["location"])
            if response.status_code != 200:
                raise no_image(self.provider, response)
            limit = self._line.limits.image_bytes
            with closing(ImageIntake()) as intake:
                await self._line.read(response, headers, self._admission, intake, limit)
                return intake.image()
        finally:
            await response.aclose()

    async def _open(
        self, url: httpx.URL, reach: Reach, headers: Mapping[str, str]
    ) -> httpx.Response:
        request = build_download(url, headers)
        return await self._line.open(request, reach, self._line.limits.silence_s)


async def _decode_data_uri(line: Line, provider: str, uri: str, lease: Lease) -> Blob:
    # Base64 is a third larger than what it stands for.
    if len(uri) > line.limits.image_bytes * 3 // 2:
        raise _rejected(provider, "the data URI is too large")
    await lease.grow(len(uri))
    blob = await line.decode(partial(decode_data_uri, uri), len(uri))
    if blob is None:
        raise _rejected(provider, "the data URI cannot be decoded")
    return blob


def _rejected(provider: str, words: str) -> ImageRejected:
    error = ImageRejected(provider, words)
    error.is_final = True
    return error
