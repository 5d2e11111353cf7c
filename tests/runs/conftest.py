from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.runs.desk import Desk
from tests.runs.shop import Shop, open_shop
from tests.waits import shorten


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def quick_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with open_shop() as opened:
        yield opened


@pytest.fixture
def desk(tmp_path: Path, shop: Shop) -> Desk:
    desk = Desk(tmp_path, shop)
    desk.write("a cup")
    return desk
