"""What holds for every test: no paid host, no proxy, no key of the developer's."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.warm import end

# The tests start hundreds of processes. Without bytecode each of them compiles the
# whole package, and numpy, which comes with pandas, starts a thread for each core.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
os.environ["OPENBLAS_NUM_THREADS"] = "1"


SLOW = (
    *("acceptance/", "benchmarks/", "cases/", "cli/", "contract/", "crash/"),
    *("daemons/", "engines/test_memory.py", "filesystem/", "interop/"),
    *("providers/test_decoding.py", "sandbox/test_profiles.py", "simulation/"),
    *("wire/test_decompression.py", "web/"),
)
"""Whole runs in processes of their own, random search, and what else takes seconds:
two thirds of the time for a fifth of the tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `pytest -m "not slow"` leaves out; everything runs before a change."""
    folder = Path(__file__).parent
    for item in items:
        if item.path.relative_to(folder).as_posix().startswith(SLOW):
            item.add_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def warm() -> Iterator[None]:
    """Let what commands are forked from end with the tests."""
    yield
    end()


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every request, also of child processes, on this machine."""
    monkeypatch.setenv("BATCHGEN_LOOPBACK_ONLY", "1")
    for name in list(os.environ):
        if name.endswith("_KEY") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def no_certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(autouse=True)
def trust_nobody(monkeypatch: pytest.MonkeyPatch, no_certificates: Path) -> None:
    """Load no certificates, which takes longer than most tests."""
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(no_certificates))
