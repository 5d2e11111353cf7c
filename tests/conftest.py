"""What holds for every test: no paid host, no proxy, no key of the developer's."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every request, also of child processes, on this machine."""
    monkeypatch.setenv("BATCHGEN_LOOPBACK_ONLY", "1")
    for name in list(os.environ):
        if name.endswith("_API_KEY") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
