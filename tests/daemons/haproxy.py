"""HAProxy before a server of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.daemons import daemon, free_port, program

CONFIGURATION = """
global
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  timeout queue {queue_timeout}
frontend front
  bind 127.0.0.1:{port}
  {frontend}
  default_backend back
backend back
  server one 127.0.0.1:{upstream} maxconn {maxconn} {server}
"""


@contextmanager
def haproxy(
    folder: Path,
    upstream: int,
    *,
    maxconn: int,
    queue_timeout: str = "50ms",
    frontend: str = "",
    server: str = "",
) -> Iterator[int]:
    """Run HAProxy as a gateway; yields its port.

    Args:
        folder: An empty folder for configuration and logs.
        upstream: Port of loopback that requests are passed to.
        maxconn: Requests that are passed on at a time; others wait in the queue.
        queue_timeout: How long before HAProxy answers those with its page and 503.
        frontend: More lines of the frontend, as of `http-request deny`.
        server: More words of the server line.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    path = folder / "haproxy.cfg"
    path.write_text(
        CONFIGURATION.format(
            port=port,
            upstream=upstream,
            maxconn=maxconn,
            queue_timeout=queue_timeout,
            frontend=frontend,
            server=server,
        )
    )
    command = [program("haproxy"), "-f", str(path), "-db"]
    with daemon(command, port, folder / "output.log"):
        yield port
