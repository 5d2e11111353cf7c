"""Follow a link to the bytes of its image."""

from __future__ import annotations

from functools import partial

import anyio
import httpx

from batchgen.decoding import decode_data_uri
from batchgen.errors import ImageRejected, Incomplete, LinkLost
from batchgen.model import Blob
from batchgen.wire.body import Admission
from batchgen.wire.faults import FOREIGN, download_error, no_image
from batchgen.wire.intake import ImageIntake
from batchgen.wire.line import Line
from batchgen.wire.memory import Lease
from batchgen.wire.network import Reach
from batchgen.wire.requests import build_download


async def download(
    line: Line, provider: str, url: str, lease: Lease, *, from_loopback: bool
) -> Blob:
    """Fetch the bytes of one image; see `Wire.download`."""
    if url[:5].lower() == "data:":
        return await _decode_data_uri(line, provider, url, lease)
    patience_s = line.limits.transfer_s
    with anyio.move_on_after(patience_s) as patience:
        admission = Admission(lease, patience)
        return await _follow(line, provider, url, admission, near=from_loopback)
    raise Incomplete(provider, f"the download took longer than {patience_s:g} s")


async def _follow(
    line: Line, provider: str, url: str, admission: Admission, *, near: bool
) -> Blob:
    host = "the link"
    try:
        target = httpx.URL(url)
        for _ in range(line.limits.redirects + 1):
            host = target.host
            reach = line.judge_link(target, from_loopback=near)
            found = await _fetch(line, provider, target, reach, admission)
            if isinstance(found, Blob):
                return found
            target = found
            # Who is out on the internet does not lead us back to our own machine.
            near = reach is Reach.LOOPBACK
    except FOREIGN as error:
        raise download_error(provider, host, error) from error
    raise LinkLost(
        provider, f"the link led through more than {line.limits.redirects} hops"
    )


async def _fetch(
    line: Line, provider: str, url: httpx.URL, reach: Reach, admission: Admission
) -> Blob | httpx.URL:
    """Return the image, or where the next hop is."""
    response = await line.open(build_download(url), reach, line.limits.silence_s)
    try:
        headers = dict(response.headers.items())
        if response.has_redirect_location:
            return url.join(headers["location"])
        if response.status_code != 200:
            raise no_image(provider, response)
        intake = ImageIntake()
        await line.read(response, headers, admission, intake, line.limits.image_bytes)
        return intake.image()
    finally:
        await response.aclose()


async def _decode_data_uri(line: Line, provider: str, uri: str, lease: Lease) -> Blob:
    # Base64 is a third larger than what it stands for.
    if len(uri) > line.limits.image_bytes * 3 // 2:
        raise ImageRejected(provider, "the data URI is too large")
    await lease.grow(len(uri))
    blob = await line.decode(partial(decode_data_uri, uri), len(uri))
    if blob is None:
        raise ImageRejected(provider, "the data URI cannot be decoded")
    return blob
