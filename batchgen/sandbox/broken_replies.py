"""Replies that break off: the connection closes before or within them."""

from __future__ import annotations

from typing import Any, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol


class Line(Protocol):
    """What is needed of the connection under a request."""

    def abort(self) -> None: ...

    def close(self) -> None: ...


class OpenHttp(H11Protocol):
    """HTTP that lets a reply reach the connection under it, as `state["line"]`."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        line: Line = transport
        self.app_state = {**self.app_state, "line": line}


class LostReply(Response):
    """Close the connection without a reply."""

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        scope["state"]["line"].abort()
        await _see_the_end(receive)


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
        scope["state"]["line"].close()
        await _see_the_end(receive)


async def _see_the_end(receive: Receive) -> None:
    """Wait until the server knows, else it would add a reply of its own."""
    while (await receive())["type"] != "http.disconnect":
        pass
