"""What every service answers as a rule is bought once and delivered."""

from __future__ import annotations

import pytest

from tests.cases.conftest import Market
from tests.cases.dialects import PROVIDERS


@pytest.mark.parametrize("provider", PROVIDERS)
def test_plain_rows_succeed(market: Market, provider: str) -> None:
    customer, service = market.enter(provider)
    customer.write(["one", "two"])
    outcome = customer.run()
    outcome.ends(0, others="succeeded")
    assert len(service.purchases) == 2
    assert outcome.spent + outcome.at_risk >= outcome.bill > 0
