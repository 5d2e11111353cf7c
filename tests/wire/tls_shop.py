"""A provider behind TLS on loopback, in OpenAI's dialect, that keeps its own bill."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme

from tests.engines.shop import PNG

NAME = "api.acme.example"
"""A name that only a proxy of a test's own knows."""

_ANSWER = json.dumps(
    {"data": [{"b64_json": base64.b64encode(PNG).decode()}]}
).encode()


@dataclass
class Bill:
    """What was bought, and what the server was asked for besides."""

    sold: int = 0
    requests: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class TlsShop:
    """A server that sells an image for each POST."""

    port: int
    bill: Bill
    context: ssl.SSLContext | None

    def at(self, host: str) -> str:
        scheme = "http" if self.context is None else "https"
        return f"{scheme}://{host}:{self.port}/v1"

    def show(self, certificate: trustme.LeafCert) -> None:
        """Show another certificate from the next connection on."""
        assert self.context is not None
        certificate.configure_cert(self.context)


@contextmanager
def tls_shop(certificate: trustme.LeafCert | None) -> Iterator[TlsShop]:
    """Run the server; without a certificate it speaks plain HTTP."""
    bill, lock = Bill(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        # Each connection is of one request, so that each shows the certificate.
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            with lock:
                bill.sold += 1
            self._answer(_ANSWER, "application/json")

        def do_GET(self) -> None:
            self._answer(PNG, "image/png")

        def _answer(self, body: bytes, kind: str) -> None:
            with lock:
                bill.requests.append(f"{self.command} {self.path}")
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # the client did not like the certificate

        def finish_request(self, request: object, client_address: object) -> None:
            # The handshake belongs to the connection's own thread.
            if context is not None:
                request = context.wrap_socket(request, server_side=True)  # type: ignore[arg-type]
            super().finish_request(request, client_address)  # type: ignore[arg-type]

    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield TlsShop(server.server_port, bill, context)
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Authority:
    """One that signs certificates; `file` is what SSL_CERT_FILE may name."""

    ca: trustme.CA
    file: Path

    def certify(self, *names: str) -> trustme.LeafCert:
        return self.ca.issue_cert(*names)

    def expired(self, *names: str) -> trustme.LeafCert:
        yesterday = datetime.now(UTC) - timedelta(days=1)
        return self.ca.issue_cert(
            *names, not_before=yesterday - timedelta(days=9), not_after=yesterday
        )

    def not_yet_valid(self, *names: str) -> trustme.LeafCert:
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        return self.ca.issue_cert(
            *names, not_before=tomorrow, not_after=tomorrow + timedelta(days=9)
        )


def found_authority(folder: Path) -> Authority:
    """Return a new authority; its certificate is written to the folder."""
    ca = trustme.CA()
    folder.mkdir(exist_ok=True)
    ca.cert_pem.write_to_path(str(folder / "authority.pem"))
    return Authority(ca, folder / "authority.pem")
