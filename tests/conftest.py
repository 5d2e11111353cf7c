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
    *("daemons/", "filesystem/", "interop/", "scarce/", "simulation/"),
    *(f"api/test_{name}.py" for name in ("folders", "frames", "runs", "streams")),
    "api/test_python_page.py",
    *(
        f"attempts/test_{name}.py"
        for name in (
            *("awkward_purchases", "awkward_tasks", "fence", "kept", "links"),
            "lost_uploads",
        )
    ),
    *(
        f"runs/test_{name}.py"
        for name in (
            *("bad_peers", "budgets", "chains", "full_disk", "gateways"),
            *("incoming_table", "limits", "long_outages", "memory", "outages"),
            *("member_names", "outputs", "references", "routes", "slow_disk"),
            "verdicts",
        )
    ),
    *("addresses/test_url.py", "limits/test_aimd_limit.py"),
    "limits/test_rate_limiter.py",
    *("manifest/test_template_limits.py", "planning/test_planner.py"),
    *("output/test_archive_recovery.py", "output/test_archive_zip64.py"),
    *("providers/test_decoding.py", "report/test_layout.py"),
    *(
        f"sandbox/test_{name}.py"
        for name in (
            *("bill", "drawing", "faults_on_demand", "gemini", "lifetime", "profiles"),
            "uploads",
        )
    ),
    "test_start.py",
    *(
        f"wire/test_{name}.py"
        for name in ("decompression", "pauses", "redaction", "sockets", "squid")
    ),
)
"""Whole runs in processes of their own, random search, and what else takes seconds."""
BUT_NOT = (
    *(
        f"cli/test_{name}.py"
        for name in (
            *("display", "help", "job_checks", "pasted", "picked", "stop_words"),
            *("time_left", "words"),
        )
    ),
)
"""What takes no time among them, so that each room of the package has a quick test."""
QUICK = "not slow"


def _is_slow(path: Path) -> bool:
    name = f"{path.relative_to(Path(__file__).parent)}"
    return name.startswith(SLOW) and not name.startswith(BUT_NOT)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even load what `pytest -m "not slow"` leaves out."""
    is_file = collection_path.suffix == ".py"
    is_quick = config.option.markexpr == QUICK
    return True if is_quick and is_file and _is_slow(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow; everything runs before a change."""
    for item in items:
        if _is_slow(item.path):
            item.add_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def warm() -> Iterator[None]:
    """Let what commands are forked from end with the tests."""
    yield
    end()


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every request on this machine, and the developer's own defaults out."""
    monkeypatch.setenv("BATCHGEN_LOOPBACK_ONLY", "1")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nowhere/config")
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
