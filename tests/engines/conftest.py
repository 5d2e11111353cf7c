from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tenacity import wait_exponential

from batchgen.runner import decide
from tests.engines.desk import Desk
from tests.engines.shop import Shop, open_shop


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def quick_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let waits between tries be short, and keep their order."""
    backoff = wait_exponential(multiplier=0.005, exp_base=2, max=0.02)
    monkeypatch.setattr(decide, "_backoff", backoff)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with open_shop() as opened:
        yield opened


@pytest.fixture
def desk(tmp_path: Path, shop: Shop) -> Desk:
    found = Desk(tmp_path, shop)
    found.write("a cup")
    return found
