"""A server on loopback that speaks TLS, with a certificate that nobody knows yet."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.wire.server import Peer, Script

NAMES = ("api.acme.example", "cdn.example")


@dataclass(frozen=True)
class Certificate:
    """One that signs itself, for the names above.

    Attributes:
        file: What SSL_CERT_FILE may name.
        folder: What SSL_CERT_DIR may name.
    """

    file: Path
    folder: Path
    key: Path

    def over_tls(self, script: Script) -> Script:
        """Play a script behind a handshake; without one, the connection ends."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)

        def secured(peer: Peer) -> None:
            with context.wrap_socket(peer.socket, server_side=True) as wrapped:
                script(Peer(wrapped, peer.stopped, peer.requests))

        return secured


def certify(folder: Path) -> Certificate:
    """Write a certificate and its key."""
    certificate = Certificate(
        folder / "ca.pem", folder / "certificates", folder / "key.pem"
    )
    names = ",".join(f"DNS:{name}" for name in NAMES)
    _openssl(
        *("req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=acme"),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-addext", f"subjectAltName={names}"),
        *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
        *("-keyout", str(certificate.key), "-out", str(certificate.file)),
    )
    # How OpenSSL looks a certificate up in a folder.
    digest = _openssl("x509", "-hash", "-noout", "-in", str(certificate.file)).strip()
    certificate.folder.mkdir()
    (certificate.folder / f"{digest}.0").write_bytes(certificate.file.read_bytes())
    return certificate


def _openssl(*words: str) -> str:
    done = subprocess.run(
        ["openssl", *words], check=True, capture_output=True, text=True
    )
    return done.stdout
