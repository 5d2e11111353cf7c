from __future__ import annotations

import pytest

from tests.ledger.conftest import ledger

__all__ = ["anyio_backend", "ledger"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
