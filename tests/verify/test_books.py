"""A verification that finds another bill than a row tells says so, in numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from batchgen.providers import PROVIDERS
from batchgen.verify.books import Books, CheckFailed, check_money
from batchgen.verify.checks import checks_of


def books(billed: int) -> Books:
    """Return books of a row that cost 50 nano-dollars, with 20 more at risk."""
    amounts = {"cost_usd": Decimal("5e-8"), "at_risk_usd": Decimal("2e-8")}
    sales = [{"prompt": "a cup", "amount_nano_usd": billed}] if billed else []
    return Books(
        rows=[{"prompt": "a cup", **amounts}], attempts=[], bill=sales, requests=[]
    )


@pytest.mark.parametrize("billed", [50, 60, 70])
def test_a_bill_between_the_cost_and_all_that_is_at_risk_is_right(billed: int) -> None:
    check_money(books(billed))


@pytest.mark.parametrize("billed", [0, 49, 71])
def test_any_other_bill_fails_with_its_amounts(billed: int) -> None:
    with pytest.raises(CheckFailed, match=f"{billed} billed, 50 spent and 20 at risk"):
        check_money(books(billed))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_check_of_a_provider_has_a_name_of_its_own(provider: str) -> None:
    names = [check.name for check in checks_of(provider)]

    assert len(names) > 10
    assert len(set(names)) == len(names)
