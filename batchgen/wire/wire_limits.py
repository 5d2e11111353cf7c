"""When an exchange is given up: limits of time and size."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WireLimits:
    """When an exchange is given up.

    Attributes:
        connect_s: Name, connection and TLS together.
        silence_s: Between two chunks of a body.
        transfer_s: For all bytes of one exchange, besides the wait for the reply.
        reply_bytes: A 4K image is up to 20 MB, 27 MB as base64: room for four.
        image_bytes: Size of one downloaded image.
        redirects: Hops from a link to its image.
    """

    connect_s: float = 15.0
    silence_s: float = 60.0
    transfer_s: float = 600.0
    reply_bytes: int = 128 * 1024 * 1024
    image_bytes: int = 64 * 1024 * 1024
    redirects: int = 5


DEFAULT_LIMITS = WireLimits()
