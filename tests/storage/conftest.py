from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchgen.ledger import Ledger
from tests.ledger.books import new_ledger


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = new_ledger(tmp_path)
    yield opened
    opened.close()
