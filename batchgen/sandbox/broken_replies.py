"""Replies that break off: the connection closes before or within them."""

from __future__ import annotations

from typing import Any, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol


class Connection(Protocol):
    """What is needed of the connection under a request."""

    def abort(self) -> None: ...

    def close(self) -> None: ...


class ConnectionProtocol(H11Protocol):
    """HTTP that lets a reply reach the connection under it, as `state["connection"]`."""

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
    """Send head and half of a body, then close the connection."""

    @classmethod
    def of(cls, whole: Response) -> CutReply:
        """Return the first half of a reply, with the headers of all of it."""
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
        # Closing, unlike aborting, lets what was written go out first.
        scope["state"]["connection"].close()
        await _wait_for_disconnect(receive)


async def _wait_for_disconnect(receive: Receive) -> None:
    """Wait until the server knows, else it would add a reply of its own."""
    while (await receive())["type"] != "http.disconnect":
        pass
