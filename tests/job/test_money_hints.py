"""What is said of an amount that cannot be read never raises a budget by a guess."""

from __future__ import annotations

import pytest

from batchgen.job.money import amount_hint


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("5,00", "write 5.00"),
        ("$5", "write 5"),
        ("0,5", "write 0.5"),
        ("0,500", "write 0.500"),
        ("1,000", "write 1000"),
        ("1,000.50", "write 1000.50"),
        ("1.000,50", "write 1000.50"),
        ("1.000.000", "write 1000000"),
        ("5.00.00", "write a number such as 5 or 5.00"),
        ("5,00,00", "write a number such as 5 or 5.00"),
        ("1,00.5", "write a number such as 5 or 5.00"),
        ("five", "write a number such as 5 or 5.00"),
    ],
)
def test_an_amount_is_spelled_anew_where_that_is_no_guess(
    typed: str, hint: str
) -> None:
    assert amount_hint(typed) == hint
