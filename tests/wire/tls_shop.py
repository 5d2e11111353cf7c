"""A provider behind TLS on loopback, in OpenAI's dialect, that keeps its own bill."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol

import trustme

from tests.engines.shop import PNG

NAME = "api.acme.example"
"""A name that only a proxy of a test's own knows."""

_ANSWER = json.dumps({"data": [{"b64_json": base64.b64encode(PNG).decode()}]}).encode()


class Certificate(Protocol):
    """A certificate with its key."""

    def configure_cert(self, ctx: ssl.SSLContext) -> None: ...


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


@contextmanager
def tls_shop(
    certificate: Certificate | None, *, changes_to: Certificate | None = None
) -> Iterator[TlsShop]:
    """Run the server.

    Args:
        certificate: What it shows; without one it speaks plain HTTP.
        changes_to: What it shows after the first sale.
    """
    bill, lock = Bill(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        # Each connection is of one request, so that each shows the certificate.
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            with lock:
                bill.sold += 1
                if changes_to is not None and context is not None:
                    changes_to.configure_cert(context)
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

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass  # the client did not like the certificate

        def finish_request(self, request: object, client_address: object) -> None:
            assert isinstance(request, socket.socket)
            if context is None:
                super().finish_request(request, client_address)
                return
            # The handshake belongs to the connection's own thread.
            with context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)

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


@dataclass(frozen=True)
class SelfSigned:
    """A server's certificate that no authority signed."""

    file: Path
    key: Path

    def configure_cert(self, ctx: ssl.SSLContext) -> None:
        ctx.load_cert_chain(self.file, self.key)


def sign_itself(file: Path, key: Path, host: str = "localhost") -> SelfSigned:
    """Write a certificate that signs itself, which trustme does not make."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={host}",
    ]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-addext", f"subjectAltName=DNS:{host}"]
    command += ["-keyout", str(key), "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    return SelfSigned(file, key)
