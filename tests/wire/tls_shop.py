"""A provider behind TLS on loopback, in OpenAI's dialect, that keeps its own bill."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import trustme

from tests.fake_provider.http import Answer, Request
from tests.fake_provider.server import serve_in_threads
from tests.runs.shop import PNG

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
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
    seller = _Seller(context, changes_to)
    with serve_in_threads(seller, context):
        port = urlsplit(seller.url).port
        assert port is not None
        yield TlsShop(port, seller.bill, context)


@dataclass
class _Seller:
    """Sells an image for each POST."""

    context: ssl.SSLContext | None
    changes_to: Certificate | None
    bill: Bill = field(default_factory=Bill)
    url: str = ""

    def answer(self, request: Request) -> Answer:
        self.bill.requests.append(f"{request.method} {request.path}")
        if request.method == "GET":
            return Answer(200, PNG, {"content-type": "image/png"})
        self.bill.sold += 1
        if self.changes_to is not None and self.context is not None:
            self.changes_to.configure_cert(self.context)
        return Answer(200, _ANSWER, {"content-type": "application/json"})

    def encode(self, request: Request, answer: Answer) -> bytes:
        return answer.encode()


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
