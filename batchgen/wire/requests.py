"""Build requests: what is sent, and nothing that a client would add by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping

import httpx

from batchgen.errors import CredentialRejected, RequestInvalid
from batchgen.model import Call

# Asking for no encoding keeps a body from unfolding beyond its limit.
_COMMON_HEADERS = {"accept-encoding": "identity", "user-agent": "batchgen"}


def build_purchase(provider: str, call: Call) -> httpx.Request:
    """Return the request of a call, built without a client and its own headers.

    Raises:
        CredentialRejected: the key cannot stand in a header.
        RequestInvalid: the URL is none.
    """
    _check_headers(provider, call.headers)
    headers = _COMMON_HEADERS | {"accept": "application/json, image/*;q=0.9"}
    content = None
    if call.json is not None:
        headers["content-type"] = "application/json"
        content = _encode(call.json)
    try:
        url = httpx.URL(call.url)
    except httpx.InvalidURL as error:
        raise RequestInvalid(provider, f"the URL cannot be used: {error}") from error
    return httpx.Request(
        call.method, url, headers=headers | dict(call.headers), content=content
    )


def _check_headers(provider: str, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise CredentialRejected(
                provider,
                f"the header {name} would hold a line break or a character that HTTP "
                "does not allow; check the key variable",
            )


def _encode(document: Mapping[str, object]) -> bytes:
    return json.dumps(dict(document), separators=(",", ":"), allow_nan=False).encode()


def build_download(url: httpx.URL) -> httpx.Request:
    """Return the request of an image: no key, no cookie, no provider header."""
    headers = _COMMON_HEADERS | {"accept": "image/*,*/*;q=0.5"}
    return httpx.Request("GET", url, headers=headers)
