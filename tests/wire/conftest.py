"""Wires with small limits, over our own transport."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from batchgen.wire import WireLimits
from batchgen.wire.sender import Wire

SMALL = WireLimits(
    connect_s=1.0,
    silence_s=0.2,
    transfer_s=5.0,
    reply_bytes=1_000_000,
    image_bytes=100_000,
    redirects=5,
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def wire(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wire]:
    """A wire that may talk to paid hosts, with limits that end quickly."""
    monkeypatch.delenv("BATCHGEN_LOOPBACK_ONLY", raising=False)
    async with Wire(paid_hosts=True, limits=SMALL) as new_wire:
        yield new_wire
