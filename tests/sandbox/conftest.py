from __future__ import annotations

from collections.abc import Iterator

import pytest

from batchgen.sandbox import SandboxProcess, start_sandbox
from batchgen.sandbox.services import SERVICES
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


@pytest.fixture
def apiai(sandbox: SandboxProcess) -> Iterator[Buyer]:
    with buyer_at(sandbox, "apiai") as buyer:
        yield buyer


@pytest.fixture
def nanobananaapi(sandbox: SandboxProcess) -> Iterator[Buyer]:
    with buyer_at(sandbox, "nanobananaapi") as buyer:
        yield buyer


@pytest.fixture
def openai(sandbox: SandboxProcess) -> Iterator[Buyer]:
    with buyer_at(sandbox, "openai") as buyer:
        yield buyer


@pytest.fixture(params=list(SERVICES))
def anyone(sandbox: SandboxProcess, request: pytest.FixtureRequest) -> Iterator[Buyer]:
    with buyer_at(sandbox, request.param) as buyer:
        yield buyer


@pytest.fixture(params=["aimlapi", "foxapi", "nanobananaapi", "openai"])
def buyer(sandbox: SandboxProcess, request: pytest.FixtureRequest) -> Iterator[Buyer]:
    with buyer_at(sandbox, request.param) as buyer:
        yield buyer
