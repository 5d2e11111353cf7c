"""Waits between tries, made short for tests that go through many of them."""

from __future__ import annotations

import pytest
from tenacity import wait_exponential

from batchgen.admission import next_step as decide


def shorten(patch: pytest.MonkeyPatch) -> None:
    """Let waits between tries be short, and keep their order."""
    backoff = wait_exponential(multiplier=0.005, exp_base=2, max=0.02)
    patch.setattr(decide, "_backoff", backoff)
