from __future__ import annotations

from collections.abc import Iterator

import pytest

from batchgen.sandbox import SandboxProcess, start_sandbox
from tests.sandbox.buyer import Buyer, buyer_at


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with start_sandbox(tmp_path_factory.mktemp("sandbox"), latency=0) as running:
        yield running


@pytest.fixture
def aimlapi(sandbox: SandboxProcess) -> Iterator[Buyer]:
    with buyer_at(sandbox, "aimlapi") as buyer:
        yield buyer


@pytest.fixture
def foxapi(sandbox: SandboxProcess) -> Iterator[Buyer]:
    with buyer_at(sandbox, "foxapi") as buyer:
        yield buyer


@pytest.fixture(params=["aimlapi", "foxapi"])
def buyer(sandbox: SandboxProcess, request: pytest.FixtureRequest) -> Iterator[Buyer]:
    with buyer_at(sandbox, request.param) as buyer:
        yield buyer
