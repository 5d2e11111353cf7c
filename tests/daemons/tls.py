"""HAProxy as what speaks TLS for a server of a test's own, passing bytes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.daemons import daemon, free_port, program

CONFIGURATION = """
global
  maxconn 256
defaults
  mode tcp
  timeout connect 5s
  timeout client 300s
  timeout server 300s
frontend front
  bind 127.0.0.1:{port} ssl crt {certificate}
  default_backend back
backend back
  server one 127.0.0.1:{upstream}
"""


@contextmanager
def tls_before(folder: Path, upstream: int, certificate: Path) -> Iterator[int]:
    """Run HAProxy before a port of loopback; yields its own port.

    Args:
        folder: An empty folder for configuration and logs.
        upstream: Port of loopback that connections are passed to.
        certificate: PEM file with a key and its chain of certificates.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    path = folder / "haproxy.cfg"
    path.write_text(
        CONFIGURATION.format(port=port, upstream=upstream, certificate=certificate)
    )
    command = [program("haproxy"), "-f", str(path), "-db"]
    with daemon(command, port, folder / "output.log"):
        yield port
