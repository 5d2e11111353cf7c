from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image

from batchgen.sandbox import SandboxProcess, start_sandbox
from tests.contract.customer import Customer
from tests.waits import shorten


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def quick_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)


class Banks:
    """One sandbox for many tests, until one of them leaves a fault behind."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._count = 0
        self.bank = self._open()

    def _open(self) -> SandboxProcess:
        self._count += 1
        state = self._folder / str(self._count)
        return self._stack.enter_context(start_sandbox(state, latency=0.0))

    def check_and_renew(self) -> None:
        queued = self.bank.faults()["queued"]
        if queued:
            self.bank = self._open()
        assert queued == [], "a fault was ordered that nothing met"


@pytest.fixture(scope="session")
def banks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Banks]:
    with ExitStack() as stack:
        yield Banks(tmp_path_factory.mktemp("banks"), stack)


@pytest.fixture
def bank(banks: Banks) -> Iterator[SandboxProcess]:
    yield banks.bank
    banks.check_and_renew()


@pytest.fixture
def customer(provider: str, bank: SandboxProcess, tmp_path: Path) -> Customer:
    """A customer of the provider that the test names."""
    return Customer(tmp_path, bank, provider)


@pytest.fixture
def sketch(tmp_path: Path) -> str:
    """A reference image beside the manifest."""
    Image.effect_noise((48, 32), 90).save(tmp_path / "sketch.png")
    return "sketch.png"
