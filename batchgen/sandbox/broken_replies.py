"""Replies that break off: the connection closes before the reply, or in the middle."""

from __future__ import annotations

from typing import Any, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol


class Connection(Protocol):
    """The methods of a request's connection that are used here."""

    def abort(self) -> None: ...

    def close(self) -> None: ...


class ConnectionProtocol(H11Protocol):
    """HTTP/1.1 that gives a reply access to its connection: `state["connection"]`."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        connection: Connection = transport
        self.app_state = {**self.app_state, "connection": connection}


class LostReply(Response):
    """Close the connection without a reply."""

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        scope["state"]["connection"].abort()
        await _wait_for_disconnect(receive)


class CutReply(Response):
    """Send the head and half of the body, then close the connection."""

    @classmethod
    def of(cls, whole: Response) -> CutReply:
        """Return the first half of a reply, with the headers of the whole."""
        cut = cls(status_code=whole.status_code)
        cut.body = bytes(whole.body[: len(whole.body) // 2])
        cut.raw_headers = whole.raw_headers
        return cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(start)
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        # close(), unlike abort(), first sends all data that was written.
        scope["state"]["connection"].close()
        await _wait_for_disconnect(receive)


async def _wait_for_disconnect(receive: Receive) -> None:
    """Wait until the server notices, otherwise it would send an error reply."""
    while (await receive())["type"] != "http.disconnect":
        pass
