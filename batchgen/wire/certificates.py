"""Which certificates are trusted: those of this computer, or of environment variables.

As with curl and requests, the variables replace the computer's own list. Several
variables add up, so users need not know an order among them.
"""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from batchgen.errors import SpecError

FILE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that name a file with certificates: of OpenSSL, requests and curl."""

FOLDER_VARIABLE = "SSL_CERT_DIR"

_SYSTEM_FILES = (
    "/etc/ssl/cert.pem",  # macOS, Alpine, Arch, Fedora, BSD
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # newer Fedora
    "/etc/pki/tls/cert.pem",  # RHEL, CentOS
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu
    "/etc/ssl/ca-bundle.pem",  # SUSE
)
"""Lists of several systems. A Python built on another system does not know the path."""

_PEM_START = b"-----BEGIN "
_MAX_FILE_BYTES = 64 * 1024 * 1024
"""The list of a whole system has 0.2 MB."""


@dataclass(frozen=True, slots=True)
class CertificateSource:
    """Certificates that the environment names.

    Attributes:
        variables: The environment variables with this path.
        path: The value of the variables, which may list several folders.
        is_folder: Whether the path is a folder, with files named by their hash.
    """

    variables: tuple[str, ...]
    path: str
    is_folder: bool

    @property
    def names(self) -> str:
        """The variables, as messages name them."""
        return " and ".join(self.variables)


def certificate_sources() -> list[CertificateSource]:
    """Return the sources in the environment; if none, this computer's list counts."""
    sources: dict[tuple[str, bool], tuple[str, ...]] = {}
    for variable in (*FILE_VARIABLES, FOLDER_VARIABLE):
        if path := os.environ.get(variable):
            is_folder = variable == FOLDER_VARIABLE or _is_folder_too(variable, path)
            key = path, is_folder
            sources[key] = (*sources.get(key, ()), variable)
    return [
        CertificateSource(variables, path, is_folder)
        for (path, is_folder), variables in sources.items()
    ]


def _is_folder_too(variable: str, path: str) -> bool:
    # requests and curl accept a folder, too; OpenSSL has another variable for folders.
    return variable != FILE_VARIABLES[0] and os.path.isdir(path)  # noqa: PTH112 - a NUL in the path is no folder


def create_tls_context() -> ssl.SSLContext:
    """Return the context that checks the certificates of servers.

    Raises:
        SpecError: the path in a variable cannot be used.
    """
    sources = certificate_sources()
    for source in sources:
        if (problem := _problem_of(source)) is not None:
            raise SpecError(_unusable(source, problem))
    context = _context_of_sources(sources) if sources else _system_context()
    # As curl: any chain that ends in a trusted certificate is accepted. Python 3.13
    # refuses the authorities of many companies, because a field is missing.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["http/1.1"])
    return context


def describe_trusted() -> str:
    """Return which certificates are trusted, for a message."""
    sources = certificate_sources()
    if not sources:
        return f"this computer's own list ({FILE_VARIABLES[0]} names another)"
    return " and ".join(
        f"those in {source.path} ({', '.join(source.variables)})" for source in sources
    )


def _context_of_sources(sources: list[CertificateSource]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for source in sources:
        try:
            if source.is_folder:
                context.load_verify_locations(capath=source.path)
            else:
                context.load_verify_locations(cafile=source.path)
        except (OSError, ValueError) as error:  # SSLError is an OSError
            problem = "holds a certificate that cannot be read"
            raise SpecError(_unusable(source, problem)) from error
    return context


def _system_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    if context.cert_store_stats()["x509"] or _has_hashed_files():
        return context
    for path in _SYSTEM_FILES:
        if Path(path).is_file():
            return ssl.create_default_context(cafile=path)
    # The system has no list, as in a small container: take the list of httpx.
    return httpx.create_ssl_context(trust_env=False)


def _has_hashed_files() -> bool:
    """Return whether OpenSSL's own folder holds certificates, which it reads later."""
    folder = ssl.get_default_verify_paths().capath
    return folder is not None and any(Path(folder).glob("*.[0-9]"))


# -- unusable sources


def _unusable(source: CertificateSource, problem: str) -> str:
    expected = (
        "a folder of certificates that `openssl rehash` has prepared"
        if source.is_folder
        else "a PEM file with certificates"
    )
    verb, them = ("names", "it") if len(source.variables) == 1 else ("name", "them")
    return (
        f"{source.names} {verb} {source.path}, which {problem}: set {them} to the path "
        f"of {expected}, or unset {them}. Nothing was sent"
    )


def _problem_of(source: CertificateSource) -> str | None:
    try:
        if source.is_folder:
            return _problem_of_folders(source.path)
        return _problem_of_file(Path(source.path))
    except FileNotFoundError:
        return "is not there"
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return f"cannot be read ({reason})"


def _problem_of_folders(paths: str) -> str | None:
    """Return why none of the folders can be used; one usable folder is enough."""
    problems = list(_problems_of_folders(paths))
    return problems[0] if len(problems) == paths.count(os.pathsep) + 1 else None


def _problems_of_folders(paths: str) -> Iterator[str]:
    for path in paths.split(os.pathsep):
        try:
            os.listdir(path)  # noqa: PTH208 - an empty name is no folder here
        except FileNotFoundError:
            yield "is not there"
        except NotADirectoryError:
            yield "is no folder"
        except OSError as error:
            yield f"cannot be read ({error.strerror})"


def _problem_of_file(path: Path) -> str | None:
    kind = path.stat().st_mode
    if stat.S_ISDIR(kind):
        return f"is a folder (folders are named by {FOLDER_VARIABLE})"
    if not stat.S_ISREG(kind):
        return "is no file"
    with path.open("rb") as file:
        content = file.read(_MAX_FILE_BYTES)
    if not content.strip():
        return "is empty"
    if _PEM_START not in content:
        if content[:1] == b"\x30":  # the first byte of DER
            return (
                "is no PEM file, perhaps a DER file (openssl x509 -inform der -in "
                "FILE -out ca.pem makes it one)"
            )
        return "is no PEM file"
    has_certificate = b"CERTIFICATE-----" in content
    return None if has_certificate else "holds no certificate"
