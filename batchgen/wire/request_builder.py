"""Build requests without a client, which would add headers of its own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import httpx

from batchgen.addresses.url import read_url
from batchgen.errors import CredentialRejected, RequestInvalid
from batchgen.model import Call
from batchgen.wire.request_body import RequestBody, body_of

# Without compression, a body cannot grow beyond its limit after it has arrived.
_COMMON_HEADERS = {"accept-encoding": "identity", "user-agent": "batchgen"}

# With a stream as its body, httpx adds no headers; a GET needs none.
_NO_BODY = RequestBody([])


def build_purchase(provider: str, call: Call) -> httpx.Request:
    """Return the request of a call.

    Raises:
        CredentialRejected: the key cannot be written in a header.
        RequestInvalid: the URL is not valid.
    """
    _check_headers(provider, call.headers)
    headers = _COMMON_HEADERS | {"accept": "application/json, image/*;q=0.9"}
    content_type, body = body_of(call)
    if body is not None:
        headers |= {"content-type": content_type, "content-length": f"{body.size}"}
    try:
        url = _read_url(call.url)
    except httpx.InvalidURL as error:
        raise RequestInvalid(provider, f"the URL cannot be used: {error}") from error
    # httpx sets the host only for bodies of bytes.
    headers["host"] = url.netloc.decode()
    stream = _NO_BODY if body is None and call.method == "GET" else body
    return httpx.Request(
        call.method, url, headers=headers | dict(call.headers), stream=stream
    )


@lru_cache(maxsize=1024)
def _read_url(text: str) -> httpx.URL:
    # Most purchases go to the same URL, and httpx parses URLs slowly.
    url = read_url(text)
    if not url.host:
        raise httpx.InvalidURL("it has no host")
    return url


def _check_headers(provider: str, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise CredentialRejected(
                provider,
                f"the header {name} would hold a line break or a character that HTTP "
                "does not allow; check the key variable",
            )


def build_download(
    url: httpx.URL, key_headers: Mapping[str, str] = MappingProxyType({})
) -> httpx.Request:
    """Return the request of an image: no cookie, and no key except `key_headers`."""
    headers = {
        **key_headers,
        **_COMMON_HEADERS,
        "accept": "image/*,*/*;q=0.5",
        "host": url.netloc.decode(),
    }
    return httpx.Request("GET", url, headers=headers, stream=_NO_BODY)
