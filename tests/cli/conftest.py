from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchgen.sandbox import SandboxProcess, start_sandbox
from tests.cli.command import Shop


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with start_sandbox(tmp_path_factory.mktemp("sandbox"), latency=0) as running:
        yield running


@pytest.fixture
def shop(sandbox: SandboxProcess, tmp_path: Path) -> Shop:
    return Shop(sandbox, tmp_path)


@pytest.fixture
def fox(sandbox: SandboxProcess, tmp_path: Path) -> Shop:
    return Shop(sandbox, tmp_path, "foxapi")


@pytest.fixture
def finished_shop(shop: Shop) -> Shop:
    """Return a shop where three rows were bought, and all of them succeeded."""
    shop.catalogue(3)
    assert shop.run("m.csv", "--yes", "--quiet").code == 0
    return shop
