from __future__ import annotations

import pytest

from tests.cli.conftest import sandbox, shop
from tests.filesystem.faults import FaultySystem, build

__all__ = ["sandbox", "shop"]


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> FaultySystem:
    return build(tmp_path_factory.mktemp("shim"))
