"""Types of the settings that state the address of a provider."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from batchgen.addresses import holds_login
from batchgen.addresses import shown as shown_address
from batchgen.job.declaration import ValueType
from batchgen.job.values import read_text, value_text

_KEYS = "a key stands in its variable alone (`batchgen providers` names it)"

# No host and no query: an endpoint must not send the key to another host.
_ENDPOINT = re.compile(r"(/[\w.~%!$&'()*+,;=:@-]+)+/?|[\w-]+", re.ASCII)


def _read_base_url(value: object) -> str:
    """Read an address; whether requests may go there is checked when they are sent.

    Messages leave out what may be a secret: user, password, and what follows `?`.
    """
    address = read_text(value).strip()
    plain = re.split("[?#]", address)[0]
    # Neither is repeated whole before this check: it may hold a secret.
    if holds_login(address) or "@" in address[len(plain) :]:
        raise ValueError(f"take the user or password out of the address; {_KEYS}")
    if plain != address:
        raise ValueError(
            f"{plain[:200]!r} is followed by a `?` or `#`: write the address without "
            f"what follows; {_KEYS}"
        )
    if "://" not in address and re.match(r"[\w-]+(\.[\w-]+)+([:/]|$)", address):
        raise ValueError(
            f"{value_text(address)} is no whole address: write https://{address}"
        )
    if not _is_whole(address):
        raise ValueError(
            f"{value_text(address)} is not an https:// address, such as "
            "https://api.example.com"
        )
    # Imported here: it loads httpx, and few settings are addresses.
    from batchgen.addresses.url import problem_of_url

    if (problem := problem_of_url(address)) is not None:
        raise ValueError(f"{shown_address(address)} {problem}")
    return address.rstrip("/")


def _is_whole(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:  # such as one bracket without the other
        return False


def _read_endpoint(value: object) -> str:
    """Read a path below the base URL, or a word that stands for one."""
    path = read_text(value).strip()
    if _ENDPOINT.fullmatch(path) is None:
        raise ValueError(
            f"{value_text(value)} is neither a path that begins with / nor a word (an "
            "address goes to `base_url`)"
        )
    return path


BASE_URL = ValueType(
    _read_base_url, {"type": "string", "pattern": r"^\s*https?://[^?#]+$"}, "URL"
)
ENDPOINT = ValueType(
    _read_endpoint,
    {"type": "string", "pattern": rf"^\s*({_ENDPOINT.pattern})\s*$"},
    "path or word",
)
