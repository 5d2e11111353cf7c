from __future__ import annotations

from tests.runs.conftest import anyio_backend, desk, quick_waits, shop

__all__ = ["anyio_backend", "desk", "quick_waits", "shop"]
