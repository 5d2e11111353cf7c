"""What a failed exchange means: here alone, httpx's errors become batchgen's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import httpx

from batchgen.errors import (
    AttemptError,
    CertificateRejected,
    ImageRejected,
    Incomplete,
    LinkLost,
    NotConnected,
    OutcomeUnknown,
    ProxyRejected,
    SpecError,
)
from batchgen.providers._reply_waits import retry_after_s
from batchgen.wire.address_scope import AddressForbidden
from batchgen.wire.connect_errors import CertificateUntrusted, ProxyRefused
from batchgen.wire.sockets import NoSocket

_GONE = frozenset({401, 403, 404, 410})
_TEMPORARY = frozenset({408, 425, 429})

MAX_WAIT_S = 300.0
"""Longest pause before a download is tried again, even where the host asks for more:
links expire, and a download costs nothing [assumed]."""

_NO_CONNECTION = re.compile(r"Cannot connect to host \S+ ssl:\S+ \[(.+)\]")
"""A message of aiohttp whose host batchgen's own message names already."""

MAX_MESSAGE_LENGTH = 200
"""Characters of a library's message that are shown to a person."""


class TooLarge(httpx.ReadError):
    """The body is larger than anything that batchgen would store."""


HTTPX_ERRORS = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.CookieConflict,
    httpx.StreamError,
)
"""Everything that an httpx client may raise."""

MAY_HAVE_BEEN_SENT: Mapping[type[Exception], bool] = MappingProxyType(
    {
        httpx.ConnectError: False,
        httpx.ConnectTimeout: False,
        httpx.PoolTimeout: False,
        httpx.ProxyError: False,
        httpx.UnsupportedProtocol: False,
        httpx.InvalidURL: False,
        # An error that does not rule out a sent request may mean a purchase.
        httpx.HTTPError: True,
        httpx.HTTPStatusError: True,
        httpx.RequestError: True,
        httpx.DecodingError: True,
        httpx.TooManyRedirects: True,
        httpx.TransportError: True,
        httpx.TimeoutException: True,
        httpx.ReadTimeout: True,
        httpx.WriteTimeout: True,
        httpx.NetworkError: True,
        httpx.ReadError: True,
        httpx.WriteError: True,
        httpx.CloseError: True,
        httpx.ProtocolError: True,
        httpx.LocalProtocolError: True,
        httpx.RemoteProtocolError: True,
        httpx.CookieConflict: True,
        httpx.StreamError: True,
        httpx.StreamConsumed: True,
        httpx.StreamClosed: True,
        httpx.ResponseNotRead: True,
        httpx.RequestNotRead: True,
    }
)
"""Whether a request may have been sent when this was raised."""


def may_have_been_sent(error: Exception) -> bool:
    """Return whether the request may have been sent; True for unlisted errors."""
    outcomes = (
        MAY_HAVE_BEEN_SENT[kind]
        for kind in type(error).__mro__
        if kind in MAY_HAVE_BEEN_SENT
    )
    return next(outcomes, True)


def purchase_error(
    provider: str, host: str, error: Exception
) -> AttemptError | SpecError:
    """Return what a failed call means: not sent, or outcome unknown.

    An untrusted certificate, or a proxy that refuses, has an error of its own: unlike
    an outage it does not end by waiting.
    """
    match error:
        case AddressForbidden():
            return SpecError(f"base URL of {provider}: {error}; nothing was sent")
        case CertificateUntrusted():
            return CertificateRejected(provider, str(error))
        case ProxyRefused():
            return ProxyRejected(provider, str(error))
        case _:
            pass
    if may_have_been_sent(error):
        return OutcomeUnknown(
            provider, f"no usable reply from {host}: {_message(error)}"
        )
    attempt_error = NotConnected(
        provider, f"no connection to {host}: {_message(error)}"
    )
    attempt_error.lacks_socket = isinstance(error, NoSocket)
    return attempt_error


def download_error(provider: str, host: str, error: Exception) -> AttemptError:
    """Return what a failed download means; to try again costs nothing."""
    text = f"download from {host}: {_message(error)}"
    attempt_error: LinkLost | ImageRejected
    match error:
        case AddressForbidden() | httpx.UnsupportedProtocol() | httpx.InvalidURL():
            reason = " ".join(str(error).split())[:MAX_MESSAGE_LENGTH]
            attempt_error = LinkLost(provider, f"the link cannot be followed: {reason}")
        case TooLarge():
            attempt_error = ImageRejected(provider, text)
        case _:
            incomplete = Incomplete(provider, text)
            incomplete.connection = _connection(error)
            return incomplete
    attempt_error.is_final = True
    return attempt_error


def _connection(error: Exception) -> Literal["made", "refused", "failed"]:
    """Return the state of the connection of a failed exchange."""
    if may_have_been_sent(error):
        return "made"
    cause: BaseException | None = error
    while cause is not None and not isinstance(error, httpx.ProxyError):
        if isinstance(cause, ConnectionRefusedError):
            return "refused"
        os_error = getattr(cause, "os_error", None)  # an attribute of aiohttp's errors
        if isinstance(os_error, ConnectionRefusedError):
            return "refused"
        cause = cause.__cause__ or cause.__context__
    return "failed"


def error_of_status(provider: str, response: httpx.Response) -> AttemptError:
    """Return what a status other than 200 means for a download."""
    status = response.status_code
    text = f"download from {response.request.url.host}: status {status}"
    if status in _GONE or (400 <= status < 500 and status not in _TEMPORARY):
        return LinkLost(provider, text)
    wait_s = min(retry_after_s(dict(response.headers)) or 0.0, MAX_WAIT_S)
    error = Incomplete(provider, text, retry_after_s=wait_s or None)
    error.was_answered = True
    return error


def _message(error: Exception) -> str:
    # Some errors quote, over several lines, all that they could not read.
    text = " ".join(str(error).split())
    if match := _NO_CONNECTION.fullmatch(text):
        text = match[1]
    if isinstance(error, CertificateUntrusted | ProxyRefused):
        return text  # batchgen's own message; its end says what to do
    return text[:MAX_MESSAGE_LENGTH] or type(error).__name__
