from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cases.judge import KEY, Customer, open_service
from tests.cases.server import PRICE, Service

SKIPS_SLOW = "BATCHGEN_SLOW_CASES" not in os.environ
"""Set it to play those cases, too, in which a run waits for minutes of real time."""


@dataclass(frozen=True)
class Market:
    """Opens services for one test."""

    folder: Path
    stack: ExitStack

    def open(
        self, *providers: str, key: str = KEY, price: Decimal | None = PRICE
    ) -> Customer:
        services = {
            name: self.stack.enter_context(open_service(name)) for name in providers
        }
        return Customer(self.folder, services, key, price)

    def enter(self, provider: str, key: str = KEY) -> tuple[Customer, Service]:
        customer = self.open(provider, key=key)
        return customer, customer.services[provider]


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    with ExitStack() as stack:
        yield Market(tmp_path, stack)
